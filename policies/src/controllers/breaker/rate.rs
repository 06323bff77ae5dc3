//! The failure rate over windows that follow each other, each an exact sum.

use std::sync::Arc;
use std::time::Duration;

use crate::reason::BreakerReason;
use crate::spec::InvalidConfig;
use crate::totals::Totals;
use crate::window::Window;

/// Trips when the share of failed calls is above `above` in `in_a_row` windows, each with `minimum_calls` or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailureRate {
    above: f64,
    window: Duration,
    in_a_row: u32,
    minimum_calls: u64,
}

impl FailureRate {
    /// Default of `window`.
    pub const WINDOW: Duration = Duration::from_secs(10);
    /// Default of `in_a_row`.
    pub const IN_A_ROW: u32 = 1;
    /// Default of `minimum_calls`.
    pub const MINIMUM_CALLS: u64 = 20;

    /// A checked rule; `above` 0 to 1.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        above: f64,
        window: Duration,
        in_a_row: u32,
        minimum_calls: u64,
    ) -> Result<Self, InvalidConfig> {
        if !(0.01..=1.0).contains(&above) {
            return Err(InvalidConfig::OutOfRange { field: "above", range: "between 1% and 100%" });
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&window) {
            return Err(InvalidConfig::OutOfRange { field: "window", range: "between 1s and 10m" });
        }
        if !(1..=10).contains(&in_a_row) {
            return Err(InvalidConfig::OutOfRange { field: "in_a_row", range: "between 1 and 10" });
        }
        if !(1..=1_000_000).contains(&minimum_calls) {
            return Err(InvalidConfig::OutOfRange { field: "minimum_calls", range: "between 1 and 1000000" });
        }
        Ok(Self { above, window, in_a_row, minimum_calls })
    }
}

/// The rule at work.
#[derive(Debug)]
pub(super) struct RateRule {
    spec: FailureRate,
    start: Option<Arc<Totals>>,
    hits: u32,
}

impl RateRule {
    pub(super) const fn new(spec: FailureRate) -> Self {
        Self { spec, start: None, hits: 0 }
    }

    /// Looks at the newest counters; says why when they complete the windows that trip.
    pub(super) fn judge(&mut self, totals: &Arc<Totals>) -> Option<BreakerReason> {
        // A clock that has jumped back starts the window over.
        self.start.take_if(|start| start.at_nanos > totals.at_nanos);
        let start = self.start.get_or_insert_with(|| Arc::clone(totals));
        let window = Window::between(start, totals)?;
        if window.seconds < self.spec.window.as_secs_f64() {
            return None;
        }
        self.start = Some(Arc::clone(totals));
        let failures = window.failed.saturating_add(window.dropped);
        let calls = failures.saturating_add(window.completed);
        let ratio = failures as f64 / calls.max(1) as f64;
        self.hits =
            if calls >= self.spec.minimum_calls && ratio > self.spec.above { self.hits + 1 } else { 0 };
        let reason = BreakerReason::FailureRate { ratio, threshold: self.spec.above, calls };
        (self.hits >= self.spec.in_a_row).then_some(reason)
    }
}
