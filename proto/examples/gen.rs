//! Writes the checked-in bindings: `cargo run -p setpoint-proto --example gen` (or `make gen`).
#[path = "../tests/codegen/mod.rs"]
mod codegen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bindings = codegen::bindings()?;
    std::fs::write(codegen::CHECKED_IN, bindings)?;
    Ok(())
}
