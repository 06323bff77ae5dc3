//! What aegis and go-zero share: a ring of buckets over time, and a smoothed CPU reading.

use std::time::Duration;

use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bucket {
    milliseconds: u64,
    count: u64,
}

/// Counts and latencies of the last `size` stretches of time, the one under way included.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    ring: Vec<Bucket>,
    nanos: u64,
    newest: u64,
}

impl Buckets {
    /// `size` buckets of this length.
    pub(super) fn new(size: usize, length: Duration) -> Self {
        Self { ring: vec![Bucket::default(); size], nanos: length.as_nanos() as u64, newest: 0 }
    }

    /// Number of the bucket of a time.
    pub(super) fn index(&self, at: Timestamp) -> u64 {
        at.as_nanos() / self.nanos
    }

    /// Counts a call with its latency, whole milliseconds.
    pub(super) fn add(&mut self, at: Timestamp, milliseconds: u64) {
        self.advance(at);
        let size = self.ring.len() as u64;
        let bucket = &mut self.ring[(self.newest % size) as usize];
        bucket.milliseconds += milliseconds;
        bucket.count += 1;
    }

    fn advance(&mut self, at: Timestamp) {
        let (index, size) = (self.index(at), self.ring.len() as u64);
        while self.newest < index {
            self.newest = (self.newest + 1).max(index.saturating_sub(size));
            self.ring[(self.newest % size) as usize] = Bucket::default();
        }
    }

    /// The highest count of a complete bucket, and the lowest of their mean latencies in milliseconds. Costs time linear
    /// in the buckets.
    pub(super) fn extremes(&mut self, at: Timestamp) -> (u64, Option<f64>) {
        self.advance(at);
        let current = self.newest % self.ring.len() as u64;
        let complete = self.ring.iter().enumerate().filter(|(index, _)| *index as u64 != current);
        let with_calls = complete.map(|(_, bucket)| bucket).filter(|bucket| bucket.count > 0);
        with_calls.fold((0, None), |(count, latency), bucket| {
            let mean = bucket.milliseconds as f64 / bucket.count as f64;
            (count.max(bucket.count), Some(latency.map_or(mean, |lowest: f64| lowest.min(mean))))
        })
    }
}

/// Thousandths of the CPU, each new reading weighing a twentieth; cut to whole numbers, so it never shows all of 1000.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cpu {
    /// The smoothed reading.
    pub(super) thousandths: u64,
}

impl Cpu {
    /// Takes a reading in, a share from 0 to 1.
    pub(super) fn add(&mut self, busy: f64) {
        let reading = (busy.clamp(0.0, 1.0) * 1000.0).floor();
        self.thousandths = (self.thousandths as f64 * 0.95 + reading * (1.0 - 0.95)) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_buckets_of_the_window_count() {
        let mut buckets = Buckets::new(4, Duration::from_millis(100));
        let at = Timestamp::from_millis;
        buckets.add(at(10), 10);
        buckets.add(at(20), 15);
        assert_eq!(buckets.extremes(at(99)), (0, None), "under way");
        assert_eq!(buckets.extremes(at(100)), (2, Some(12.5)));
        buckets.add(at(250), 11);
        assert_eq!(buckets.extremes(at(300)), (2, Some(11.0)));
        assert_eq!(buckets.extremes(at(400)), (1, Some(11.0)), "the first is too old");
        assert_eq!(buckets.extremes(at(90_000)), (0, None));
    }

    /// 50, then 47.5 + 50 = 97.5 -> 97, 92.15 + 50 = 142.15 -> 142; at 981: 931.95 + 50 = 981.95 -> 981 for ever.
    #[test]
    fn a_full_cpu_shows_slowly_and_never_whole() {
        let mut cpu = Cpu::default();
        let readings: Vec<u64> = std::iter::repeat_with(|| {
            cpu.add(1.0);
            cpu.thousandths
        })
        .take(300)
        .collect();
        assert_eq!(readings[..3], [50, 97, 142]);
        assert_eq!(readings[299], 981);
        assert_eq!(
            readings.iter().position(|reading| *reading >= 800),
            Some(32),
            "16.5 s at a reading each 0.5 s"
        );
        assert_eq!(
            readings.iter().position(|reading| *reading >= 900),
            Some(46),
            "11.75 s at one each 0.25 s"
        );
    }
}
