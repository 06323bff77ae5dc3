//! Every malformed field, and the path under which it is refused.

mod from_sdk;
mod from_sidecar;

use prost_types::Duration;

use crate::convert::{BadField, Problem};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;
const NEGATIVE: Option<Duration> = Some(Duration { seconds: -1, nanos: 0 });
const NEGATIVE_NANOS: Option<Duration> = Some(Duration { seconds: 0, nanos: -1 });
const MANY_NANOS: Option<Duration> = Some(Duration { seconds: 0, nanos: 1_000_000_000 });
const LONG: Option<Duration> = Some(Duration { seconds: 86_400, nanos: 1 });
const DAY: Problem = Problem::OutOfRange("at most 1 day");
const FROM_ZERO: Problem = Problem::OutOfRange("at least 0");
const TO_ONE: Problem = Problem::OutOfRange("0 to 1");

fn string(bytes: usize) -> String {
    "x".repeat(bytes)
}

type Row<T> = (fn(&mut T), &'static str, Problem);

/// The sound message passes; each row spoils one field of it.
fn table<T, D: std::fmt::Debug>(
    sound: impl Fn() -> T,
    convert: impl Fn(T) -> Result<D, BadField>,
    rows: &[Row<T>],
) {
    convert(sound()).expect("the sound message passes");
    for (spoil, path, problem) in rows {
        let mut message = sound();
        spoil(&mut message);
        let bad = convert(message).expect_err(path);
        assert_eq!((bad.path.as_str(), bad.problem), (*path, *problem));
    }
}
