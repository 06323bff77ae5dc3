//! Judges a story: the figures per phase and whether the promises were kept.

use std::time::Duration;

use serde::Serialize;

use super::acts::Edit;
use super::death::Toll;
use super::history::{EVERY, Sample};
use super::report::{PhaseFigures, Side};
use super::script::{OVERLOAD, Phase, WARM_UP};
use crate::load::Tally;
use crate::units::milliseconds;

/// Goodput that must be kept in overload, as a share of capacity.
const GOODPUT_KEPT: f64 = 0.90;
/// How much larger the p99 of admitted requests may be in overload than on a calm day.
const P99_GROWTH: f64 = 3.0;
/// Share of requests that must have been answered in time before the sidecar's death, or its death proves nothing.
const HEALTHY: f64 = 0.9;
/// An edit of the policy must be in force after this.
const EDIT_WITHIN_MS: f64 = 1000.0;

/// One promise of the product and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// Whether it was kept.
    pub kept: bool,
    /// What was promised and what was seen.
    pub what: String,
}

/// The figures of one service in a phase that lasted `lasted`.
pub fn side(tally: &Tally, lasted: Duration, capacity_per_second: f64) -> Side {
    let of_scheduled = |count: u64| (tally.scheduled > 0).then(|| count as f64 / tally.scheduled as f64);
    Side {
        goodput_ratio: tally.ok as f64 / (lasted.as_secs_f64() * capacity_per_second),
        goodput_of_offered_ratio: of_scheduled(tally.ok),
        p50_ms: tally.latency(0.5).map(milliseconds),
        p99_ms: tally.latency(0.99).map(milliseconds),
        rejected_ratio: of_scheduled(tally.rejected),
        scheduled: tally.scheduled,
        ok: tally.ok,
        late: tally.late,
        rejected: tally.rejected,
        failed: tally.failed(),
        unanswered: tally.unanswered(),
        shed_by_client: tally.shed_by_client,
    }
}

/// From the beginning of `samples` (those of the overload, begun at `began`) to the first second in which the protected
/// service gives its goodput within its p99; `None` when it never does.
pub fn convergence(
    samples: &[Sample],
    began: Duration,
    capacity_per_second: f64,
    p99_ms: Option<f64>,
) -> Option<f64> {
    let second = (Duration::from_secs(1).as_millis() / EVERY.as_millis()) as usize;
    let good = |window: &[Sample]| {
        let goodput = window.iter().map(|s| s.lanes[0].goodput_per_second).sum::<f64>() / window.len() as f64;
        let slow = |s: &Sample| s.lanes[0].p99.map(milliseconds) > p99_ms.map(|p99| P99_GROWTH * p99);
        goodput >= GOODPUT_KEPT * capacity_per_second && !window.iter().any(slow)
    };
    let first = samples.windows(second).find(|window| good(window))?.first()?;
    Some(first.at.saturating_sub(EVERY).saturating_sub(began).as_secs_f64())
}

/// All promises, judged.
pub fn promises(story: &[Phase], phases: &[PhaseFigures], toll: &Toll, edits: &[Edit]) -> Vec<Promise> {
    let named = |name: &str| story.iter().position(|phase| phase.name == name).and_then(|i| phases.get(i));
    let overload = named(OVERLOAD).map(|phase| &phase.protected);
    let calm = named(WARM_UP).map(|phase| &phase.protected);
    vec![goodput(overload), growth(calm, overload), untouched(toll), edited(edits)]
}

fn goodput(overload: Option<&Side>) -> Promise {
    let ratio = overload.map(|side| side.goodput_ratio);
    let seen = ratio.map_or("nothing was measured".to_owned(), |ratio| format!("{:.0} %", ratio * 100.0));
    let kept = ratio.is_some_and(|ratio| ratio >= GOODPUT_KEPT);
    Promise { kept, what: format!("overload: at least 90 % of capacity is answered in time: {seen}") }
}

fn growth(calm: Option<&Side>, overload: Option<&Side>) -> Promise {
    let [calm, overload] = [calm, overload].map(|side| side.and_then(|side| side.p99_ms));
    let (kept, seen) = match (calm, overload) {
        (Some(calm), Some(overload)) => {
            let growth = overload / calm;
            (growth <= P99_GROWTH, format!("{calm:.0} ms -> {overload:.0} ms, {growth:.1} x"))
        }
        _ => (false, "nothing was measured".to_owned()),
    };
    Promise { kept, what: format!("overload: p99 of what is admitted grows at most 3 x: {seen}") }
}

fn untouched(toll: &Toll) -> Promise {
    let ms = |p99: Option<f64>| p99.map_or("-".to_owned(), |p99| format!("{p99:.0} ms"));
    let healthy = toll.in_time_before_ratio >= HEALTHY;
    let what = format!(
        "sidecar killed: no request failed or delayed: {} failed, {} delayed; p99 {} before, {} around{}",
        toll.failed,
        toll.delayed,
        ms(toll.p99_before_ms),
        ms(toll.p99_around_ms),
        if healthy { "" } else { "; but the service was not well before either" },
    );
    Promise { kept: toll.failed == 0 && toll.delayed == 0 && healthy, what }
}

fn edited(edits: &[Edit]) -> Promise {
    let all: Vec<_> = edits.iter().map(|edit| edit.in_force_ms).collect();
    let kept = !all.is_empty() && all.iter().all(|ms| ms.is_some_and(|ms| ms <= EDIT_WITHIN_MS));
    let mut known: Vec<f64> = all.iter().copied().flatten().collect();
    known.sort_by(f64::total_cmp);
    let median = known.get(known.len() / 2).map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
    let worst = known.last().map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
    let seen = format!("{} of {} edits, median {median}, worst {worst}", known.len(), all.len());
    Promise { kept, what: format!("policy edited: in force within 1 s: {seen}") }
}

#[cfg(test)]
mod tests;
