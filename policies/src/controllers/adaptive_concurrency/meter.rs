//! Turns a stream of totals into samples that a decision can rest on.
//!
//! A window is closed by evidence, not by the clock: it is ready when the mean latency is known to a few per cent. After a
//! decrease everything is discarded until calls admitted before it are gone. There is no filter by start time: such filters
//! were seen to hide the long requests of a mixed service.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::reason::Reason;
use crate::time::Timestamp;
use crate::totals::{SLICE, Totals};
use crate::window::Window;

use super::law;
use super::peak::Peak;

/// Completions that make the mean of a sub-window worth looking at.
const SUB_WINDOW_SAMPLES: u32 = 25;
const SUB_WINDOW_LONGEST: Duration = Duration::from_millis(250);
const SUB_WINDOWS_KEPT: usize = 64;
const WINDOW_LONGEST_SECONDS: f64 = 10.0;

/// A complete window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) window: Window,
    /// Mean latency, seconds.
    pub(super) latency: f64,
    /// Relative standard error of the latency.
    pub(super) error: f64,
    /// Arrivals and departures balance, so the window says something about steady state.
    pub(super) stationary: bool,
    /// The limit was in use.
    pub(super) saturated: bool,
    /// Most calls in flight in the window.
    pub(super) peak: u64,
    /// Most calls in flight in the last 30 s.
    pub(super) peak_recent: u64,
    /// Smallest mean latency of a recent sub-window, seconds: what no burst explains.
    pub(super) standing: f64,
}

impl Sample {
    /// Allowed ratio of sample latency to baseline latency.
    pub(super) fn tolerance(&self) -> f64 {
        law::tolerance(self.error)
    }
}

#[derive(Debug)]
pub(super) struct Meter {
    start: Option<Arc<Totals>>,
    newest: Option<Arc<Totals>>,
    peak: u64,
    limited: bool,
    peak_recent: Peak,
    /// (end on the SDK's clock, mean) of recent sub-windows, oldest first.
    sub_windows: VecDeque<(u64, f64)>,
    open_sub_window: SubWindow,
    cv2: f64,
    settle_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default)]
struct SubWindow {
    last_slice_end: u64,
    slices: u32,
    completed: u32,
    latency_sum: f64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            start: None,
            newest: None,
            peak: 0,
            limited: false,
            peak_recent: Peak::default(),
            sub_windows: VecDeque::new(),
            open_sub_window: SubWindow::default(),
            // A prior of 1 (as of exponential service times) asks for enough samples until the true spread is known.
            cv2: 1.0,
            settle_until: None,
        }
    }
}

impl Meter {
    /// Takes in a report; the same one twice changes nothing, and one from before the newest starts everything over: the
    /// SDK's clock has jumped.
    pub(super) fn observe(&mut self, now: Timestamp, totals: &Arc<Totals>) {
        match self.newest.as_ref().map(|newest| newest.at_nanos.cmp(&totals.at_nanos)) {
            Some(Ordering::Equal) => return,
            Some(Ordering::Greater) => *self = Self { settle_until: self.settle_until, ..Self::default() },
            Some(Ordering::Less) | None => {}
        }
        self.newest = Some(Arc::clone(totals));
        self.start.get_or_insert_with(|| Arc::clone(totals));
        self.peak = self.peak.max(totals.in_flight_peak);
        self.limited |= totals.limited;
        self.peak_recent.note(now, totals.in_flight_peak);
        for slice in &totals.slices {
            if slice.end_nanos > self.open_sub_window.last_slice_end {
                self.open_sub_window.last_slice_end = slice.end_nanos;
                self.add_slice(slice.completed, slice.mean_seconds);
            }
        }
        if self.settle_until.is_some_and(|until| now < until) {
            self.restart();
        } else {
            self.settle_until = None;
        }
    }

    fn add_slice(&mut self, completed: u32, mean_seconds: f64) {
        let open = &mut self.open_sub_window;
        open.slices += 1;
        open.completed = open.completed.saturating_add(completed);
        open.latency_sum += f64::from(completed) * mean_seconds;
        if open.completed < SUB_WINDOW_SAMPLES && SLICE * open.slices < SUB_WINDOW_LONGEST {
            return;
        }
        if open.completed > 0 {
            self.sub_windows.push_back((open.last_slice_end, open.latency_sum / f64::from(open.completed)));
            if self.sub_windows.len() > SUB_WINDOWS_KEPT {
                self.sub_windows.pop_front();
            }
        }
        *open = SubWindow { last_slice_end: open.last_slice_end, ..SubWindow::default() };
    }

    /// Discards what the window has so far.
    pub(super) fn restart(&mut self) {
        self.start.clone_from(&self.newest);
        self.peak = 0;
        self.limited = false;
    }

    /// Discards everything until `until`: a change is taking effect.
    pub(super) fn settle(&mut self, until: Timestamp) {
        self.settle_until = Some(until);
        self.restart();
        self.sub_windows.clear();
        self.open_sub_window =
            SubWindow { last_slice_end: self.open_sub_window.last_slice_end, ..SubWindow::default() };
    }

    fn window(&self) -> Option<Window> {
        Window::between(self.start.as_ref()?, self.newest.as_ref()?)
    }

    /// The window and its peak, if enough calls in it ended in overload to act at once.
    pub(super) fn drops(&self) -> Option<(Window, u64)> {
        let window = self.window().filter(|window| window.seconds >= 0.1 && !window.stalled)?;
        (window.dropped >= 5 && window.drop_ratio() > 0.10).then_some((window, self.peak))
    }

    /// The window, when it is ready; the next one then begins.
    pub(super) fn sample(
        &mut self,
        now: Timestamp,
        limit: f64,
        baseline: Option<f64>,
    ) -> Result<Sample, Reason> {
        if self.settle_until.is_some_and(|until| now < until) {
            return Err(Reason::Settling);
        }
        let window = self.window().ok_or(Reason::Measuring { samples: 0 })?;
        if window.stalled {
            self.restart();
            return Err(Reason::Stalled);
        }
        let measuring = Reason::Measuring { samples: window.completed };
        let latency =
            window.mean_latency.filter(|_| window.seconds < WINDOW_LONGEST_SECONDS || window.completed >= 24);
        let Some(latency) = latency else {
            // While calls are rejected somebody waits for this decision: evidence that comes slowly is kept.
            if window.seconds >= WINDOW_LONGEST_SECONDS && window.rejected == 0 {
                self.restart();
            }
            return Err(measuring);
        };
        let error = (window.cv2.max(self.cv2) / window.completed as f64).sqrt();
        let stationary = window.imbalance().is_some_and(|imbalance| imbalance < 0.15);
        let gradient = baseline.map_or(1.0, |baseline| latency / baseline);
        if !law::ready(&window, latency, error) || (!stationary && window.seconds < 0.6 && gradient < 3.0) {
            return Err(measuring);
        }
        self.cv2 += 0.2 * (window.cv2 - self.cv2);
        let sample = Sample {
            window,
            latency,
            error,
            stationary,
            saturated: self.limited || window.rejected > 0 || self.peak as f64 >= 0.8 * limit,
            peak: self.peak,
            peak_recent: self.peak_recent.recent(),
            standing: self.standing(baseline).unwrap_or(latency),
        };
        self.restart();
        Ok(sample)
    }

    fn standing(&self, baseline: Option<f64>) -> Option<f64> {
        let horizon = (4.0 * baseline.unwrap_or(0.0)).max(0.5) * 1e9;
        let newest = self.sub_windows.back()?.0;
        let recent = self.sub_windows.iter().rev().take_while(|(end, _)| (newest - end) as f64 <= horizon);
        recent.map(|(_, mean)| *mean).min_by(f64::total_cmp)
    }
}
