//! The sidecar is killed (SIGKILL) under load, twice: once it comes back while its values are held, once after they have gone
//! back to the baseline.

use std::time::Duration;

use setpoint::status::{SessionState, Status};
use setpoint_integration::load::{Generator, Slot, Tally};
use setpoint_sdk::{BreakerState, Health, Limiter, Outcome, Priority};
use tokio::time::sleep;

use crate::recorder::{Record, Recorder};
use crate::service::{BASELINE, CAPACITY_PER_SECOND, Host, SERVICE, bare, load, report};
use crate::sidecar::{BEAT, DECAY, HOLD, Sidecar, TTL, fixed, limit, session};
use crate::until::{PATIENCE, eventually};

/// What the policy wants, other than the baseline.
const PUSHED: f64 = 20.0;
/// Late timers of a busy machine.
const SLACK: Duration = Duration::from_millis(500);
/// An undisturbed time to compare with. It has to last for a percentile, so it is slept.
const BEFORE: Duration = Duration::from_secs(4);

/// The host's load and, for comparison, the same on a service that has no SDK and shares everything else.
pub struct Lanes([Generator; 2]);

impl Lanes {
    /// Both at half of what the service can do.
    pub async fn start(host: &Host) -> Self {
        Self([host.at, bare().await].map(|at| load(at, 0.5 * CAPACITY_PER_SECOND)))
    }

    pub fn begin(&self) -> [Slot; 2] {
        self.0.each_ref().map(Generator::begin_phase)
    }

    /// Ends the load and waits for its last answers.
    pub async fn finish(&self, slots: &[Slot; 2]) -> [Tally; 2] {
        self.0.iter().for_each(|load| load.rate(0.0));
        let answered = || slots.iter().all(|slot| slot.snapshot().unanswered() == 0);
        eventually("every request is answered", PATIENCE, answered).await;
        slots.each_ref().map(Slot::snapshot)
    }
}

/// No request failed, was rejected or late, and the slowest took no longer than without a sidecar.
pub fn assert_nobody_noticed(name: &str, [with, without]: &[Tally; 2]) {
    eprintln!("{}", report(&format!("{name}, with the SDK"), with));
    eprintln!("{}", report(&format!("{name}, without    "), without));
    assert!(with.sent > 200, "enough requests to notice something: {}", with.sent);
    assert_eq!((with.failed(), with.rejected, with.late, with.shed_by_client), (0, 0, 0, 0), "{name}");
    let [p99, usual] = [with, without].map(|tally| tally.latency(0.99).unwrap());
    assert!(p99 < usual.mul_f64(1.5) + Duration::from_millis(25), "{name}: p99 {p99:?} beside {usual:?}");
}

fn call(limiter: &Limiter, outcome: Outcome) -> bool {
    limiter.try_acquire(Priority::Normal).map(|permit| permit.finish(outcome)).is_ok()
}

/// Held for the ttl and the hold, then on its way, then at the baseline, each in its time: the last beat came up to one
/// period before the death.
fn assert_runs_out(record: &Record) {
    let healths: Vec<_> = record.healths().into_iter().map(|(health, _)| health).collect();
    let expected = [Health::Synced, Health::Quiet, Health::Held, Health::Decaying, Health::Baseline];
    assert_eq!(healths, expected);
    for (health, nominal) in
        [(Health::Held, TTL), (Health::Decaying, TTL + HOLD), (Health::Baseline, TTL + HOLD + DECAY)]
    {
        let (at, earliest) = (record.first(health), nominal.saturating_sub(BEAT + SLACK));
        assert!((earliest..nominal + SLACK).contains(&at), "{health} after {at:?}: {:?}", record.healths());
    }
    assert_eq!(record.limits_before(record.first(Health::Decaying)), [PUSHED], "it stands until it decays");
    let limits = record.limits();
    assert!(limits.is_sorted() && limits.last() == Some(&BASELINE), "{limits:?}");
    assert!(limits.len() > 10, "it goes back in many small steps: {limits:?}");
}

/// A sidecar that is back wants what it finds in force, although its policy says otherwise, and has said so to the service.
async fn learns_from(sidecar: &Sidecar, in_force: f64) {
    let in_session = |status: &Status| {
        let state = session(status, SERVICE).map(|session| session.state);
        state == Some(SessionState::Synced) && limit(status, SERVICE).is_some_and(|knob| knob.want.is_some())
    };
    sidecar.shows("the service is back in session", PATIENCE, in_session).await;
    let settled = sidecar.status().await.tick + 10;
    let status = sidecar.shows("ten ticks more", PATIENCE, |status| status.tick > settled).await;
    let knob = limit(&status, SERVICE).unwrap();
    assert_eq!((knob.in_force, knob.want), (in_force, Some(in_force)), "it starts from what is in force");
    assert!(knob.reason.as_ref().unwrap().contains("observing before acting"), "{knob:?}");
}

pub async fn l2_nobody_notices_the_death_of_the_sidecar() {
    let breaker =
        "  - name: db\n    breaker: {knob: breaker.db, consecutive: 3, probe: {fixed: {wait: 60s}}}\n";
    let mut sidecar = Sidecar::start(&(fixed(20) + breaker)).await;
    let host = Host::start(&sidecar.socket()).await;
    let db = host.setpoint.limiter("db").register();
    let lanes = Lanes::start(&host).await;
    host.synced_at(PUSHED).await;
    let undisturbed = lanes.begin();
    assert!((0..3).all(|_| call(&db, Outcome::Failure)));
    eventually("the breaker is opened", PATIENCE, || db.breaker().state() == BreakerState::Open).await;
    sleep(BEFORE).await;

    let around = lanes.begin();
    let record = Recorder::start(&host);
    sidecar.kill();
    let opened = eventually("the breaker is local again", PATIENCE, || call(&db, Outcome::Success)).await;
    assert!(opened + BEAT + SLACK > TTL && opened < TTL + SLACK, "after {opened:?}");
    eventually("held", PATIENCE, || host.setpoint.health() == Health::Held).await;
    let first = sidecar.launch().await;
    learns_from(&sidecar, PUSHED).await;
    assert_eq!(record.stop().limits(), [PUSHED], "values stand over the death and the return");
    assert_eq!(db.breaker().state(), BreakerState::Closed);

    let record = Recorder::start(&host);
    sidecar.kill();
    eventually("baseline", PATIENCE, || host.setpoint.health() == Health::Baseline).await;
    assert_runs_out(&record.stop());
    let record = Recorder::start(&host);
    let second = sidecar.launch().await;
    learns_from(&sidecar, BASELINE).await;
    assert_eq!(record.stop().limits(), [BASELINE], "no jump: it learns first");
    host.synced_at(BASELINE).await;
    let slowest = first.max(second);
    eprintln!("sidecar's death: its socket answers again after {first:?} and {second:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");

    let around = lanes.finish(&around).await;
    assert_nobody_noticed("sidecar's death, before", &undisturbed.map(|slot| slot.snapshot()));
    assert_nobody_noticed("sidecar's death, around", &around);
}
