//! B1 and B2 with the sidecar's binary: it counts, decides and pushes, and the breaker of this process obeys.
//!
//! The rules are those of the reports with windows of a second, and the breaker has no rule of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use setpoint_sdk::{Breaker, BreakerState, Limiter, Outcome, Priority, Setpoint};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::service::SERVICE;
use crate::sidecar::{Sidecar, policies, session};
use crate::until::{PATIENCE, eventually};

const CALLERS: usize = 30;
const QUICK: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(600);

/// A callee that can be made to fail or to hang, and who calls it.
struct Callee {
    fails: AtomicBool,
    hangs: AtomicBool,
    /// Calls that reached it.
    calls: AtomicU64,
}

struct Scene {
    callee: Arc<Callee>,
    breaker: Breaker,
    _sidecar: Sidecar,
    _callers: JoinSet<()>,
    _setpoint: Setpoint,
}

/// Until it is dropped: each caller calls, rests, and calls again, whatever it was told.
async fn call_on(limiter: Limiter, callee: Arc<Callee>) {
    loop {
        if let Ok(permit) = limiter.try_acquire(Priority::Normal) {
            callee.calls.fetch_add(1, Relaxed);
            sleep(if callee.hangs.load(Relaxed) { SLOW } else { QUICK }).await;
            permit.finish(if callee.fails.load(Relaxed) { Outcome::Failure } else { Outcome::Success });
        }
        sleep(3 * QUICK).await;
    }
}

impl Scene {
    async fn set(rule: &str) -> Self {
        let policy = format!("  - name: db\n    breaker: {{knob: breaker.db, ramp: 1s, {rule}}}\n");
        let sidecar = Sidecar::start(&policies(&policy)).await;
        let setpoint = Setpoint::builder(SERVICE).socket(sidecar.socket()).disabled(false).start();
        let breaker = setpoint.breaker("db").failures(0).register();
        let limiter = setpoint.limiter("db").bounds(4, 200).baseline(100).register();
        let callee = Arc::new(Callee {
            fails: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        });
        let mut callers = JoinSet::new();
        (0..CALLERS).for_each(|_| drop(callers.spawn(call_on(limiter, Arc::clone(&callee)))));
        sidecar.shows("the session", PATIENCE, |status| session(status, SERVICE).is_some()).await;
        eventually("calls pass", PATIENCE, || callee.calls.load(Relaxed) > 1000).await;
        Self { callee, breaker, _sidecar: sidecar, _callers: callers, _setpoint: setpoint }
    }

    async fn is(&self, state: BreakerState) -> Duration {
        eventually(&format!("{state:?}"), PATIENCE, || self.breaker.state() == state).await
    }

    /// It opens, one round of probes finds out that nothing is better, and later another that all is well.
    async fn opens_probes_and_comes_back(&self, broken: &AtomicBool, at_least: Duration) {
        broken.store(true, Relaxed);
        let took = self.is(BreakerState::Open).await;
        eprintln!("breaker: open after {took:?}");
        assert!(took >= at_least, "{took:?}: before its windows were over");
        let before = self.callee.calls.load(Relaxed);
        self.is(BreakerState::HalfOpen).await;
        self.is(BreakerState::Open).await;
        let probes = self.callee.calls.load(Relaxed) - before;
        eprintln!("breaker: {probes} probes of {CALLERS} callers");
        assert!((1..=10).contains(&probes), "{probes} probes, 10 is the budget");

        broken.store(false, Relaxed);
        let took = self.is(BreakerState::Closed).await;
        eprintln!("breaker: closed {took:?} after the callee was well");
        let before = self.callee.calls.load(Relaxed);
        eventually("calls pass again", PATIENCE, || self.callee.calls.load(Relaxed) > before + 1000).await;
    }
}

pub async fn b1_a_callee_that_fails_is_left_alone_probed_and_taken_back() {
    let rule =
        "failure_rate: {above: 65%, window: 1s, in_a_row: 3}, probe: {exponential: {base: 500ms, cap: 2s}}";
    let scene = Scene::set(rule).await;
    // 65 % of the first window and two more.
    scene.opens_probes_and_comes_back(&scene.callee.fails, Duration::from_millis(2500)).await;
}

pub async fn b2_a_callee_that_hangs_is_left_alone_probed_and_taken_back() {
    let rule = "slow_call_rate: {p95_above: 200ms, window: 1s, in_a_row: 2, confidence: 0%}, \
                probe: {fixed: {wait: 500ms}}, half_open: {deadline: 300ms}";
    let scene = Scene::set(rule).await;
    // A call is slow after 200 ms, and two windows have to be above.
    scene.opens_probes_and_comes_back(&scene.callee.hangs, Duration::from_millis(1100)).await;
}
