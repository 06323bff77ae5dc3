//! How long a setpoint lives without word from the sidecar, and what follows.
//!
//! A restrictive value never latches: a lease that is not renewed is held for a while, then moves linearly back to the
//! baseline. The function is pure and both ends share it, so that the sidecar can predict what the SDK does.

use std::time::Duration;

/// What happens when a lease runs out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum OnExpiry {
    /// Keep for `hold`, then move linearly to the baseline over `decay`.
    #[default]
    HoldThenDecay,
    /// To the baseline at once.
    Baseline,
    /// To this value at once (a fleet share's safe value).
    Safe(f64),
    /// Stay for ever.
    Keep,
}

/// The life of one setpoint, measured on the receiver's monotonic clock from the last renewal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lease {
    /// Valid for this long after the last renewal.
    pub ttl: Duration,
    /// Then kept for this long.
    pub hold: Duration,
    /// Then moved to the baseline over this long.
    pub decay: Duration,
    /// What follows the ttl.
    pub on_expiry: OnExpiry,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(5),
            hold: Duration::from_secs(30),
            decay: Duration::from_secs(60),
            on_expiry: OnExpiry::HoldThenDecay,
        }
    }
}

/// Where in its life a lease is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Renewed within its ttl.
    Valid,
    /// Past its ttl, value kept.
    Held,
    /// On its way to the baseline: the share of the way already gone, 0 to 1.
    Decaying(f64),
    /// Over: the baseline (or the safe value) is in force.
    Over,
}

impl Lease {
    /// The phase at `age`, the time since the last renewal.
    pub fn phase(&self, age: Duration) -> Phase {
        if age < self.ttl {
            return Phase::Valid;
        }
        let late = age.saturating_sub(self.ttl);
        match self.on_expiry {
            OnExpiry::Keep => Phase::Held,
            OnExpiry::Baseline | OnExpiry::Safe(_) => Phase::Over,
            OnExpiry::HoldThenDecay if late < self.hold => Phase::Held,
            OnExpiry::HoldThenDecay => match late.saturating_sub(self.hold) {
                decaying if decaying < self.decay => {
                    Phase::Decaying(decaying.as_secs_f64() / self.decay.as_secs_f64())
                }
                _ => Phase::Over,
            },
        }
    }

    /// The number in force at `age`, given what was pushed and the knob's baseline.
    pub fn in_force(&self, age: Duration, pushed: f64, baseline: f64) -> f64 {
        match (self.phase(age), self.on_expiry) {
            (Phase::Valid | Phase::Held, _) => pushed,
            (Phase::Decaying(share), _) => pushed + (baseline - pushed) * share,
            (Phase::Over, OnExpiry::Safe(safe)) => safe,
            (Phase::Over, _) => baseline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restrictive_value_never_latches() {
        let lease = Lease::default();
        let at = |seconds: u64| lease.in_force(Duration::from_secs(seconds), 10.0, 70.0);
        assert_eq!([at(0), at(4), at(5), at(34)], [10.0; 4], "valid, then held");
        assert_eq!([at(35), at(65), at(94)], [10.0, 40.0, 69.0], "decays linearly from 35 s");
        assert_eq!([at(95), at(10_000)], [70.0; 2], "at baseline from 95 s");
    }

    #[test]
    fn expiry_kinds_follow_their_names() {
        let with = |on_expiry| Lease { on_expiry, ..Lease::default() };
        let late = Duration::from_secs(6);
        assert_eq!(with(OnExpiry::Baseline).in_force(late, 10.0, 70.0), 70.0);
        assert_eq!(with(OnExpiry::Safe(3.0)).in_force(late, 10.0, 70.0), 3.0);
        assert_eq!(with(OnExpiry::Keep).in_force(Duration::from_secs(9999), 10.0, 70.0), 10.0);
        assert_eq!(with(OnExpiry::Keep).phase(late), Phase::Held);
    }
}
