//! What happened between two looks at the counters: long enough apart that a share of refused calls means something.

use std::sync::Arc;

use crate::totals::Totals;
use crate::window::Window;

/// A look is at least so long,
const SHORTEST: f64 = 0.5;
/// and has so many answers, or has lasted so long.
const ENOUGH: u64 = 20;
const LONGEST: f64 = 2.0;

/// Where the last look ended.
#[derive(Debug)]
pub(super) struct Mark(Arc<Totals>);

/// One look. Rates are per second.
#[derive(Debug)]
pub(super) struct Look {
    pub seconds: f64,
    pub stalled: bool,
    admitted: u64,
    completed: u64,
    dropped: u64,
    failed: u64,
}

impl Mark {
    pub(super) fn new(totals: &Arc<Totals>) -> Self {
        Self(Arc::clone(totals))
    }

    /// A look, if it is time for one; then the next one begins.
    pub(super) fn look(&mut self, totals: &Arc<Totals>) -> Option<Look> {
        if totals.at_nanos < self.0.at_nanos {
            // The clock has jumped back.
            *self = Self::new(totals);
        }
        let window = Window::between(&self.0, totals)?;
        let answered = window.completed.saturating_add(window.dropped);
        if window.seconds < SHORTEST || (answered < ENOUGH && window.seconds < LONGEST) {
            return None;
        }
        let admitted = totals.admitted.wrapping_sub(self.0.admitted);
        *self = Self::new(totals);
        Some(Look {
            seconds: window.seconds,
            stalled: window.stalled,
            admitted,
            completed: window.completed,
            dropped: window.dropped,
            failed: window.failed,
        })
    }
}

impl Look {
    /// The share of answered calls that were refused.
    pub(super) fn refused(&self) -> f64 {
        self.dropped as f64 / self.completed.saturating_add(self.dropped).max(1) as f64
    }

    /// Calls that were sent: at least as many as were answered.
    pub(super) fn used(&self) -> f64 {
        self.admitted.max(self.ended()) as f64 / self.seconds
    }

    /// Calls that were answered as they should be, in whatever way.
    pub(super) fn accepted(&self) -> f64 {
        self.completed.saturating_add(self.failed) as f64 / self.seconds
    }

    /// Calls whose end is known.
    pub(super) fn ended(&self) -> u64 {
        self.completed.saturating_add(self.dropped).saturating_add(self.failed)
    }
}
