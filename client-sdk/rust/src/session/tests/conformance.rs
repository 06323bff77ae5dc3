//! The scenarios that all SDKs share (`integration/conformance`), played against this one.
//!
//! The driver is as thin as can be: what is expected stands in the files. Each is a test of its own name; one that is not in
//! this list fails `every_scenario_is_played`.

mod driver;
mod scenario;

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        const PLAYED: &[&str] = &[$(stringify!($name)),*];

        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            driver::play(stringify!($name)).await;
        })*
    };
}

scenarios![
    atomic,
    back_in_decay,
    bounds_and_pace,
    callback_hangs,
    counters,
    drain,
    enforced,
    first_value,
    frames,
    goodbye,
    hung_loop_new_stream,
    kill_switch,
    late_knobs,
    lease_kinds,
    loop_hangs,
    other_protocol,
    owner,
    pace_of_limits,
    pinned_for_good,
    reconnect,
    refusal,
    restart,
    short_silence,
    sidecar_dies,
];

#[test]
fn every_scenario_is_played() {
    assert_eq!(PLAYED, scenario::names());
}
