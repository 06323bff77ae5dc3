//! The most calls in flight over the last 30 seconds, in buckets of one second.

use std::time::Duration;

use crate::time::Timestamp;

const BUCKETS: usize = 30;
const BUCKET: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peak {
    buckets: [u64; BUCKETS],
    newest: usize,
    ends: Option<Timestamp>,
}

impl Peak {
    pub(super) fn note(&mut self, now: Timestamp, in_flight: u64) {
        let mut ends = self.ends.unwrap_or(now + BUCKET);
        for _ in 0..BUCKETS {
            if now < ends {
                break;
            }
            self.newest = (self.newest + 1) % BUCKETS;
            self.buckets[self.newest] = 0;
            ends += BUCKET;
        }
        self.ends = Some(if now < ends { ends } else { now + BUCKET });
        let bucket = &mut self.buckets[self.newest];
        *bucket = in_flight.max(*bucket);
    }

    pub(super) fn recent(&self) -> u64 {
        self.buckets.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_forgotten_after_thirty_seconds() {
        let mut peak = Peak::default();
        peak.note(Timestamp::from_millis(500), 90);
        peak.note(Timestamp::from_millis(700), 40);
        for second in 1..30 {
            peak.note(Timestamp::from_millis(1000 * second + 600), 5);
            assert_eq!(peak.recent(), 90, "after {second} s");
        }
        peak.note(Timestamp::from_millis(31_000), 5);
        assert_eq!(peak.recent(), 5);
        peak.note(Timestamp::from_millis(600_000), 2);
        assert_eq!(peak.recent(), 2, "a long gap clears everything");
    }
}
