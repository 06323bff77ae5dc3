//! The checked-in bindings equal freshly generated ones, so that nobody who builds Setpoint needs a generator.

#[test]
fn checked_in_bindings_equal_freshly_generated_ones() {
    let fresh = setpoint_codegen::bindings().expect("the contract compiles");
    let checked_in =
        std::fs::read_to_string(setpoint_codegen::CHECKED_IN).expect("the bindings are checked in");
    assert!(fresh == checked_in, "the bindings are stale: run `make gen` and commit the result");
}
