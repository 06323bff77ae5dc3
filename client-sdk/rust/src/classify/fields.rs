//! Numbers in headers. They come from outside: so many digits and nothing else, or they are not there.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

/// The longest wait that a callee is believed.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const MOST_DIGITS: usize = 9;

/// One to nine digits.
pub(super) fn number(value: &HeaderValue) -> Option<u64> {
    digits(value.to_str().ok()?, MOST_DIGITS)
}

fn digits(text: &str, most: usize) -> Option<u64> {
    let sound = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// What a gRPC client says it waits: up to eight digits and a unit.
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count = digits(count, 8)?;
    Some(match unit {
        "H" => Duration::from_secs(3600 * count),
        "M" => Duration::from_secs(60 * count),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}
