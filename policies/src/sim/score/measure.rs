//! From what happened to the figures of the scoreboard.

use crate::sim::run::Counts;
use crate::sim::scenario::Scenario;
use crate::sim::score::tally::Tally;
use crate::sim::score::{
    CALM_SECONDS, ENOUGH, SETTLE_SECONDS, STEADY_SECONDS, WINDOW_CALLS, WINDOW_SECONDS, WINDOWS,
};

/// The figures of a law in a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Answers in time after the warm-up, divided by the oracle's.
    pub goodput_ratio: f64,
    /// The same for each seed.
    pub by_seed: Vec<f64>,
    /// 99th percentile of the latency of admitted calls, seconds; `None` without an answer.
    pub p99: Option<f64>,
    /// Rejections per arrival in phases without overload; 0 without such a phase.
    pub false_reject_ratio: f64,
    /// Seconds until the worst change is coped with; `None` = never. 0 without a change.
    pub convergence: Option<f64>,
    /// Standard deviation of the limit over its mean at steady load.
    pub oscillation: f64,
    /// The goodput ratio of each phase.
    pub phases: Vec<f64>,
    /// Share of the attempts of each class that were answered in time.
    pub classes: Vec<f64>,
    /// How well the limits of several instances fit their shares, 1 = perfectly.
    pub fairness: Option<f64>,
}

impl Score {
    /// Judges a law by its runs and those of the oracle on the same seeds.
    pub fn of(scenario: &Scenario, law: &Tally, oracle: &Tally) -> Self {
        let end = scenario.seconds;
        let goodput_ratio = |from, to| ratio(law.counts(from, to).in_time, oracle.counts(from, to).in_time);
        let answered = |class: &Counts| ratio(class.in_time, class.arrived);
        Self {
            goodput_ratio: goodput_ratio(scenario.warm_up, end),
            by_seed: law.in_time.iter().zip(&oracle.in_time).map(|(law, best)| ratio(*law, *best)).collect(),
            p99: law.percentile(0.99, &settled(scenario)),
            false_reject_ratio: false_rejects(scenario, law),
            convergence: convergence(scenario, law, oracle),
            oscillation: steady(scenario).map(|(from, to)| law.unrest(from, to)).fold(0.0, f64::max),
            phases: spans(scenario).map(|span| goodput_ratio(span.from, span.to)).collect(),
            classes: law.classes.iter().map(answered).collect(),
            fairness: law.fairness(&scenario.instances, scenario.warm_up, end),
        }
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

/// A phase, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    /// Where the phase begins, even if that is before the end of the warm-up.
    start: f64,
    /// From where it counts.
    from: f64,
    /// Its end.
    to: f64,
    overload: bool,
}

/// The phases that last beyond the warm-up.
fn spans(scenario: &Scenario) -> impl Iterator<Item = Span> + '_ {
    let ends = scenario.phases.iter().skip(1).map(|phase| phase.at).chain([scenario.seconds]);
    scenario.phases.iter().zip(ends).filter(|(_, to)| *to > scenario.warm_up).map(|(phase, to)| Span {
        start: phase.at,
        from: phase.at.max(scenario.warm_up),
        to,
        overload: phase.overload,
    })
}

/// Where latencies count: in overload that has settled; in all overload if it never lasts that long; without overload
/// everywhere.
fn settled(scenario: &Scenario) -> Vec<(f64, f64)> {
    let overload: Vec<Span> = spans(scenario).filter(|span| span.overload).collect();
    if overload.is_empty() {
        return vec![(scenario.warm_up, scenario.seconds)];
    }
    let late = |span: &Span| (span.from.max(span.start + SETTLE_SECONDS), span.to);
    let stretches: Vec<_> = overload.iter().map(late).filter(|(from, to)| to > from).collect();
    if stretches.is_empty() { overload.iter().map(|span| (span.from, span.to)).collect() } else { stretches }
}

fn false_rejects(scenario: &Scenario, law: &Tally) -> f64 {
    let calm = spans(scenario).filter(|span| !span.overload);
    let (rejected, arrived) = calm.fold((0.0, 0.0), |(rejected, arrived), span| {
        let counts = law.counts(span.from.max(span.start + CALM_SECONDS), span.to);
        (rejected + f64::from(counts.rejected), arrived + f64::from(counts.arrived))
    });
    if arrived > 0.0 { rejected / arrived } else { 0.0 }
}

/// The worst of all changes: the start of a phase, or of a run that has no warm-up. Phases that are too short to have
/// converged in are left out.
fn convergence(scenario: &Scenario, law: &Tally, oracle: &Tally) -> Option<f64> {
    let changes = spans(scenario)
        .filter(|span| span.start == span.from && (span.from > 0.0 || scenario.warm_up == 0.0));
    changes
        .filter(|span| span.to - span.from >= WINDOWS as f64 * WINDOW_SECONDS)
        .map(|span| converged(span, law, oracle))
        .try_fold(0.0, |worst: f64, seconds| Some(worst.max(seconds?)))
}

/// Seconds from the start of a phase to the first of enough good windows in a row.
fn converged(span: Span, law: &Tally, oracle: &Tally) -> Option<f64> {
    let length = span.to - span.from;
    let rate = f64::from(oracle.counts(span.from, span.to).in_time) / length;
    let needed = (WINDOW_CALLS / rate.max(f64::MIN_POSITIVE) / WINDOW_SECONDS).ceil().max(1.0);
    let window = (needed * WINDOW_SECONDS).min(length / WINDOWS as f64);
    let mut good = 0;
    for number in 0..(length / window + 1e-9) as usize {
        let from = span.from + number as f64 * window;
        let best = f64::from(oracle.counts(from, from + window).in_time);
        let here = f64::from(law.counts(from, from + window).in_time);
        good = if here >= ENOUGH * best { good + 1 } else { 0 };
        if good == WINDOWS {
            return Some((number + 1 - WINDOWS) as f64 * window);
        }
    }
    None
}

/// The last thirds of phases that are long enough and whose load does not rise or fall meanwhile.
fn steady(scenario: &Scenario) -> impl Iterator<Item = (f64, f64)> + '_ {
    let level = |from: f64, to: f64| {
        let rate = &scenario.clients.rate;
        !rate.linear || {
            let inside =
                rate.points.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, value)| *value);
            let next = rate.points.partition_point(|(at, _)| *at < to);
            let before = rate.points.partition_point(|(at, _)| *at <= from);
            let around = [before.checked_sub(1), Some(next)].into_iter().flatten();
            let mut values = inside.chain(around.filter_map(|i| rate.points.get(i)).map(|(_, value)| *value));
            let first = values.next();
            values.all(|value| Some(value) == first)
        }
    };
    spans(scenario)
        .filter(|span| span.to - span.start >= STEADY_SECONDS)
        .map(|span| (span.from.max(span.to - (span.to - span.start) / 3.0), span.to))
        .filter(move |(from, to)| level(*from, *to))
}
