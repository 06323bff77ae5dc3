//! Makes the Rust bindings out of the `.proto` file without protoc: protox compiles, tonic's prost build prints.
//!
//! A crate of its own that needs none of ours: after an edit of the contract `setpoint-proto` need not build before its bindings
//! are made anew. Nothing that ships depends on it.

use std::error::Error;

const PROTO_ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where the bindings stand.
pub const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/generated/setpoint.v1.rs");

/// The bindings as they should stand in `src/generated`.
///
/// # Errors
/// The contract does not compile, or the folder for temporary files cannot be used.
pub fn bindings() -> Result<String, Box<dyn Error>> {
    let out = std::env::temp_dir().join(format!("setpoint-codegen-{}", std::process::id()));
    std::fs::create_dir_all(&out)?;
    let descriptors = protox::compile(["setpoint/v1/setpoint.proto"], [PROTO_ROOT])?;
    tonic_prost_build::configure().build_transport(false).out_dir(&out).compile_fds(descriptors)?;
    let bindings = std::fs::read_to_string(out.join("setpoint.v1.rs"))?;
    std::fs::remove_dir_all(&out)?;
    Ok(bindings)
}
