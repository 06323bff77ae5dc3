//! A deadline on its way from service to service: as a time that is left, for no two machines have one clock.
//!
//! | header | of | form |
//! |---|---|---|
//! | `grpc-timeout` | gRPC | 1 to 8 digits and a unit: `H` `M` `S` `m` `u` `n`, hours to nanoseconds |
//! | `x-setpoint-timeout-ms` | HTTP | 1 to 8 digits: milliseconds, up to 27 hours |
//!
//! Both are read wherever they come from, and strictly: no sign, no space, no fraction, no header twice. A header that is
//! malformed is an error and not "no deadline"; what becomes of it is for the service to say.

use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::Deadline;

/// The time that is left for a plain HTTP request, in milliseconds.
pub const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-setpoint-timeout-ms");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Digits of a number at most, as gRPC has it.
const DIGITS: usize = 8;
const LARGEST: u64 = 99_999_999;
/// The units of gRPC, the finest first, in nanoseconds.
const UNITS: [(char, u64); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

/// Why a header is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadTimeout {
    /// Not 1 to 8 digits, with a unit where there should be one.
    #[error("{header}: must be 1 to 8 digits{unit}")]
    Form {
        /// Which header.
        header: &'static str,
        /// What should follow the digits.
        unit: &'static str,
    },
    /// It is there twice.
    #[error("{header}: is there more than once")]
    Repeated {
        /// Which header.
        header: &'static str,
    },
}

const GRPC_FORM: BadTimeout =
    BadTimeout::Form { header: "grpc-timeout", unit: " and one of H, M, S, m, u, n" };
const HTTP_FORM: BadTimeout = BadTimeout::Form { header: "x-setpoint-timeout-ms", unit: "" };

/// The time of a `grpc-timeout`.
///
/// # Errors
/// [`BadTimeout::Form`].
pub fn parse_grpc_timeout(text: &str) -> Result<Duration, BadTimeout> {
    let mut number = text.chars();
    let unit = number.next_back();
    let (_, nanos) = UNITS.iter().find(|(name, _)| Some(*name) == unit).ok_or(GRPC_FORM)?;
    let count = digits(number.as_str()).ok_or(GRPC_FORM)?;
    Ok(Duration::from_nanos(*nanos) * count)
}

/// The time of an `x-setpoint-timeout-ms`.
///
/// # Errors
/// [`BadTimeout::Form`].
pub fn parse_timeout(text: &str) -> Result<Duration, BadTimeout> {
    digits(text).map(|count| Duration::from_millis(count.into())).ok_or(HTTP_FORM)
}

/// One to eight digits and nothing else.
fn digits(text: &str) -> Option<u32> {
    let plain = (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// A time as a `grpc-timeout`: in the finest unit that holds it, rounded down, for nobody should be promised more than there
/// is; but never zero, which gRPC does not know.
pub fn grpc_timeout(left: Duration) -> String {
    let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX).max(1);
    let held = UNITS.iter().find(|(_, unit)| nanos / unit <= LARGEST);
    let (name, count) = held.map_or(('H', LARGEST), |(name, unit)| (*name, nanos / unit));
    format!("{count}{name}")
}

/// What the headers of a request say: the shorter one of both times. Looks at no clock, which most requests need not pay for.
pub(crate) fn time_left(headers: &HeaderMap) -> Result<Option<Duration>, BadTimeout> {
    let grpc = single(headers, &GRPC_TIMEOUT, GRPC_FORM, parse_grpc_timeout)?;
    let plain = single(headers, &TIMEOUT_HEADER, HTTP_FORM, parse_timeout)?;
    Ok(grpc.into_iter().chain(plain).min())
}

impl Deadline {
    /// What the headers of a request say, as of `now`: the earlier one of both headers.
    ///
    /// # Errors
    /// [`BadTimeout`]: a header is malformed, or there twice.
    pub fn from_headers(headers: &HeaderMap, now: Instant) -> Result<Self, BadTimeout> {
        Ok(time_left(headers)?.map_or(Self::NONE, |left| Self::after(now, left)))
    }

    /// Tells the callee of a request how long is left: by `grpc-timeout` if the request is gRPC (as its `content-type` says),
    /// else by `x-setpoint-timeout-ms`. Without a deadline the headers stay as they are. A call whose deadline is over is
    /// better not made: see [`Deadline::is_over`].
    pub fn write(&self, headers: &mut HeaderMap, now: Instant) {
        let Some(left) = self.left(now) else { return };
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let (name, text) = if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
            (GRPC_TIMEOUT, grpc_timeout(left))
        } else {
            (TIMEOUT_HEADER, left.as_millis().min(LARGEST.into()).to_string())
        };
        let value = HeaderValue::from_str(&text).expect("digits and a letter");
        headers.insert(name, value);
    }
}

/// The time of a header that may be there once.
fn single(
    headers: &HeaderMap,
    name: &HeaderName,
    form: BadTimeout,
    parse: impl Fn(&str) -> Result<Duration, BadTimeout>,
) -> Result<Option<Duration>, BadTimeout> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let header = if name == GRPC_TIMEOUT { "grpc-timeout" } else { "x-setpoint-timeout-ms" };
        return Err(BadTimeout::Repeated { header });
    }
    value.to_str().map_err(|_| form).and_then(parse).map(Some)
}
