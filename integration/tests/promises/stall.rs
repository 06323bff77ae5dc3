//! The service is stopped for two seconds under load (SIGSTOP) and goes on: calls that took two seconds because nobody was
//! there to answer them say nothing about the load.

use std::ops::Range;
use std::time::Duration;

use setpoint::status::{SessionState, Status};
use tokio::time::sleep;

use crate::service::{CAPACITY_PER_SECOND, DemoService, SERVICE, load};
use crate::sidecar::{KNOB, Sidecar, limit, policies, session};
use crate::until::PATIENCE;

/// How long the process is stopped: the time itself is what is tested.
const STALL: Duration = Duration::from_secs(2);
/// A window that began before the stall is over by then.
const AFTERMATH_SECONDS: f64 = 1.0;
/// What the law tries by itself: between 0.6 and 2 times its limit. Believing in calls of two seconds it would take them for a
/// slow dependency and allow seven times as many.
const USUAL_RATIO: Range<f64> = 0.55..2.1;
/// What it would conclude from calls that took two seconds, or from a stretch in which none ended.
const WRONG: [&str; 4] = ["floor_moved", "goodput_changed", "drops", "in_time"];

/// The law acts on the service, and the limit is what keeps calls out. Whether it had to move for that is the law's business:
/// without a deadline and on a busy machine it finds nothing wrong with the limit that was given.
fn is_in_use(status: &Status) -> bool {
    limit(status, SERVICE).is_some_and(|knob| {
        let full = knob.limiter.as_ref().is_some_and(|limiter| limiter.in_flight >= limiter.limit as u64);
        let knows = knob.reason.as_ref().is_some_and(|reason| !reason.contains("no baseline"));
        status.uptime_seconds > 13.0 && knows && full
    })
}

pub async fn l1_a_stall_of_the_service_moves_no_limit() {
    let adaptive = format!("  - name: inbound\n    adaptive_concurrency: {{knob: {KNOB}, initial: 50}}\n");
    let sidecar = Sidecar::start(&policies(&adaptive)).await;
    let mut demo = DemoService::start(&sidecar.socket(), &["--service-time", "40ms"]).await;
    // Twice what it can do, so that the limit is in use and every slow call would count against it.
    let load = load(demo.at, 2.0 * CAPACITY_PER_SECOND);
    let answers = load.begin_phase();
    let before = sidecar.shows("a full limit, and the law knows the service", PATIENCE, is_in_use).await;
    demo.process.freeze().unwrap();
    sleep(STALL).await;
    demo.process.thaw().unwrap();
    let went_on = sidecar.status().await.uptime_seconds;
    let over = |status: &Status| {
        let session = session(status, SERVICE).expect("the session goes on");
        status.uptime_seconds > went_on + AFTERMATH_SECONDS && session.state == SessionState::Synced
    };
    let after = sidecar.shows("synced again", PATIENCE, over).await;

    let stalled = sidecar.metric("setpoint_decisions_total{action=\"hold\",rule=\"stalled\"}").await;
    assert!(stalled.is_some(), "the window of the stall was thrown away");
    let [was, is] = [&before, &after].map(|status| limit(status, SERVICE).unwrap().in_force);
    eprintln!(
        "service's stall: the limit was {was:.1} before and is {is:.1} after; slowest answer {:?}",
        answers.snapshot().latency(1.0).unwrap()
    );
    assert!(answers.snapshot().latency(1.0).unwrap() > STALL, "some calls were caught by it");
    let meanwhile = after.decisions.iter().filter(|change| change.at_seconds > before.uptime_seconds);
    for change in meanwhile {
        let usual = USUAL_RATIO.contains(&(change.to / was)) && !WRONG.contains(&&*change.rule);
        assert!(usual, "{was} before, then {change:?}");
    }
    let instance = |status| &session(status, SERVICE).unwrap().instance;
    assert_eq!((instance(&before), after.sessions.len()), (instance(&after), 1), "the same session");
}
