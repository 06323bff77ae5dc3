//! What calls in flight have to do with the live heap.
//!
//! Bytes per call is what the process allocates over the calls that come or end, whichever is more: an upper bound of what a
//! call keeps alive, and cheap. While load rises more calls come than end, and what the new ones allocate is not the old
//! ones'. A fit of live heap against calls in flight was tried and drifted, because under a limit that is
//! derived from it the two hardly vary. The error of an upper bound only makes the steps of the limit smaller.

use std::sync::Arc;

use crate::policy::Seen;
use crate::totals::Totals;
use crate::window::Window;

use super::STALE_AFTER;

/// Time constants, seconds: of calls in flight now, of those of late and of calls that come and end, and of bytes per call.
const NOW_SECONDS: f64 = 0.2;
const CALLS_SECONDS: f64 = 0.7;
const BYTES_SECONDS: f64 = 5.0;

/// Calls of a process, as its main limiter counts them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: Option<Arc<Totals>>,
    in_flight: Option<f64>,
    now: Option<f64>,
    came: Option<f64>,
    ended: Option<f64>,
    bytes: Option<f64>,
    /// In flight when the newest collection ended.
    collected: Option<f64>,
}

impl Calls {
    /// Takes the newest counters, if there are new ones.
    pub(super) fn update(&mut self, seen: &Seen<'_>, allocation: Option<f64>) {
        let Ok(totals) = seen.fresh_totals(STALE_AFTER) else {
            *self = Self::default();
            return;
        };
        let last = self.last.replace(Arc::clone(totals));
        let Some(last) = last else { return };
        let Some(window) = Window::between(&last, totals) else { return };
        let ended = window.completed.saturating_add(window.failed).saturating_add(window.dropped);
        let came = totals.admitted.wrapping_sub(last.admitted);
        smooth(&mut self.in_flight, window.mean_in_flight, window.seconds, CALLS_SECONDS);
        smooth(&mut self.now, window.mean_in_flight, window.seconds, NOW_SECONDS);
        smooth(&mut self.came, came as f64 / window.seconds, window.seconds, CALLS_SECONDS);
        smooth(&mut self.ended, ended as f64 / window.seconds, window.seconds, CALLS_SECONDS);
        let calls = self.came.zip(self.ended).map(|(came, ended)| came.max(ended));
        let bytes = allocation.zip(calls).map(|(bytes, calls)| bytes / calls);
        if let Some(bytes) = bytes.filter(|bytes| bytes.is_finite() && *bytes > 0.0) {
            smooth(&mut self.bytes, bytes, window.seconds, BYTES_SECONDS);
        }
    }

    /// Notes that a collection has ended.
    pub(super) const fn note_collection(&mut self) {
        self.collected = self.now;
    }

    /// Bytes that calls keep alive which the newest collection has not seen, at most.
    pub(super) fn unseen_bytes(&self) -> f64 {
        let more = self.now.zip(self.collected).map_or(0.0, |(now, then)| (now - then).max(0.0));
        more * self.bytes.unwrap_or(0.0)
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
