//! Makes the Rust bindings out of the `.proto` file without protoc: protox compiles, tonic's prost build prints.
use std::error::Error;

const PROTO_ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/generated/setpoint.v1.rs");

/// The bindings as they should stand in `src/generated`.
pub fn bindings() -> Result<String, Box<dyn Error>> {
    let out = std::env::temp_dir().join(format!("setpoint-gen-{}", std::process::id()));
    std::fs::create_dir_all(&out)?;
    let descriptors = protox::compile(["setpoint/v1/setpoint.proto"], [PROTO_ROOT])?;
    tonic_prost_build::configure().build_transport(false).out_dir(&out).compile_fds(descriptors)?;
    let bindings = std::fs::read_to_string(out.join("setpoint.v1.rs"))?;
    std::fs::remove_dir_all(&out)?;
    Ok(bindings)
}
