//! Finds the concurrency limit at which a service does most work without a standing queue.
//!
//! Like every gradient law it compares latency now with latency without a queue. What is different: a decrease is an
//! experiment. If latency does not follow concurrency down, there was no queue, the floor has moved (a slow dependency, a
//! heavier request mix), and the decrease is taken back. Laws that skip this shed a healthy service's traffic for ever when
//! its dependency gets slow. And the limit never grows while it is not the bottleneck, so an idle night does not inflate it.
//!
//! Inputs: the limiter's counters (times in seconds). Output: the limit, in calls, from `min` to `max`.
//!
//! ```text
//! R, X, I   mean latency, throughput, mean in-flight of a window      R0    latency without a queue
//! q = R/R0  tol = 1 + clamp(0.10 + 2 se, 0.25, 1)                     qmin  smallest sub-window mean / R0
//! over      q > tol, qmin > 1 + 0.6 (tol - 1), limit in use:          L = g B + sqrt(g B)/4,  g = tol/q, B = busy calls
//! dropped   5 or more, over 10 %, unless cuts have not helped:        L = clamp(1.5 X R0, B/4, 0.7 B)
//! room      not over, limit in use:                                   L = L + boost max(1, sqrt(L)/2)
//! idle      limit not in use:                                         L = max(0.98 L, initial, 3 peak)
//! verify    eps = ln(Ra/R) / ln(Ia/I) after a decrease                eps ~ 0: floor moved, restore; eps > 0.2: a queue
//! at min    over for 10 s and no decrease left to try:                this latency is the floor
//! ```
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `min` | 4 | 1 to 1,000,000 | more throughput in the worst case | more protection |
//! | `max` | 2000 | `min` to 1,000,000 | more room to grow | harder ceiling |
//! | `initial` | the knob's baseline | `min` to `max` | room before anything is known | caution |
//! | `latency_budget` | 0 ms | 0 to 60 s | never cuts while latency is below it | cuts on any queue |
//!
//! Failure modes: too few samples, a stalled process, a cap by another policy or counters that do not come: hold. A baseline
//! learned under load is corrected by an audit (a brief 30 % cut every 30 s of saturation). Services under 50 calls/s need
//! seconds per decision. Sources: Netflix concurrency-limits (Gradient2), Little's law, CoDel (standing queue); the
//! verification is ours.

use std::time::Duration;

use crate::decision::Action;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::Reason;
use crate::spec::Controller;
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::Window;

mod audit;
mod baseline;
mod drops;
mod law;
mod meter;
mod pace;
mod parameters;
mod peak;
mod verify;

use audit::Audit;
use baseline::Baseline;
use drops::{DropTrial, Verdict};
use law::Zone;
use meter::{Meter, Sample};
use pace::Pace;
pub use parameters::AdaptiveConcurrency;
use verify::{Experiment, Finding};

const STALE_AFTER: Duration = Duration::from_secs(2);
/// Between a decision and the first report that shows its effect.
const LAG: Duration = Duration::from_millis(100);

/// The law at work on one limiter.
#[derive(Debug)]
pub struct AdaptiveConcurrencyPolicy {
    spec: AdaptiveConcurrency,
    incarnation: Option<u64>,
    /// The limit wanted last; the next decision integrates from what is in force.
    limit: f64,
    meter: Meter,
    baseline: Option<Baseline>,
    /// The best throughput seen without a queue, slowly forgotten.
    good_throughput: f64,
    experiment: Option<Experiment>,
    pace: Pace,
    audit: Option<Audit>,
    drop_trial: DropTrial,
    /// New parameters moved the limit, and nobody has been told yet.
    edited: bool,
}

impl AdaptiveConcurrencyPolicy {
    /// A law that knows nothing yet.
    pub fn new(spec: AdaptiveConcurrency) -> Self {
        Self {
            spec,
            incarnation: None,
            limit: 0.0,
            meter: Meter::default(),
            baseline: None,
            good_throughput: 0.0,
            experiment: None,
            pace: Pace::default(),
            audit: None,
            drop_trial: DropTrial::default(),
            edited: false,
        }
    }

    /// A new process starts from nothing; the first look at one seeds the limit from what is in force.
    fn meet(&mut self, seen: &Seen<'_>) {
        if self.incarnation == Some(seen.incarnation) {
            return;
        }
        *self = Self { incarnation: Some(seen.incarnation), ..Self::new(self.spec.clone()) };
        let in_force = seen.in_force.scalar();
        let untouched = in_force == seen.knob.baseline;
        let start = self.spec.initial.filter(|_| untouched).unwrap_or(in_force);
        self.limit = self.bounded(start);
    }

    fn bounded(&self, limit: f64) -> f64 {
        limit.clamp(self.spec.min, self.spec.max)
    }

    fn want(&self, action: Action, reason: Reason) -> Proposal {
        Proposal::new(Want::Set(Value::Concurrency(self.limit)), action, reason)
    }

    fn hold(&self, reason: Reason) -> Proposal {
        self.want(Action::Hold, reason)
    }

    /// Moves the limit down and starts over with measuring once the move has taken effect.
    fn cut(&mut self, now: Timestamp, to: f64, latency: f64, reason: Reason) -> Proposal {
        self.limit = self.bounded(to);
        self.pace.decreased_at = Some(now);
        self.pace.streak = 0;
        self.settle(now, latency);
        self.want(Action::Decrease, reason)
    }

    fn settle(&mut self, now: Timestamp, latency: f64) {
        let effect = Duration::try_from_secs_f64(2.0 * latency).unwrap_or(Duration::MAX);
        self.meter.settle(now + LAG + effect.clamp(Duration::from_millis(50), Duration::from_secs(1)));
    }

    /// What to do about a window in which many calls were dropped; `None`: judge it by its latency.
    fn answer_drops(
        &mut self,
        now: Timestamp,
        in_force: f64,
        window: &Window,
        peak: u64,
    ) -> Option<Proposal> {
        let (drops, ratio) = (window.dropped, window.drop_ratio());
        let latency = window.mean_latency.unwrap_or(0.0);
        match self.drop_trial.judge(now, ratio, in_force) {
            Verdict::Ignore => None,
            Verdict::Cut => {
                let to = law::after_drops(in_force, peak, window, self.baseline.map(|b| b.latency));
                Some(self.cut(now, to.min(in_force), latency, Reason::Drops { drops, ratio }))
            }
            Verdict::Futile { restore } => {
                self.limit = self.bounded(restore.max(in_force));
                self.settle(now, latency);
                Some(self.want(Action::Increase, Reason::FutileCut { ratio }))
            }
        }
    }

    /// One decision on a complete window.
    fn decide(&mut self, seen: &Seen<'_>, sample: &Sample) -> Proposal {
        let in_force = seen.in_force.scalar();
        let Some(baseline) = self.baseline else {
            self.baseline = Baseline::first(sample);
            return self.hold(Reason::NoBaseline);
        };
        if let Some(audit) = self.audit.take() {
            return self.finish_audit(seen.now, &audit, baseline, sample);
        }
        if let Some(proposal) = self.verify(seen.now, in_force, baseline, sample) {
            return proposal;
        }
        self.drop_trial.note(seen.now, sample.window.drop_ratio());
        let gradient = sample.latency / baseline.latency;
        let zone = law::classify(sample, gradient, self.spec.latency_budget);
        if zone != Zone::Over && sample.stationary {
            self.good_throughput = sample.window.throughput.max(0.99 * self.good_throughput);
        }
        if sample.stationary {
            self.baseline = Some(baseline.learn(sample));
        }
        if gradient <= sample.tolerance() && self.experiment.take().is_some() {
            self.pace.verified_at = Some(seen.now);
        }
        self.note_saturation(seen.now, sample.saturated);
        match zone {
            Zone::Over if self.is_at_minimum(seen) && self.experiment_is_stale(seen.now) => {
                self.accept_floor(seen.now, in_force, baseline, sample)
            }
            Zone::Over => self.shrink(seen.now, in_force, baseline, sample, gradient),
            _ if !sample.saturated => self.relax(seen, in_force, sample),
            _ if self.audit_is_due(seen) => self.start_audit(seen.now, in_force, sample),
            zone => self.grow(seen.now, in_force, zone, sample, gradient),
        }
    }

    /// What the running experiment says, if it decides this window.
    fn verify(
        &mut self,
        now: Timestamp,
        in_force: f64,
        baseline: Baseline,
        sample: &Sample,
    ) -> Option<Proposal> {
        let experiment = self.experiment.as_mut()?;
        let finding = experiment.observe(now, sample, baseline.latency);
        let anchor = experiment.anchor;
        match finding {
            Finding::TooEarly => None,
            Finding::Undecided if sample.latency >= 6.0 * baseline.latency => None,
            Finding::Undecided => Some(self.hold(Reason::Verifying)),
            Finding::Queue => {
                self.pace.verified_at = Some(now);
                self.experiment = None;
                None
            }
            Finding::FloorMoved { latency, in_flight } => {
                self.pace.verified_at = Some(now);
                self.experiment = None;
                self.baseline = Some(Baseline { latency, in_flight });
                let known_good = 1.3 * self.good_throughput * latency;
                self.limit = self.bounded(anchor.limit.min(3.0 * in_force).max(known_good));
                self.settle(now, latency);
                let reason = Reason::FloorMoved { before_seconds: anchor.latency, now_seconds: latency };
                Some(self.want(Action::Increase, reason))
            }
        }
    }

    fn shrink(
        &mut self,
        now: Timestamp,
        in_force: f64,
        baseline: Baseline,
        sample: &Sample,
        gradient: f64,
    ) -> Proposal {
        let tolerance = sample.tolerance();
        let mut to = law::shrunk(in_force, sample, gradient);
        if self.experiment.as_ref().is_none_or(|experiment| experiment.is_stale(now)) {
            self.experiment = sample.stationary.then(|| Experiment::begin(now, in_force, sample));
        } else if let Some(experiment) = &self.experiment {
            to = to.max(0.65 * experiment.anchor.in_flight);
        }
        let reason =
            Reason::Queue { sample_seconds: sample.latency, baseline_seconds: baseline.latency, tolerance };
        self.cut(now, to.min(in_force), sample.latency, reason)
    }
}

impl Policy for AdaptiveConcurrencyPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        self.meet(seen);
        let totals = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => totals,
            Err(unknown) => {
                if unknown.want == Want::Release {
                    // What was learned is too old to come back to: start over from what is in force then.
                    self.incarnation = None;
                }
                return unknown;
            }
        };
        self.meter.observe(seen.now, totals);
        if std::mem::take(&mut self.edited) {
            return self.hold(Reason::Bounds);
        }
        if seen.capped {
            self.meter.restart();
            return self.hold(Reason::Capped);
        }
        let in_force = seen.in_force.scalar();
        if let Some((window, peak)) = self.meter.drops()
            && let Some(proposal) = self.answer_drops(seen.now, in_force, &window, peak)
        {
            return proposal;
        }
        match self.meter.sample(seen.now, in_force, self.baseline.map(|b| b.latency)) {
            Err(reason) => self.hold(reason),
            Ok(sample) => self.decide(seen, &sample),
        }
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::AdaptiveConcurrency(spec) = controller else { return false };
        self.spec = spec.clone();
        let limit = self.bounded(self.limit);
        self.edited = limit != self.limit;
        self.limit = limit;
        true
    }
}

#[cfg(test)]
mod tests;
