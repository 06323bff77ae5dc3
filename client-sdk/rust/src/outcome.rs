//! What one finished call means for the estimator of a limit and for a breaker.
//!
//! Only four meanings matter. "The server answered with an error" is not one of them: a 404 says nothing about load, a
//! 429 says everything, a 500 says that the callee is sick but not that it is full.

/// What one finished call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The call did its work: its latency is a sample.
    Success,
    /// Its result says nothing about load or health: cancelled, refused by the caller's own fault.
    Ignore,
    /// It ended in overload: time-out, 429, 503, `RESOURCE_EXHAUSTED`. Lowers a limit, fails a breaker's probe.
    Dropped,
    /// It failed in another way. No input for a limit; several in a row trip a breaker.
    Failure,
}

impl Outcome {
    /// The default meaning of an HTTP status: 2xx and 3xx success; 429, 503 and 504 dropped; other 5xx failure; the rest
    /// is ignored.
    #[inline]
    pub fn from_http_status(status: u16) -> Self {
        match status {
            200..=399 => Self::Success,
            429 | 503 | 504 => Self::Dropped,
            500..=599 => Self::Failure,
            _ => Self::Ignore,
        }
    }

    /// The default meaning of a gRPC status code: 0 success; 4 `DEADLINE_EXCEEDED`, 8 `RESOURCE_EXHAUSTED` and 14
    /// `UNAVAILABLE` dropped; 2 `UNKNOWN`, 13 `INTERNAL` and 15 `DATA_LOSS` failure; the rest is ignored.
    #[inline]
    pub fn from_grpc_status(code: u16) -> Self {
        match code {
            0 => Self::Success,
            4 | 8 | 14 => Self::Dropped,
            2 | 13 | 15 => Self::Failure,
            _ => Self::Ignore,
        }
    }

    /// What a permit that was dropped unfinished means: a panic is a failure, anything else was cancelled.
    pub(crate) fn of_unfinished() -> Self {
        if std::thread::panicking() { Self::Failure } else { Self::Ignore }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::{self, Dropped, Failure, Ignore, Success};

    #[test]
    fn http_statuses_have_their_documented_meaning() {
        for (status, expected) in [
            (101, Ignore),
            (200, Success),
            (304, Success),
            (399, Success),
            (400, Ignore),
            (404, Ignore),
            (429, Dropped),
            (500, Failure),
            (502, Failure),
            (503, Dropped),
            (504, Dropped),
            (599, Failure),
            (600, Ignore),
        ] {
            assert_eq!(Outcome::from_http_status(status), expected, "{status}");
        }
    }

    #[test]
    fn grpc_statuses_have_their_documented_meaning() {
        let expected = [
            Success, Ignore, Failure, Ignore, Dropped, Ignore, Ignore, Ignore, Dropped, Ignore, Ignore,
            Ignore, Ignore, Failure, Dropped, Failure, Ignore,
        ];
        for (code, expected) in (0..).zip(expected) {
            assert_eq!(Outcome::from_grpc_status(code), expected, "{code}");
        }
    }
}
