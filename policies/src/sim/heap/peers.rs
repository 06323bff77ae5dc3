//! Other projects' tuners, from their public formulas.
//!
//! | name | law | source |
//! |---|---|---|
//! | `static100` | what Go does by itself | Go's `runtime/debug` |
//! | `automemlimit` | 100 percent, soft limit 0.9 of the memory limit, at start | KimMachineGun/automemlimit `memlimit/memlimit.go` |
//! | `gogc_off` | no percentage, soft limit 0.9 | Go's guide to the collector |
//! | `bytedance` | (threshold - in use) / in use, 50 to 500 percent, after each collection; threshold 0.7 of the limit | bytedance/gopkg `util/gctuner/tuner.go` and its README |
//! | `tidb` | the same with 100 to 500 and a threshold of 0.6; soft limit 0.8 x 0.7, for a minute 0.8 x 1.1 after two collections in a row that it caused | pingcap/tidb `pkg/util/gctuner/{tuner,memory_limit_tuner}.go` |
//!
//! Both tuners read the heap in a finalizer, right after marking, before anything is swept; so do these.

use super::runtime::Runtime;

/// A tuner inside the process.
pub trait Tuner {
    /// The process starts under a memory limit.
    fn start(&mut self, runtime: &mut Runtime, limit: f64);

    /// A collection ended.
    fn collected(&mut self, now: f64, runtime: &mut Runtime) {
        _ = (now, runtime);
    }
}

/// Nothing changes after the start.
#[derive(Debug, Clone, Copy)]
pub struct Static {
    /// Growth between collections; infinite: off.
    pub ratio: f64,
    /// Soft limit as a share of the memory limit; infinite: none.
    pub limit_share: f64,
}

impl Static {
    /// Go by itself.
    pub const GO: Self = Self { ratio: 1.0, limit_share: f64::INFINITY };
    /// automemlimit.
    pub const AUTOMEMLIMIT: Self = Self { ratio: 1.0, limit_share: 0.9 };
    /// The percentage switched off.
    pub const OFF: Self = Self { ratio: f64::INFINITY, limit_share: 0.9 };
}

impl Tuner for Static {
    fn start(&mut self, runtime: &mut Runtime, limit: f64) {
        (runtime.ratio, runtime.limit) = (self.ratio, self.limit_share * limit);
    }
}

/// The percentage that lets the heap grow to a threshold.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    share: f64,
    least: f64,
    threshold: f64,
}

impl Threshold {
    /// bytedance/gopkg.
    pub const BYTEDANCE: Self = Self { share: 0.7, least: 0.5, threshold: 0.0 };

    fn ratio(&self, in_use: f64) -> f64 {
        let percent = (100.0 * (self.threshold - in_use) / in_use.max(1.0)).floor();
        (percent / 100.0).clamp(self.least, 5.0)
    }
}

impl Tuner for Threshold {
    fn start(&mut self, _: &mut Runtime, limit: f64) {
        self.threshold = self.share * limit;
    }

    fn collected(&mut self, _: f64, runtime: &mut Runtime) {
        runtime.ratio = self.ratio(runtime.before_sweep);
    }
}

/// TiDB's two tuners.
#[derive(Debug, Clone, Copy)]
pub struct Tidb {
    percent: Threshold,
    server_limit: f64,
    next_by_limit: bool,
    relaxed_until: Option<f64>,
}

impl Tidb {
    const TRIGGER: f64 = 0.7;
    const RELAXED: f64 = 1.1;
    const RELAXED_SECONDS: f64 = 60.0;

    /// Before the start.
    pub const NEW: Self = Self {
        percent: Threshold { share: 0.6, least: 1.0, threshold: 0.0 },
        server_limit: 0.0,
        next_by_limit: false,
        relaxed_until: None,
    };
}

impl Tuner for Tidb {
    fn start(&mut self, runtime: &mut Runtime, limit: f64) {
        self.percent.start(runtime, limit);
        self.server_limit = 0.8 * limit;
        runtime.limit = self.server_limit * Self::TRIGGER;
    }

    fn collected(&mut self, now: f64, runtime: &mut Runtime) {
        let in_use = runtime.before_sweep;
        runtime.ratio = self.percent.ratio(in_use);
        if self.relaxed_until.is_some_and(|until| now >= until) {
            self.relaxed_until = None;
            runtime.limit = self.server_limit * Self::TRIGGER;
        }
        let by_limit = in_use * (1.0 + runtime.ratio) > runtime.limit;
        if by_limit && self.next_by_limit && self.relaxed_until.is_none() {
            self.relaxed_until = Some(now + Self::RELAXED_SECONDS);
            runtime.limit = self.server_limit * Self::RELAXED;
        }
        self.next_by_limit = by_limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_taken_from_what_is_not_swept_yet() {
        let mut runtime = Runtime::new(1e-9);
        let mut tuner = Threshold::BYTEDANCE;
        tuner.start(&mut runtime, 1000.0);
        for (in_use, ratio) in [(350.0, 1.0), (100.0, 5.0), (600.0, 0.5), (700.0, 0.5), (300.0, 1.33)] {
            runtime.before_sweep = in_use;
            tuner.collected(0.0, &mut runtime);
            assert_eq!(runtime.ratio, ratio, "{in_use}");
        }
    }

    #[test]
    fn tidb_relaxes_its_limit_for_a_minute_after_two_collections_that_it_caused() {
        let mut runtime = Runtime::new(1e-9);
        let mut tuner = Tidb::NEW;
        tuner.start(&mut runtime, 1000.0);
        let mut after = |now, in_use| {
            runtime.before_sweep = in_use;
            tuner.collected(now, &mut runtime);
            runtime.limit.round()
        };
        assert_eq!(after(0.0, 90.0), 560.0);
        assert_eq!(after(1.0, 400.0), 560.0, "the next one will be caused by the limit");
        assert_eq!(after(2.0, 400.0), 880.0);
        assert_eq!(after(61.0, 90.0), 880.0);
        assert_eq!(after(62.0, 90.0), 560.0);
    }
}
