//! Reports: the counters of limiters and the service's own numbers. Signals are in [`super::signals`].
//!
//! The counters are totals without a default other than zero: a limiter that has seen nothing has counted nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::knob::KnobName;
use setpoint_policies::probes::Probed;
use setpoint_policies::reflex::Cause;
use setpoint_policies::totals::{MOST_WATCHED, PRIORITIES, SlowCalls, Totals};

use super::field::{self, At};
use super::{BadField, Problem, signals};
use crate::bounds;
use crate::message::{BreakerState, Report};
use crate::v1;

pub(super) fn report(wire: &v1::Report) -> Result<Report, BadField> {
    Ok(Report {
        at_nanos: wire.at_nanos,
        stall_nanos: wire.stall_nanos,
        window: field::duration_or(wire.window.as_ref(), Duration::ZERO).at("window")?,
        urgent: wire.urgent,
        totals: resources(wire)?,
        signals: signals::signals(wire.container.as_ref(), wire.runtime.as_ref())?,
        breakers: breakers(wire)?,
        custom: field::map("custom", &wire.custom, bounds::CUSTOM, |number| field::finite(*number))?,
    })
}

/// The counters of each limiter. Those of a single class (`class` above 0) are left out: this version counts all classes
/// together.
fn resources(wire: &v1::Report) -> Result<BTreeMap<KnobName, Totals>, BadField> {
    field::count(wire.resources.len(), bounds::RESOURCES).at("resources")?;
    let mut all = BTreeMap::new();
    for (i, stats) in wire.resources.iter().enumerate().filter(|(_, stats)| stats.class == 0) {
        let name = field::name(&stats.knob).at("knob").at_index("resources", i)?;
        let totals = totals(stats).at_index("resources", i)?;
        let totals = Totals { at_nanos: wire.at_nanos, stall_nanos: wire.stall_nanos, ..totals };
        if all.insert(name, totals).is_some() {
            return Err(Problem::Duplicate).at_index("resources", i);
        }
    }
    Ok(all)
}

fn totals(wire: &v1::ResourceStats) -> Result<Totals, BadField> {
    field::count(wire.rejected.len(), PRIORITIES).at("rejected")?;
    let mut rejected = [0; PRIORITIES];
    rejected[..wire.rejected.len()].copy_from_slice(&wire.rejected);
    field::count(wire.slow.len(), MOST_WATCHED).at("slow")?;
    let slow = wire.slow.iter().enumerate().map(|(i, entry)| slow_calls(entry).at_index("slow", i));
    Ok(Totals {
        at_nanos: 0,
        stall_nanos: 0,
        arrived: wire.arrived,
        admitted: wire.admitted,
        completed: wire.completed,
        dropped: wire.dropped,
        failed: wire.failed,
        cancelled: wire.cancelled,
        rejected,
        late: wire.late,
        admit_time_sum: wire.admit_time_sum,
        release_time_sum: wire.release_time_sum,
        latency_sum: wire.latency_sum,
        success_latency_sum: wire.success_latency_sum,
        success_latency_sq_sum: wire.success_latency_sq_sum,
        in_flight_peak: wire.in_flight_peak,
        consecutive_failures: wire.consecutive_failures,
        limit_in_force: field::not_negative(wire.limit_in_force).at("limit_in_force")?,
        limited: wire.limited,
        reflexes: wire.reflexes,
        reflex: reflex(wire.reflex),
        queue_waits: wire.queue_waits,
        queue_wait_sum: wire.queue_wait_sum,
        waiting: wire.waiting,
        slow: slow.collect::<Result<_, _>>()?,
        probed: wire.probes.as_ref().map(probed),
        retry_after: field::duration(wire.retry_after_seen.as_ref()).at("retry_after_seen")?,
    })
}

/// A state that this build does not know, or none at all, is left out.
fn breakers(wire: &v1::Report) -> Result<BTreeMap<KnobName, BreakerState>, BadField> {
    field::count(wire.breakers.len(), bounds::KNOBS).at("breakers")?;
    let state = |wire| BreakerState::ALL.into_iter().find(|state| i32::from(encode_breaker(*state)) == wire);
    let mut all = BTreeMap::new();
    for (knob, wire) in &wire.breakers {
        let name = field::name(knob).at("breakers")?;
        all.extend(state(*wire).map(|state| (name, state)));
    }
    Ok(all)
}

const fn encode_breaker(state: BreakerState) -> v1::breaker::State {
    use v1::breaker::State as Wire;
    match state {
        BreakerState::Closed => Wire::Closed,
        BreakerState::HalfOpen => Wire::HalfOpen,
        BreakerState::Open => Wire::Open,
        BreakerState::ForcedOpen => Wire::ForcedOpen,
        BreakerState::Recovering => Wire::Recovering,
        BreakerState::Disabled => Wire::Disabled,
        BreakerState::Shadow => Wire::Shadow,
    }
}

/// A cause that this build does not know is no reason to lose the counters.
fn reflex(wire: i32) -> Option<Cause> {
    use v1::resource_stats::Reflex as Wire;
    match Wire::try_from(wire) {
        Ok(Wire::OldCalls) => Some(Cause::OldCalls),
        Ok(Wire::Drops) => Some(Cause::Drops),
        Ok(Wire::Recovery) => Some(Cause::Recovery),
        Ok(Wire::None) | Err(_) => None,
    }
}

fn encode_reflex(cause: Option<Cause>) -> v1::resource_stats::Reflex {
    use v1::resource_stats::Reflex as Wire;
    match cause {
        None => Wire::None,
        Some(Cause::OldCalls) => Wire::OldCalls,
        Some(Cause::Drops) => Wire::Drops,
        Some(Cause::Recovery) => Wire::Recovery,
    }
}

fn slow_calls(wire: &v1::SlowCalls) -> Result<SlowCalls, BadField> {
    let after = field::duration(wire.after.as_ref()).and_then(|after| after.ok_or(Problem::Missing));
    Ok(SlowCalls { after: after.at("after")?, calls: wire.calls })
}

fn probed(wire: &v1::Probes) -> Probed {
    let &v1::Probes { round, let_out, succeeded, failed, ignored } = wire;
    Probed { round, let_out, succeeded, failed, ignored }
}

const fn encode_probed(probed: Probed) -> v1::Probes {
    let Probed { round, let_out, succeeded, failed, ignored } = probed;
    v1::Probes { round, let_out, succeeded, failed, ignored }
}

pub(super) fn encode(report: &Report) -> v1::Report {
    let (container, runtime) = signals::encode(&report.signals);
    let resources = report.totals.iter().take(bounds::RESOURCES);
    let breakers = report.breakers.iter().take(bounds::KNOBS);
    let breakers = breakers.map(|(knob, state)| (knob.to_string(), encode_breaker(*state).into()));
    let custom = report.custom.iter().filter(|(key, number)| !key.is_empty() && number.is_finite());
    v1::Report {
        window: field::encode_duration(report.window),
        urgent: report.urgent,
        resources: resources.map(|(name, totals)| encode_totals(name, totals)).collect(),
        runtime,
        container,
        breakers: breakers.collect(),
        custom: custom.take(bounds::CUSTOM).map(|(key, number)| (field::short(key), *number)).collect(),
        at_nanos: report.at_nanos,
        stall_nanos: report.stall_nanos,
    }
}

fn encode_totals(name: &KnobName, totals: &Totals) -> v1::ResourceStats {
    let age = totals.in_flight_age_sum().as_nanos();
    v1::ResourceStats {
        knob: name.as_str().to_owned(),
        admitted: totals.admitted,
        completed: totals.completed,
        dropped: totals.dropped,
        failed: totals.failed,
        cancelled: totals.cancelled,
        rejected: totals.rejected.to_vec(),
        admit_time_sum: totals.admit_time_sum,
        release_time_sum: totals.release_time_sum,
        latency_sum: totals.latency_sum,
        success_latency_sum: totals.success_latency_sum,
        in_flight: totals.in_flight(),
        in_flight_peak: totals.in_flight_peak,
        limit_in_force: if totals.limit_in_force.is_finite() { totals.limit_in_force.max(0.0) } else { 0.0 },
        limited: totals.limited,
        slow: totals.slow.iter().take(MOST_WATCHED).map(encode_slow_calls).collect(),
        reflexes: totals.reflexes,
        reflex: encode_reflex(totals.reflex).into(),
        queue_waits: totals.queue_waits,
        queue_wait_sum: totals.queue_wait_sum,
        waiting: totals.waiting,
        arrived: totals.arrived,
        late: totals.late,
        in_flight_age_sum: u64::try_from(age).unwrap_or(u64::MAX),
        success_latency_sq_sum: totals.success_latency_sq_sum,
        consecutive_failures: totals.consecutive_failures,
        probes: totals.probed.map(encode_probed),
        retry_after_seen: totals.retry_after.and_then(field::encode_duration),
        ..Default::default()
    }
}

fn encode_slow_calls(slow: &SlowCalls) -> v1::SlowCalls {
    v1::SlowCalls { after: field::encode_duration(slow.after), calls: slow.calls }
}
