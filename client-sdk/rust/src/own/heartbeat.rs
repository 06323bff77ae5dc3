//! How late the application's own runtime is.
//!
//! A task on that runtime sleeps 10 ms at a time and notes how late it wakes. That is what every task of the application
//! suffers, whatever the cause: a blocked worker, too many tasks, too little CPU. A runtime that hangs altogether wakes
//! nobody, so an overdue wake-up counts as well. Costs one wake-up per 10 ms and an atomic add.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

const EVERY: Duration = Duration::from_millis(10);
/// Buckets for each doubling: a percentile is at most 19 % too high.
const PER_OCTAVE: u32 = 4;
/// From 1 us to 18 minutes.
const BUCKETS: usize = 30 * PER_OCTAVE as usize;
/// No wake-up is due.
const NONE: u64 = 0;

/// The lateness of a timer in the application's runtime. The task ends when this is dropped.
#[derive(Debug)]
pub(super) struct Heartbeat(Arc<Late>);

#[derive(Debug)]
struct Late {
    origin: Instant,
    /// Wake-ups by lateness, since they were last taken.
    counts: [AtomicU32; BUCKETS],
    /// When the next wake-up is due, microseconds since the origin; [`NONE`] when there is no task.
    due_micros: AtomicU64,
}

impl Heartbeat {
    pub(super) fn start(runtime: &Handle) -> Self {
        let late = Arc::new(Late {
            origin: Instant::now(),
            counts: [const { AtomicU32::new(0) }; BUCKETS],
            due_micros: AtomicU64::new(NONE),
        });
        runtime.spawn(beat(Pulse(Arc::downgrade(&late))));
        Self(late)
    }

    /// The 99th percentile of the lateness since the last call, seconds. `None` when the runtime has ended or the task has
    /// not run yet.
    pub(super) fn take_p99(&self) -> Option<f64> {
        let late = &*self.0;
        let due = late.due_micros.load(Ordering::Relaxed);
        let mut counts = [0_u64; BUCKETS];
        for (count, shared) in counts.iter_mut().zip(&late.counts) {
            *count = shared.swap(0, Ordering::Relaxed).into();
        }
        if due == NONE {
            return None;
        }
        let overdue = late.micros(Instant::now()).saturating_sub(due);
        counts[bucket(overdue)] += u64::from(overdue > 0);
        let total: u64 = counts.iter().sum();
        let rank = (total * 99).div_ceil(100).max(1);
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(upper_seconds)
    }
}

impl Late {
    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX)
    }
}

/// The task's side: says that nothing is due any more when the task ends, in whatever way.
struct Pulse(Weak<Late>);

impl Drop for Pulse {
    fn drop(&mut self) {
        if let Some(late) = self.0.upgrade() {
            late.due_micros.store(NONE, Ordering::Relaxed);
        }
    }
}

async fn beat(pulse: Pulse) {
    let mut due = Instant::now();
    loop {
        due = due.max(Instant::now()) + EVERY;
        let Some(late) = pulse.0.upgrade() else { return };
        late.due_micros.store(late.micros(due), Ordering::Relaxed);
        drop(late);
        sleep_until(due).await;
        let Some(late) = pulse.0.upgrade() else { return };
        let lateness = late.micros(Instant::now()).saturating_sub(late.micros(due));
        late.counts[bucket(lateness)].fetch_add(1, Ordering::Relaxed);
    }
}

/// The bucket of a lateness: [`PER_OCTAVE`] for each doubling of microseconds.
fn bucket(micros: u64) -> usize {
    let micros = micros.clamp(1, (1 << 30) - 1);
    let octave = micros.ilog2();
    let quarter = ((micros - (1 << octave)) * u64::from(PER_OCTAVE)) >> octave;
    usize::try_from(u64::from(octave * PER_OCTAVE) + quarter).unwrap_or(BUCKETS - 1)
}

/// The upper end of a bucket.
#[allow(clippy::cast_precision_loss, reason = "there are 120 buckets")]
fn upper_seconds(bucket: usize) -> f64 {
    let per_octave = PER_OCTAVE as usize;
    let quarters = 1.0 + (bucket % per_octave + 1) as f64 / f64::from(PER_OCTAVE);
    let octave = i32::try_from(bucket / per_octave).unwrap_or(0);
    quarters * 2_f64.powi(octave) * 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lateness_lies_in_its_bucket() {
        for micros in (1..100_000).chain([1 << 20, 1 << 29, (1 << 30) - 1]) {
            let (seconds, upper) = (micros as f64 * 1e-6, upper_seconds(bucket(micros)));
            assert!(seconds < upper && upper <= seconds * 2.0, "{micros} us in a bucket up to {upper} s");
            assert!(micros < 100 || upper <= seconds * 1.26, "{micros} us in a bucket up to {upper} s");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[tokio::test(start_paused = true)]
    async fn s2_a_runtime_that_blocks_shows_as_late() {
        let heartbeat = Heartbeat::start(&Handle::current());
        assert_eq!(heartbeat.take_p99(), None, "the task has not run");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let idle = heartbeat.take_p99().expect("a second of wake-ups");
        assert!(idle < 0.002, "{idle}");
        // Nobody is polled while time goes by: what a blocked worker does to its tasks.
        tokio::time::advance(Duration::from_millis(300)).await;
        let blocked = heartbeat.take_p99().expect("overdue");
        assert!((0.25..0.4).contains(&blocked), "{blocked}");
    }

    #[test]
    fn s2_a_runtime_that_hangs_is_late_and_one_that_has_ended_is_unknown() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let heartbeat = Heartbeat::start(runtime.handle());
        runtime.block_on(async { tokio::time::sleep(2 * EVERY).await });
        heartbeat.take_p99();
        // Nobody runs the runtime's tasks meanwhile.
        let start = std::time::Instant::now();
        while start.elapsed() < 5 * EVERY {
            std::hint::spin_loop();
        }
        let hung = heartbeat.take_p99().expect("a wake-up is overdue");
        assert!(hung >= 0.03, "{hung}");
        runtime.block_on(async { tokio::time::sleep(2 * EVERY).await });
        drop(runtime);
        assert_eq!(heartbeat.take_p99(), None);
    }
}
