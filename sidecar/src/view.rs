//! From the live state of the sidecar to a [`Status`]: on demand, so that nobody pays for a page that nobody looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use setpoint_policies::admission::Shares;
use setpoint_policies::decision::Decision;
use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::{Reading, Signal, Signals};
use setpoint_policies::snapshot::Instance;
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;

use crate::alerts::Standing;
use crate::control::{Latest, Shared};
use crate::journal::Entry;
use crate::sessions::desired::explain;
use crate::sessions::session::{Follows, Session, instance_name};
use crate::status::{Alert, AlertChange, Change, Evidence, Knob, Limiter, SessionState, Status};

/// Changes that a status carries; the journal keeps more.
const CHANGES: usize = 200;

/// Everything about this sidecar now. Costs about as much as one tick.
pub fn status(shared: &Shared) -> Status {
    let (now, latest) = (shared.clock.now(), shared.board.latest());
    let sessions = shared.registry.sessions();
    let seen = sessions.iter().map(|session| (session.as_ref(), session.snapshot())).collect::<Vec<_>>();
    let declared = seen.iter().flat_map(|(_, instance)| &instance.knobs).map(|knob| knob.name.clone());
    let (unbound, missing) = shared.registry.mismatch(&declared.collect());
    let unbound = unbound.into_iter().collect::<BTreeSet<_>>();
    let unbound = seen.iter().flat_map(|(session, instance)| {
        let of_session = instance.knobs.iter().filter(|knob| unbound.contains(&knob.name));
        of_session.map(|knob| format!("{}/{}", session.service, knob.name))
    });
    Status {
        epoch: shared.registry.epoch(),
        tick: shared.pulse.tick(),
        loop_age_seconds: shared.pulse.age(now).as_secs_f64(),
        uptime_seconds: now.as_secs_f64(),
        // As the SDKs do: what cannot be looked at changes nothing.
        disabled: shared.disable_file.try_exists().unwrap_or(false),
        disable_file: shared.disable_file.display().to_string(),
        config: latest.config.clone(),
        unbound: unbound.collect::<BTreeSet<_>>().into_iter().collect(),
        missing: missing.iter().map(ToString::to_string).collect(),
        alerts: shared.alerts.standing().iter().map(alert).collect(),
        alert_changes: shared.alerts.newest().iter().map(alert_change).collect(),
        decisions: shared.journal.newest(CHANGES).iter().map(change).collect(),
        sessions: seen
            .iter()
            .map(|(session, instance)| of_session(session, instance, &latest, now))
            .collect(),
    }
}

fn of_session(
    session: &Session,
    instance: &Instance,
    latest: &Latest,
    now: Timestamp,
) -> crate::status::Session {
    let decided = latest.decisions.iter().filter(|decision| decision.instance == session.id);
    let decided = decided.map(|decision| (&decision.knob, decision)).collect::<BTreeMap<_, _>>();
    let readings = readings(&instance.signals, &latest.node);
    let (shares, breakers) = (session.shares(), session.breakers());
    crate::status::Session {
        service: session.service.to_string(),
        instance: session.instance.to_string(),
        state: match session.follows(now) {
            Follows::Synced => SessionState::Synced,
            Follows::Sent => SessionState::Sent,
            Follows::Lagging => SessionState::Lagging,
            Follows::Nacked => SessionState::Nacked,
        },
        knobs: instance
            .knobs
            .iter()
            .map(|knob| Knob {
                breaker: breakers.get(&knob.name).map(|state| state.name().to_owned()),
                limiter: limiter(instance, &knob.name, shares.get(&knob.name)),
                ..of_knob(knob, instance, decided.get(&knob.name).copied())
            })
            .collect(),
        signals: readings.iter().map(|(signal, reading)| (signal.name().to_owned(), reading.value)).collect(),
        signal_age_seconds: readings
            .iter()
            .map(|(signal, reading)| (signal.name().to_owned(), reading.age(now).as_secs_f64()))
            .collect(),
    }
}

/// What policies see: the process's own readings, else the sidecar's.
fn readings(own: &Signals, node: &Signals) -> Vec<(Signal, Reading)> {
    let reading = |signal| own.reading(signal).or_else(|| node.reading(signal));
    Signal::ALL.into_iter().filter_map(|signal| Some((signal, reading(signal)?))).collect()
}

fn of_knob(knob: &setpoint_policies::knob::Knob, instance: &Instance, decided: Option<&Decision>) -> Knob {
    let in_force = instance.in_force.get(&knob.name).copied().unwrap_or_else(|| knob.baseline_value());
    Knob {
        name: knob.name.to_string(),
        in_force: in_force.scalar(),
        in_force_state: state(&in_force),
        want: decided.map(|decision| decision.to.scalar()),
        want_state: decided.and_then(|decision| state(&decision.to)),
        policy: decided.map(|decision| decision.policy.to_string()),
        action: decided.map(|decision| decision.action.name().to_owned()),
        reason: decided.map(explain),
        breaker: None,
        limiter: None,
    }
}

fn state(value: &Value) -> Option<String> {
    value.state().map(str::to_owned)
}

/// What the limiter behind a knob reported last.
fn limiter(instance: &Instance, knob: &KnobName, shares: Option<&Shares>) -> Option<Limiter> {
    let totals = &instance.totals.get(knob)?.totals;
    Some(Limiter {
        limit: totals.limit_in_force,
        in_flight: totals.in_flight(),
        priority_share: shares.map(|shares| shares.as_array().to_vec()),
        reflexes: totals.reflexes,
        reflex: totals.reflex.map(|cause| cause.name().to_owned()),
        queue_waits: totals.queue_waits,
        queue_wait_seconds: Duration::from_nanos(totals.queue_wait_sum).as_secs_f64(),
        waiting: totals.waiting,
    })
}

fn alert(standing: &Standing) -> Alert {
    let (firing, reason) = (&standing.firing, &standing.firing.alert.reason);
    let evidence = reason.evidence().into_iter().map(|evidence| Evidence {
        signal: evidence.signal.to_owned(),
        observed: evidence.observed,
        threshold: evidence.threshold,
        unit: evidence.unit.to_owned(),
    });
    Alert {
        service: standing.service.to_string(),
        instance: instance_name(&firing.instance).to_owned(),
        policy: firing.policy.to_string(),
        knob: firing.knob.as_ref().map(ToString::to_string),
        severity: firing.alert.severity.name().to_owned(),
        since_seconds: firing.since.as_secs_f64(),
        rule: reason.rule().to_owned(),
        reason: reason.to_string(),
        evidence: evidence.collect(),
    }
}

fn alert_change(entry: &crate::alerts::Entry) -> AlertChange {
    AlertChange {
        at_seconds: entry.at.as_secs_f64(),
        happened: entry.happened.name().to_owned(),
        alert: alert(&entry.of),
    }
}

fn change(entry: &Entry) -> Change {
    let decision = &entry.decision;
    Change {
        id: decision.id,
        at_seconds: entry.at.as_secs_f64(),
        service: entry.service.to_string(),
        instance: instance_name(&decision.instance).to_owned(),
        knob: decision.knob.to_string(),
        from: decision.from.scalar(),
        from_state: state(&decision.from),
        to: decision.to.scalar(),
        to_state: state(&decision.to),
        policy: decision.policy.to_string(),
        action: decision.action.name().to_owned(),
        rule: decision.reason.rule().to_owned(),
        reason: explain(decision),
    }
}
