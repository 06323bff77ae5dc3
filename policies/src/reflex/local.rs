//! The latency of calls without a queue, as the limiter itself can tell: for the time without a sidecar.
//!
//! Kept as a pair with the concurrency at which it was seen. Latency that rises while concurrency rises may be a queue of
//! our own making, so it is believed only at the same concurrency or less. Only stretches without a rejection or a drop
//! count, with enough calls in them for a mean, and only when throughput, latency and concurrency fit together.

use std::time::Duration;

use crate::totals::Totals;
use crate::window::Window;

/// Fewest successes, and least length, of a stretch.
const SAMPLES: u64 = 40;
const SECONDS: f64 = 0.25;
/// A stretch of thin traffic that takes longer than this is given up.
const LONGEST_SECONDS: f64 = 60.0;
/// See [`Window::imbalance`].
const FITS: f64 = 0.15;
/// How fast a lower latency is believed, and a higher one.
const DOWN: f64 = 0.15;
const UP: f64 = 0.05;

/// What one limiter knows of its own latency without a queue.
#[derive(Debug, Clone, Default)]
pub struct LocalBaseline {
    from: Option<Totals>,
    learnt: Option<Learnt>,
}

#[derive(Debug, Clone, Copy)]
struct Learnt {
    seconds: f64,
    in_flight: f64,
}

impl LocalBaseline {
    /// Takes the newest totals; meant to be called every 50 ms or so.
    pub fn learn(&mut self, totals: &Totals) {
        let Some(window) = self.from.as_ref().and_then(|from| Window::between(from, totals)) else {
            self.from = Some(totals.clone());
            return;
        };
        let enough = window.completed >= SAMPLES && window.seconds >= SECONDS;
        if !(enough || window.rejected > 0 || window.dropped > 0 || window.seconds > LONGEST_SECONDS) {
            return;
        }
        self.from = Some(totals.clone());
        if enough && window.rejected == 0 && window.dropped == 0 && !window.stalled {
            self.take(&window);
        }
    }

    /// The mean latency without a queue; `None` before the first quiet stretch.
    pub fn latency(&self) -> Option<Duration> {
        self.learnt.map(|learnt| Duration::from_secs_f64(learnt.seconds))
    }

    fn take(&mut self, window: &Window) {
        let in_flight = window.mean_in_flight;
        let Some(seconds) = window.mean_latency.filter(|seconds| *seconds > 0.0 && in_flight > 0.0) else {
            return;
        };
        if window.imbalance().is_none_or(|imbalance| imbalance > FITS) {
            return;
        }
        self.learnt = Some(match self.learnt {
            None => Learnt { seconds, in_flight },
            Some(was) if seconds < was.seconds => {
                Learnt { seconds: was.seconds + DOWN * (seconds - was.seconds), ..was }
            }
            Some(was) if in_flight <= 1.05 * was.in_flight => Learnt {
                seconds: was.seconds + UP * (seconds - was.seconds),
                in_flight: was.in_flight.min(in_flight),
            },
            Some(was) => was,
        });
    }
}
