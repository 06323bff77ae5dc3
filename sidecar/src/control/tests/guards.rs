//! The guards through a real session: what a process reports comes back as setpoints, alerts and metrics.

use setpoint_policies::knob::{Kind, Knob, KnobName, READINESS};
use setpoint_policies::lease::OnExpiry;
use setpoint_policies::signal::Signal;
use setpoint_proto::message::{Frame, Hello, ToSdk};

use super::*;

const POLICY: &str = "
version: setpoint/v1
name: demo
policies:
  - name: tasks
    task_leak: {knob: breaker.inbound}
  - name: ready
    runtime_health: {knob: health.ready}
  - name: outlook
    task_trend: {limit: 20000}
";

fn name(name: &str) -> KnobName {
    KnobName::try_new(name).expect("valid")
}

fn process() -> Hello {
    let breaker = Knob::try_new(name("breaker.inbound"), Kind::Breaker, 0.0, 4.0, 0.0).expect("valid");
    let ready = Knob::try_new(name(READINESS), Kind::Switch, 0.0, 1.0, 1.0).expect("valid");
    let mut hello = hello("a");
    hello.knobs.extend([breaker, ready]);
    hello
}

/// Reports these signals once a second and acknowledges frames, until one is as awaited.
async fn report_until(
    sdk: &mut Sdk,
    signals: &[(Signal, f64)],
    most_seconds: u64,
    is: impl Fn(&Frame) -> bool,
) -> Option<Frame> {
    let totals = || [(name("limit.inbound"), Totals { at_nanos: 1, ..Totals::default() })].into();
    let mut ends = tokio::time::Instant::now();
    for second in 0..most_seconds {
        let report =
            Report { at_nanos: second, totals: totals(), signals: signals.to_vec(), ..Report::default() };
        sdk.say(ToSidecar::Report(Box::new(report))).await;
        ends += Duration::from_secs(1);
        while let Ok(heard) = tokio::time::timeout_at(ends, sdk.next()).await {
            let ToSdk::Frame(frame) = heard.expect("goes on") else { continue };
            sdk.ack(&frame, Status::Applied).await;
            if is(&frame) {
                return Some(*frame);
            }
        }
    }
    None
}

fn has(frame: &Frame, knob: &str, is: impl Fn(&Value) -> bool) -> bool {
    frame.set.iter().any(|setpoint| setpoint.knob.as_str() == knob && is(&setpoint.value))
}

#[tokio::test(start_paused = true)]
async fn b3_b5_a_leak_and_pauses_are_pushed_told_and_cleared_when_the_process_goes() {
    let ticking = Ticking::start(Some(POLICY));
    let mut sdk = ticking.rig.session(process()).await;
    let calm = [(Signal::Tasks, 400.0), (Signal::RuntimeDelay, 0.001)];
    let never = |_: &Frame| false;
    assert!(report_until(&mut sdk, &calm, 90, never).await.is_none());
    assert!(crate::view::status(&ticking.rig.shared).alerts.is_empty());

    let leaking = [(Signal::Tasks, 900.0), (Signal::RuntimeDelay, 0.05)];
    let open = |value: &Value| matches!(value, Value::Breaker(Breaker::Open { .. }));
    let tripped = report_until(&mut sdk, &leaking, 30, |frame| has(frame, "breaker.inbound", open)).await;
    let why = &tripped.expect("trips").set[0].why;
    assert_eq!(
        (&*why.policy, &*why.rule, &*why.text),
        ("tasks", "task_leak", "900 tasks, over 600; 400 are usual")
    );
    let off = |frame: &Frame| has(frame, READINESS, |value| *value == Value::Switch(false));
    let away = report_until(&mut sdk, &leaking, 40, off).await.expect("away");
    assert_eq!(away.set[0].lease.on_expiry, OnExpiry::Baseline, "without a sidecar it is there again");

    let status = crate::view::status(&ticking.rig.shared);
    let alerts: Vec<_> =
        status.alerts.iter().map(|alert| (&*alert.policy, &*alert.severity, &*alert.rule)).collect();
    assert_eq!(alerts, [("tasks", "critical", "task_leak"), ("ready", "warning", "paused")]);
    assert_eq!((&*status.alerts[0].service, &*status.alerts[0].instance), ("demo", "a"));
    assert!(
        crate::show::text(&status).contains("critical  demo/a   tasks"),
        "{}",
        crate::show::text(&status)
    );
    let line = "setpoint_alert_firing{service=\"demo\",policy=\"tasks\",severity=\"critical\"}";
    assert!(ticking.rig.metrics().contains(&format!("{line} 1")));
    assert!(!status.missing.iter().any(|knob| knob.contains("process")), "{:?}", status.missing);

    drop(sdk);
    millis(1000).await;
    let status = crate::view::status(&ticking.rig.shared);
    assert!(status.alerts.is_empty(), "the process has gone");
    let last: Vec<_> = status.alert_changes.iter().map(|change| &*change.happened).collect();
    assert_eq!(last, ["began", "began", "ended", "ended"]);
    assert!(ticking.rig.metrics().contains(&format!("{line} 0")));
}
