//! What became of one request, seen from the client.

use std::time::Duration;

use hyper::header::RETRY_AFTER;

use crate::http::{Answer, HttpError};

/// The end of one request. Exactly one per request that was sent and answered or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered well and within the deadline: the only thing that counts as goodput.
    Ok,
    /// Answered well, too late to be of use.
    Late,
    /// Refused in an orderly way: 429, or 503 that says when to come again.
    Rejected,
    /// Any other error status.
    FailedStatus,
    /// Connection refused, reset or broken off.
    FailedSocket,
}

/// Classifies what came back `latency` after the scheduled time.
pub fn classify(result: &Result<Answer, HttpError>, latency: Duration, deadline: Duration) -> Outcome {
    let Ok(answer) = result else { return Outcome::FailedSocket };
    match answer.status.as_u16() {
        200..=399 if latency <= deadline => Outcome::Ok,
        200..=399 => Outcome::Late,
        429 => Outcome::Rejected,
        503 if answer.headers.contains_key(RETRY_AFTER) => Outcome::Rejected,
        _ => Outcome::FailedStatus,
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode};

    use super::*;

    fn answer(status: u16, retry_after: bool) -> Result<Answer, HttpError> {
        let mut headers = HeaderMap::new();
        if retry_after {
            headers.insert(RETRY_AFTER, 1.into());
        }
        Ok(Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Default::default() })
    }

    #[test]
    fn by_table() {
        let deadline = Duration::from_millis(100);
        let table = [
            (answer(200, false), 100, Outcome::Ok),
            (answer(204, false), 0, Outcome::Ok),
            (answer(200, false), 101, Outcome::Late),
            (answer(429, false), 1, Outcome::Rejected),
            (answer(429, true), 500, Outcome::Rejected),
            (answer(503, true), 1, Outcome::Rejected),
            (answer(503, false), 1, Outcome::FailedStatus),
            (answer(500, true), 1, Outcome::FailedStatus),
            (answer(502, false), 1, Outcome::FailedStatus),
            (answer(404, false), 1, Outcome::FailedStatus),
            (Err(HttpError::Body), 1, Outcome::FailedSocket),
            (Err(HttpError::Connect(std::io::ErrorKind::ConnectionRefused.into())), 1, Outcome::FailedSocket),
        ];
        for (result, latency_ms, expected) in table {
            let seen = classify(&result, Duration::from_millis(latency_ms), deadline);
            assert_eq!(seen, expected, "{result:?} after {latency_ms} ms");
        }
    }
}
