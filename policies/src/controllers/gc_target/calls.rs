//! What calls in flight have to do with the live heap.
//!
//! Bytes per call is what the process allocates over the calls that it completes: an upper bound of what a call keeps
//! alive, and cheap. A fit of live heap against calls in flight was tried and drifted, because under a limit that is
//! derived from it the two hardly vary. The error of an upper bound only makes the steps of the limit smaller.

use std::sync::Arc;

use crate::policy::Seen;
use crate::totals::Totals;
use crate::window::Window;

use super::STALE_AFTER;

/// Time constants, seconds: of calls in flight and completions, and of bytes per call.
const CALLS_SECONDS: f64 = 0.7;
const BYTES_SECONDS: f64 = 5.0;

/// Calls of a process, as its main limiter counts them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: Option<Arc<Totals>>,
    in_flight: Option<f64>,
    per_second: Option<f64>,
    bytes: Option<f64>,
}

impl Calls {
    /// Takes the newest counters, if there are new ones.
    pub(super) fn update(&mut self, seen: &Seen<'_>, allocation: Option<f64>) {
        let Ok(totals) = seen.fresh_totals(STALE_AFTER) else {
            *self = Self::default();
            return;
        };
        let last = self.last.replace(Arc::clone(totals));
        let Some(window) = last.and_then(|last| Window::between(&last, totals)) else { return };
        let ended = window.completed.saturating_add(window.failed).saturating_add(window.dropped);
        smooth(&mut self.in_flight, window.mean_in_flight, window.seconds, CALLS_SECONDS);
        smooth(&mut self.per_second, ended as f64 / window.seconds, window.seconds, CALLS_SECONDS);
        let bytes = allocation.zip(self.per_second).map(|(bytes, calls)| bytes / calls);
        if let Some(bytes) = bytes.filter(|bytes| bytes.is_finite() && *bytes > 0.0) {
            smooth(&mut self.bytes, bytes, window.seconds, BYTES_SECONDS);
        }
    }

    /// Mean of calls in flight over the newest second; `None`: not known.
    pub(super) const fn in_flight(&self) -> Option<f64> {
        self.in_flight
    }

    /// Bytes that a call keeps alive at most; `None`: not known.
    pub(super) const fn bytes(&self) -> Option<f64> {
        self.bytes
    }
}

fn smooth(mean: &mut Option<f64>, value: f64, seconds: f64, constant: f64) {
    let weight = 1.0 - (-seconds / constant).exp();
    *mean = Some(mean.map_or(value, |mean| mean + weight * (value - mean)));
}
