//! Holds a limit down while threads wait too long for a CPU.
//!
//! When runnable threads queue for CPUs, more requests in flight only lengthen that queue. The obvious signal, CPU
//! utilisation, says nothing about waiting; CPU pressure (PSI) alone is high on every machine that is merely well used.
//! So the cap binds on the application's own evidence (lateness of a timer in its runtime), or when CPU pressure and the
//! kernel's run delay agree.
//!
//! Inputs: timer lateness p99, run delay per time slice (seconds), CPU PSI some (0 to 1). Output: an upper bound, in calls.
//!
//! ```text
//! pressed = (runtime_delay > limit  or  (cpu_some > limit and run_delay > limit)) for 2 s
//! factor  = max(floor, 0.9 factor)  when pressed, each 100 ms
//!         = min(1, factor + 0.05)   when not
//! cap = max(factor x limit, peak of calls in flight), both as they were when capping began
//! ```
//!
//! The peak keeps the cap from doing harm: it takes away room to grow and never what was already being served. If that is
//! too much, it shows as latency, and the latency law cuts.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `runtime_delay` | 50 ms | 1 ms to 10 s | tolerates a slower runtime | caps earlier |
//! | `run_delay` | 5 ms | 100 us to 10 s | tolerates more CPU contention | caps earlier |
//! | `cpu_some` | 25 % | 1 % to 100 % | tolerates more CPU contention | caps earlier |
//! | `floor` | 30 % | 1 % to 100 % | keeps more throughput | more relief |
//!
//! Failure modes: signals that are missing count as not pressing; with none known at all it holds ten seconds, then lets
//! go. Often a neighbour presses, not this service: with four busy processes beside a service on two cores, its timer was
//! 20 to 50 ms late at p99 while it served everything in time, hence the default. Signals as in the kernel's
//! `Documentation/accounting/psi.rst` and `scheduler/sched-stats.rst`; thresholds and rule are ours.

use std::time::Duration;

use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::{PressureReason, Reason};
use crate::signal::Signal;
use crate::spec::{Controller, InvalidConfig};
use crate::time::Timestamp;

const STALE_AFTER: Duration = Duration::from_secs(3);
const PACE: Duration = Duration::from_millis(100);
/// One late timer in a second is a hiccup, not pressure.
const PERSISTS_FOR: Duration = Duration::from_secs(2);

/// Parameters of the cap.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerCap {
    pub(crate) knob: KnobName,
    runtime_delay: Duration,
    run_delay: Duration,
    cpu_some: f64,
    floor: f64,
}

impl SchedulerCap {
    /// Default of `runtime_delay`.
    pub const RUNTIME_DELAY: Duration = Duration::from_millis(50);
    /// Default of `run_delay`.
    pub const RUN_DELAY: Duration = Duration::from_millis(5);
    /// Default of `cpu_some`.
    pub const CPU_SOME: f64 = 0.25;
    /// Default of `floor`.
    pub const FLOOR: f64 = 0.30;

    /// A checked cap; ratios 0 to 1.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(
        knob: KnobName,
        runtime_delay: Duration,
        run_delay: Duration,
        cpu_some: f64,
        floor: f64,
    ) -> Result<Self, InvalidConfig> {
        let ten = Duration::from_secs(10);
        if !(Duration::from_millis(1)..=ten).contains(&runtime_delay) {
            return Err(InvalidConfig::OutOfRange { field: "runtime_delay", range: "between 1ms and 10s" });
        }
        if !(Duration::from_micros(100)..=ten).contains(&run_delay) {
            return Err(InvalidConfig::OutOfRange { field: "run_delay", range: "between 100us and 10s" });
        }
        if !(0.01..=1.0).contains(&cpu_some) {
            return Err(InvalidConfig::OutOfRange { field: "cpu_some", range: "between 1% and 100%" });
        }
        if !(0.01..=1.0).contains(&floor) {
            return Err(InvalidConfig::OutOfRange { field: "floor", range: "between 1% and 100%" });
        }
        Ok(Self { knob, runtime_delay, run_delay, cpu_some, floor })
    }

    /// What presses, if anything; `Err` when nothing is known.
    fn pressure(&self, seen: &Seen<'_>) -> Result<Option<PressureReason>, Proposal> {
        let over = |signal: Signal, threshold: f64| {
            let observed = seen.fresh(signal, STALE_AFTER)?;
            Ok((observed > threshold).then_some(PressureReason::SchedulerPressure {
                signal,
                observed,
                threshold,
            }))
        };
        let runtime = over(Signal::RuntimeDelay, self.runtime_delay.as_secs_f64());
        let kernel = over(Signal::RunDelayPerSlice, self.run_delay.as_secs_f64());
        let cpu = over(Signal::CpuSome, self.cpu_some);
        match (runtime, kernel, cpu) {
            (Ok(Some(reason)), ..) => Ok(Some(reason)),
            (_, Ok(Some(reason)), Ok(Some(_))) => Ok(Some(reason)),
            (Err(unknown), Err(_), _) => Err(unknown),
            _ => Ok(None),
        }
    }
}

/// How things were when capping began, in calls.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    limit: f64,
    peak: f64,
}

/// The cap at work.
#[derive(Debug)]
pub struct SchedulerCapPolicy {
    spec: SchedulerCap,
    factor: f64,
    anchor: Option<Anchor>,
    pressed_since: Option<Timestamp>,
    moved_at: Option<Timestamp>,
}

impl SchedulerCapPolicy {
    /// A policy that does not cap yet.
    pub const fn new(spec: SchedulerCap) -> Self {
        Self { spec, factor: 1.0, anchor: None, pressed_since: None, moved_at: None }
    }

    /// What presses, once it has done so for [`PERSISTS_FOR`].
    fn persistent(&mut self, now: Timestamp, pressure: Option<PressureReason>) -> Option<PressureReason> {
        let since = *self.pressed_since.get_or_insert(now);
        if pressure.is_none() {
            self.pressed_since = None;
        }
        pressure.filter(|_| now.since(since) >= PERSISTS_FOR)
    }

    /// Moves the factor once per [`PACE`], however often the engine ticks, so that splitting a tick changes nothing.
    fn pace(&mut self, now: Timestamp, pressed: bool) {
        if self.moved_at.is_some_and(|at| now.since(at) < PACE) {
            return;
        }
        self.moved_at = Some(now);
        self.factor =
            if pressed { (self.factor * 0.9).max(self.spec.floor) } else { (self.factor + 0.05).min(1.0) };
    }
}

impl Policy for SchedulerCapPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let pressure = match self.spec.pressure(seen) {
            Ok(pressure) => pressure,
            Err(unknown) => return unknown,
        };
        let pressure = self.persistent(seen.now, pressure);
        self.pace(seen.now, pressure.is_some());
        if self.factor >= 1.0 {
            self.anchor = None;
            return Proposal::new(Want::Anything, Action::Hold, Reason::Calm);
        }
        let peak = seen.totals.map_or(0, |received| received.totals.in_flight_peak);
        let anchor = *self.anchor.get_or_insert(Anchor { limit: seen.in_force.scalar(), peak: peak as f64 });
        let action = if pressure.is_some() { Action::Decrease } else { Action::Increase };
        let bound = (anchor.limit * self.factor).max(anchor.peak);
        Proposal::new(Want::AtMost(bound), action, pressure.map_or(Reason::Calm, Reason::from))
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::SchedulerCap(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }
}

#[cfg(test)]
mod tests;
