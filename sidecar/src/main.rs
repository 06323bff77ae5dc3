//! The `setpoint` binary.
fn main() {}
