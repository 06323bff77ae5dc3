//! The gauges, written at a scrape from what `/status` shows.

use std::collections::{BTreeMap, BTreeSet};

use metrics::{Key, Label, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;
use setpoint_policies::signal::Signal;

use super::METADATA;
use crate::status::{ConfigState, KeptState, SessionState, Status};

const SESSIONS: &str = "setpoint_sessions";
const LOOP_AGE: &str = "setpoint_loop_age_seconds";
const UPTIME: &str = "setpoint_uptime_seconds";
const CONFIG_STATE: &str = "setpoint_config_state";
const LAST_GOOD: &str = "setpoint_last_good_state";
const IN_FORCE: &str = "setpoint_knob_in_force";
const WANTED: &str = "setpoint_knob_wanted";
const SIGNAL_AGE: &str = "setpoint_signal_age_seconds";
const REFLEXES: &str = "setpoint_limiter_reflexes";
const REFLEX_HOLDS: &str = "setpoint_limiter_reflex_holds";
const QUEUE_WAITS: &str = "setpoint_limiter_queue_wait_count";
const QUEUE_WAIT: &str = "setpoint_limiter_queue_wait_seconds_sum";
const WAITING: &str = "setpoint_limiter_waiting";

const DISABLED: &str = "setpoint_disabled";

const ALERT: &str = "setpoint_alert_firing";

const HELP: [(&str, &str); 15] = [
    (DISABLED, "1 while the file `disable` beside the socket switches the SDKs off."),
    (SESSIONS, "Connected processes, by how well they follow."),
    (LOOP_AGE, "Time since the last finished tick."),
    (UPTIME, "Time since the sidecar started."),
    (CONFIG_STATE, "1 for the state that the policy file is in."),
    (LAST_GOOD, "1 for the state of the last good policy in the state directory."),
    (
        IN_FORCE,
        "Value in force, in the unit of the knob, the mean over the processes of a service; a breaker's is the number of its state, 0 to 7.",
    ),
    (WANTED, "Value wanted, as setpoint_knob_in_force."),
    (SIGNAL_AGE, "Age of a reading, the oldest over the processes of a service."),
    (REFLEXES, "Times that a limiter's own reflex cut its limit, over the connected processes of a service."),
    (REFLEX_HOLDS, "Processes of a service in which the reflex holds the limit down now."),
    (
        QUEUE_WAITS,
        "Calls that waited for a place and were admitted or refused since, over the connected processes.",
    ),
    (QUEUE_WAIT, "How long they waited, all together."),
    (ALERT, "Processes of a service in which a policy's alert fires, by severity; 0 when it has just ended."),
    (WAITING, "Calls that wait for a place now, over the connected processes of a service."),
];

/// The metric of a signal; its unit is the last part of the signal's own name.
fn signal_name(signal: &str) -> String {
    format!("setpoint_signal_{signal}")
}

pub(super) fn describe(recorder: &PrometheusRecorder) {
    for (name, help) in HELP {
        recorder.describe_gauge(name.into(), None, help.into());
    }
    let help = "Newest reading as policies see it, the mean over the processes of a service.";
    for signal in Signal::ALL {
        recorder.describe_gauge(signal_name(signal.name()).into(), None, help.into());
    }
}

pub(super) fn write(recorder: &PrometheusRecorder, status: &Status) {
    let set = |name: &'static str, labels: &[(&'static str, &str)], value| {
        set(recorder, name.to_owned(), labels, value);
    };
    set(LOOP_AGE, &[], status.loop_age_seconds);
    set(UPTIME, &[], status.uptime_seconds);
    set(DISABLED, &[], f64::from(u8::from(status.disabled)));
    for state in ConfigState::ALL {
        let is = f64::from(u8::from(state == status.config.state));
        set(CONFIG_STATE, &[("state", state.name())], is);
    }
    for state in KeptState::ALL {
        let is = f64::from(u8::from(state == status.config.kept.state));
        set(LAST_GOOD, &[("state", state.name())], is);
    }
    for state in SessionState::ALL {
        let count = status.sessions.iter().filter(|session| session.state == state).count();
        set(SESSIONS, &[("state", state.name())], count as f64);
    }
    write_knobs(recorder, status);
    write_limiters(recorder, status);
    write_signals(recorder, status);
}

fn write_knobs(recorder: &PrometheusRecorder, status: &Status) {
    let (mut in_force, mut wanted) = (Groups::default(), Groups::default());
    for session in &status.sessions {
        for knob in &session.knobs {
            let group = (&*session.service, &*knob.name);
            in_force.entry(group).or_default().push(knob.in_force);
            wanted.entry(group).or_default().push(knob.want.unwrap_or(knob.in_force));
        }
    }
    for (name, groups) in [(IN_FORCE, in_force), (WANTED, wanted)] {
        for ((service, knob), values) in groups {
            set(recorder, name.to_owned(), &[("service", service), ("knob", knob)], mean(&values));
        }
    }
}

fn write_limiters(recorder: &PrometheusRecorder, status: &Status) {
    let mut groups = BTreeMap::<(&str, &str), [f64; 5]>::new();
    for session in &status.sessions {
        for knob in &session.knobs {
            let Some(limiter) = &knob.limiter else { continue };
            let sums = groups.entry((&*session.service, &*knob.name)).or_default();
            let own = [
                limiter.reflexes as f64,
                f64::from(u8::from(limiter.reflex.is_some())),
                limiter.queue_waits as f64,
                limiter.queue_wait_seconds,
                limiter.waiting as f64,
            ];
            for (sum, own) in sums.iter_mut().zip(own) {
                *sum += own;
            }
        }
    }
    for ((service, knob), sums) in groups {
        for (name, sum) in [REFLEXES, REFLEX_HOLDS, QUEUE_WAITS, QUEUE_WAIT, WAITING].into_iter().zip(sums) {
            set(recorder, name.to_owned(), &[("service", service), ("knob", knob)], sum);
        }
    }
}

fn write_signals(recorder: &PrometheusRecorder, status: &Status) {
    let (mut readings, mut ages) = (Groups::default(), Groups::default());
    for session in &status.sessions {
        for (signal, value) in &session.signals {
            readings.entry((&*session.service, &**signal)).or_default().push(*value);
        }
        for (signal, age) in &session.signal_age_seconds {
            ages.entry((&*session.service, &**signal)).or_default().push(*age);
        }
    }
    for ((service, signal), values) in readings {
        set(recorder, signal_name(signal), &[("service", service)], mean(&values));
    }
    for ((service, signal), values) in ages {
        let oldest = values.into_iter().fold(0.0, f64::max);
        set(recorder, SIGNAL_AGE.to_owned(), &[("service", service), ("signal", signal)], oldest);
    }
}

/// Service, policy and severity of what fired at the scrape before.
pub(super) type Alerting = BTreeSet<(String, String, String)>;

/// What has ended is written as 0 once: its last value would stand until the gauge expires.
pub(super) fn write_alerts(recorder: &PrometheusRecorder, status: &Status, before: &mut Alerting) {
    let mut firing: BTreeMap<_, f64> = std::mem::take(before).into_iter().map(|key| (key, 0.0)).collect();
    for alert in &status.alerts {
        let key = (alert.service.clone(), alert.policy.clone(), alert.severity.clone());
        *firing.entry(key).or_default() += 1.0;
    }
    for ((service, policy, severity), processes) in firing {
        let labels = [("service", &*service), ("policy", &*policy), ("severity", &*severity)];
        set(recorder, ALERT.to_owned(), &labels, processes);
        if processes > 0.0 {
            before.insert((service, policy, severity));
        }
    }
}

/// Values of the processes of a service, by service and name.
type Groups<'a> = BTreeMap<(&'a str, &'a str), Vec<f64>>;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn set(recorder: &PrometheusRecorder, name: String, labels: &[(&'static str, &str)], value: f64) {
    let labels = labels.iter().map(|(key, value)| Label::new(*key, (*value).to_owned())).collect::<Vec<_>>();
    recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;
    use crate::status::{Alert, Knob, Limiter, Session, SessionState, Status};

    #[test]
    fn b7_an_alert_is_a_gauge_that_falls_to_zero_when_it_ends() {
        let alert = |instance: &str, severity: &str| Alert {
            service: "demo".to_owned(),
            instance: instance.to_owned(),
            policy: "answers".to_owned(),
            knob: None,
            severity: severity.to_owned(),
            since_seconds: 1.0,
            rule: "fast_burn".to_owned(),
            reason: String::new(),
            evidence: Vec::new(),
        };
        let metrics = Metrics::new();
        let shows = |alerts: Vec<Alert>, severity: &str, processes: &str| {
            let text = metrics.render(&Status { alerts, ..Status::default() });
            let labels = format!("{{service=\"demo\",policy=\"answers\",severity=\"{severity}\"}}");
            let line = format!("setpoint_alert_firing{labels} {processes}");
            assert!(text.lines().any(|there| there == line), "no {line} in {text}");
        };
        shows(vec![alert("a", "warning"), alert("b", "warning")], "warning", "2");
        shows(vec![alert("a", "critical")], "critical", "1");
        shows(vec![alert("a", "critical")], "warning", "0");
        shows(Vec::new(), "critical", "0");
    }

    #[test]
    fn gauges_are_of_a_service_and_not_of_a_process() {
        let knob = |in_force| Knob {
            name: "limit.inbound".to_owned(),
            in_force,
            in_force_state: None,
            want: Some(30.0),
            want_state: None,
            policy: None,
            action: None,
            reason: None,
            breaker: None,
            limiter: Some(Limiter { reflexes: 2, queue_wait_seconds: 0.25, ..Limiter::default() }),
        };
        let session = |instance: &str, in_force, age| Session {
            service: "demo".to_owned(),
            instance: instance.to_owned(),
            state: SessionState::Synced,
            knobs: vec![knob(in_force)],
            signals: [("cpu_some_ratio".to_owned(), in_force / 100.0)].into(),
            signal_age_seconds: [("cpu_some_ratio".to_owned(), age)].into(),
        };
        let sessions = vec![session("a", 25.0, 0.5), session("b", 50.0, 2.0)];
        let text = Metrics::new().render(&Status { sessions, ..Status::default() });
        for line in [
            "setpoint_sessions{state=\"synced\"} 2",
            "setpoint_sessions{state=\"nacked\"} 0",
            "setpoint_knob_in_force{service=\"demo\",knob=\"limit.inbound\"} 37.5",
            "setpoint_knob_wanted{service=\"demo\",knob=\"limit.inbound\"} 30",
            "setpoint_limiter_reflexes{service=\"demo\",knob=\"limit.inbound\"} 4",
            "setpoint_limiter_queue_wait_seconds_sum{service=\"demo\",knob=\"limit.inbound\"} 0.5",
            "setpoint_limiter_waiting{service=\"demo\",knob=\"limit.inbound\"} 0",
            "setpoint_signal_cpu_some_ratio{service=\"demo\"} 0.375",
            "setpoint_signal_age_seconds{service=\"demo\",signal=\"cpu_some_ratio\"} 2",
        ] {
            assert!(text.lines().any(|there| there == line), "no {line} in {text}");
        }
    }
}
