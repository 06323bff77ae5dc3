//! What a scrape says of the calls of limiters, while processes come and go.

use setpoint_policies::knob::KnobName;
use setpoint_policies::totals::Totals;
use setpoint_proto::message::{Hello, Report, ToSidecar};

use crate::rig::{Rig, Sdk, hello};

/// So many calls since the start of the process: of ten admitted one was late, two were dropped, one failed.
fn tens(n: u64) -> Totals {
    let rejected = [0, 0, 3 * n, 2 * n, 0];
    let ended =
        Totals { completed: 6 * n, dropped: 2 * n, failed: n, cancelled: n, late: n, ..Totals::default() };
    Totals { at_nanos: n, arrived: 15 * n, admitted: 10 * n, rejected, ..ended }
}

async fn report(sdk: &Sdk, totals: Totals) {
    let knob = KnobName::try_new("limit.inbound").expect("valid");
    let totals = [(knob, totals)].into();
    sdk.say(ToSidecar::Report(Box::new(Report { at_nanos: 1, totals, ..Report::default() }))).await;
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
}

fn shows(rig: &Rig, tens: u64) {
    let metrics = rig.metrics();
    for (name, label, each) in [
        ("admitted", "", 10),
        ("rejected", ",priority=\"critical\"", 0),
        ("rejected", ",priority=\"normal\"", 3),
        ("rejected", ",priority=\"low\"", 2),
        ("ended", ",outcome=\"success\"", 6),
        ("ended", ",outcome=\"dropped\"", 2),
        ("ended", ",outcome=\"failure\"", 1),
        ("ended", ",outcome=\"ignore\"", 1),
        ("late", "", 1),
    ] {
        let labels = format!("service=\"demo\",knob=\"limit.inbound\"{label}");
        let line = format!("setpoint_limiter_{name}_total{{{labels}}} {}", each * tens);
        assert!(metrics.lines().any(|there| there == line), "no {line} in {metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_summed_over_processes_and_never_go_back_when_one_leaves_or_restarts() {
    let rig = Rig::start();
    let (first, second) = (rig.session(hello("a")).await, rig.session(hello("b")).await);
    report(&first, tens(100)).await;
    report(&second, tens(0)).await;
    shows(&rig, 0);
    report(&first, tens(104)).await;
    report(&second, tens(1)).await;
    shows(&rig, 5);
    drop(second);
    report(&first, tens(104)).await;
    shows(&rig, 5);
    let restarted = rig.session(Hello { incarnation: 2, ..hello("a") }).await;
    report(&restarted, tens(0)).await;
    shows(&rig, 5);
    report(&restarted, tens(2)).await;
    shows(&rig, 7);
    report(&restarted, tens(1)).await;
    shows(&rig, 7);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_comes_later_is_counted_from_its_first_call() {
    let rig = Rig::start();
    let sdk = rig.session(hello("a")).await;
    sdk.say(ToSidecar::Report(Box::default())).await;
    report(&sdk, tens(3)).await;
    shows(&rig, 3);
}
