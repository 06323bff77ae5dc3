//! A slow dependency, outside the pool, whose delay and failures can be changed while it runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

use super::DependencyFailed;

/// Something far away that takes a while and sometimes fails.
#[derive(Debug)]
pub struct Dependency {
    delay_micros: AtomicU64,
    /// Share of calls that fail, in parts of a million.
    fail_ppm: AtomicU64,
    calls: AtomicU64,
}

const MILLION: u64 = 1_000_000;

impl Dependency {
    /// One that takes `delay` and never fails.
    pub fn new(delay: Duration) -> Self {
        let delay_micros = AtomicU64::new(delay.as_micros() as u64);
        Self { delay_micros, fail_ppm: AtomicU64::new(0), calls: AtomicU64::new(0) }
    }

    /// How long calls that begin now take.
    pub fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_micros.load(Relaxed))
    }

    /// Changes the delay of calls that begin from now on.
    pub fn set_delay(&self, delay: Duration) {
        self.delay_micros.store(delay.as_micros() as u64, Relaxed);
    }

    /// Lets this share (0 to 1) of the calls fail from now on, evenly spread.
    pub fn set_fail_ratio(&self, ratio: f64) {
        self.fail_ppm.store((ratio.clamp(0.0, 1.0) * MILLION as f64) as u64, Relaxed);
    }

    /// One call.
    pub async fn call(&self) -> Result<(), DependencyFailed> {
        sleep(self.delay()).await;
        let call = self.calls.fetch_add(1, Relaxed) % MILLION;
        let ppm = self.fail_ppm.load(Relaxed);
        // Even spread without a random number: a call fails when the running sum of the ratio passes a whole number.
        let fails = (call + 1) * ppm / MILLION > call * ppm / MILLION;
        if fails { Err(DependencyFailed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fails_exactly_the_share_it_was_told_to() {
        let dependency = Dependency::new(Duration::from_millis(5));
        for (ratio, expected) in [(0.0, 0), (0.25, 25), (1.0, 100), (7.0, 100)] {
            dependency.set_fail_ratio(ratio);
            let mut failed = 0;
            for _ in 0..100 {
                failed += usize::from(dependency.call().await.is_err());
            }
            assert_eq!(failed, expected, "{ratio}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn takes_the_delay_of_the_moment() {
        let dependency = Dependency::new(Duration::from_millis(5));
        let start = tokio::time::Instant::now();
        dependency.call().await.unwrap();
        dependency.set_delay(Duration::from_millis(50));
        dependency.call().await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(55));
    }
}
