//! The formulas, as plain functions of their inputs.

use std::time::Duration;

use crate::window::Window;

use super::meter::Sample;

/// What a window says about the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// A standing queue: too high.
    Over,
    /// Neither clearly over nor clearly free.
    Grey,
    /// No queue.
    Room,
}

/// Allowed ratio of sample latency to baseline latency: wider while the sample is uncertain.
pub(super) fn tolerance(error: f64) -> f64 {
    1.0 + (0.10 + 2.0 * error).clamp(0.25, 1.0)
}

/// Whether a window is worth a decision.
pub(super) fn ready(window: &Window, latency: f64, error: f64) -> bool {
    let seconds = window.seconds;
    let few = window.completed >= 24;
    seconds >= (2.5 * latency).clamp(0.1, 1.0)
        && (error <= 0.08 || (seconds >= 1.0 && few && error <= 0.20) || (seconds >= 3.0 && few))
}

/// Compares latency with the baseline; `gradient` is their ratio.
pub(super) fn classify(sample: &Sample, gradient: f64, latency_budget: Duration) -> Zone {
    let tolerance = sample.tolerance();
    let grey = 1.0 + 0.6 * (tolerance - 1.0);
    let standing = sample.standing / sample.latency * gradient;
    let over_budget = sample.latency > latency_budget.as_secs_f64();
    if gradient > tolerance && over_budget && (standing > grey || gradient > 6.0) && sample.saturated {
        Zone::Over
    } else if gradient > grey {
        Zone::Grey
    } else {
        Zone::Room
    }
}

/// The limit after a window with a standing queue.
pub(super) fn shrunk(limit: f64, sample: &Sample, gradient: f64) -> f64 {
    let busy = limit.min(1.1 * (sample.peak as f64).max(sample.window.mean_in_flight));
    let standing = sample.standing / sample.latency * gradient;
    let deepest = if standing > 2.0 { 0.25 } else { 0.5 };
    let kept = (sample.tolerance() / gradient).max(deepest) * busy;
    (kept + 0.25 * kept.sqrt()).min(0.98 * busy).max(3.0)
}

/// The limit after calls were dropped.
pub(super) fn after_drops(limit: f64, peak: u64, window: &Window, baseline: Option<f64>) -> f64 {
    let busy = limit.min(peak as f64);
    let throughput = window.completed as f64 / window.seconds;
    let needed = baseline.map_or(f64::INFINITY, |baseline| 1.5 * throughput * baseline);
    needed.min(0.7 * busy).max(0.25 * busy).max(3.0)
}

/// How much the limit may grow, in calls, `streak` windows after the last decrease.
pub(super) fn growth(limit: f64, zone: Zone, streak: u32, quiet_for: Option<Duration>) -> f64 {
    let fastest = if quiet_for.is_none_or(|quiet| quiet >= Duration::from_secs(10)) { 6.0 } else { 2.0 };
    let boost = match zone {
        Zone::Grey | Zone::Over => 0.5,
        Zone::Room => (1.0 + 0.5 * f64::from(streak)).min(fastest),
    };
    boost * (0.5 * limit.sqrt()).max(1.0)
}
