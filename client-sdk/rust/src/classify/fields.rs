//! Numbers in headers. They come from outside: so many digits and nothing else, or they are not there.

use std::time::Duration;

use http::HeaderValue;

/// The longest wait that a callee is believed.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const MOST_DIGITS: usize = 9;

/// One to nine digits.
pub(super) fn number(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let sound = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}
