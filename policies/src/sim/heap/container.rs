//! The container: a memory limit that kills and a CPU quota that throttles.

/// Length of a quota's period, seconds.
const PERIOD: f64 = 0.1;

/// A CPU quota as the kernel enforces it: so much CPU time in each period, used up as fast as threads can.
#[derive(Debug, Clone)]
pub struct Quota {
    cores: Option<f64>,
    left: f64,
    into_period: f64,
    throttled_here: bool,
    /// Periods so far, and those in which it was used up.
    pub periods: u64,
    /// See `periods`.
    pub throttled_periods: u64,
    /// Seconds that runnable threads stood still.
    pub throttled_seconds: f64,
}

impl Quota {
    /// A quota of so many cores; `None`: none.
    pub fn new(cores: Option<f64>) -> Self {
        let left = cores.map_or(f64::INFINITY, |cores| cores * PERIOD);
        Self {
            cores,
            left,
            into_period: 0.0,
            throttled_here: false,
            periods: 0,
            throttled_periods: 0,
            throttled_seconds: 0.0,
        }
    }

    /// Lets up to `wanted` CPU seconds run in a step of `seconds`; gives what may run.
    pub fn take(&mut self, wanted: f64, seconds: f64) -> f64 {
        let granted = wanted.min(self.left);
        if wanted > granted {
            self.throttled_seconds += seconds * (1.0 - granted / wanted);
            self.throttled_here = true;
        }
        self.left -= granted;
        self.into_period += seconds;
        if self.into_period >= PERIOD - 1e-9 {
            self.next_period();
        }
        granted
    }

    fn next_period(&mut self) {
        let Some(cores) = self.cores else { return };
        self.periods += 1;
        self.throttled_periods += u64::from(std::mem::take(&mut self.throttled_here));
        self.left = cores * PERIOD;
        self.into_period = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_use_a_quota_up_sooner_and_stand_still_longer() {
        let run = |threads: f64| {
            let mut quota = Quota::new(Some(0.5));
            let used: f64 = (0..200).map(|_| quota.take(threads * 0.005, 0.005)).sum();
            assert!((used - 0.5).abs() < 1e-9, "{used}");
            assert_eq!((quota.periods, quota.throttled_periods), (10, 10));
            quota.throttled_seconds
        };
        assert!((run(1.0) - 0.5).abs() < 1e-9);
        assert!((run(8.0) - 0.9375).abs() < 1e-9);
    }
}
