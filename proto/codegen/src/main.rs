//! Writes the checked-in bindings: `make gen`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::fs::write(setpoint_codegen::CHECKED_IN, setpoint_codegen::bindings()?)?;
    Ok(())
}
