//! The sidecar is killed (SIGKILL) under load, twice: once it comes back while what it pushed is in force, once when everything
//! has gone back to its baseline.

use std::time::Duration;

use setpoint::status::{SessionState, Status};
use setpoint_sdk::{BreakerState, Health, Limiter, Outcome, Priority};
use tokio::time::sleep;

use crate::lanes::{Lanes, assert_nobody_noticed};
use crate::recorder::{RUNS_OUT, Record, Recorder};
use crate::service::{BASELINE, Host, SERVICE};
use crate::sidecar::{BEAT, DECAY, HOLD, PUSHED, Sidecar, TTL, fixed, limit, session};
use crate::until::{PATIENCE, eventually};

/// Late timers of a busy machine.
const SLACK: Duration = Duration::from_secs(1);
/// An undisturbed time to compare with. It has to last for a percentile, so it is slept.
const BEFORE: Duration = Duration::from_secs(4);

fn call(limiter: &Limiter, outcome: Outcome) -> bool {
    limiter.try_acquire(Priority::Normal).map(|permit| permit.finish(outcome)).is_ok()
}

/// Held for the ttl and the hold, then on its way, then at the baseline, each in its time: the last beat came up to one
/// period before the death.
fn assert_runs_out(record: &Record) {
    assert_eq!(record.healths(), RUNS_OUT);
    for (health, nominal) in
        [(Health::Held, TTL), (Health::Decaying, TTL + HOLD), (Health::Baseline, TTL + HOLD + DECAY)]
    {
        let at = record.first(health);
        assert!((nominal.saturating_sub(BEAT)..nominal + SLACK).contains(&at), "{health} after {at:?}");
    }
    assert_eq!(record.limits_before(record.first(Health::Decaying)), [PUSHED], "it stands until it decays");
    let limits = record.limits();
    assert!(limits.is_sorted() && limits.last() == Some(&BASELINE), "{limits:?}");
    assert!(limits.len() > 10, "it goes back in many small steps: {limits:?}");
}

/// A sidecar that is back wants what it finds in force, whatever its policy says, and has told the service so.
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

/// Killed, and back at once, while leases are valid. Says how long its socket took to answer.
async fn dies_for_a_moment(sidecar: &mut Sidecar, host: &Host) -> Duration {
    let record = Recorder::start(host);
    sidecar.kill();
    eventually("quiet", PATIENCE, || host.setpoint.health() == Health::Quiet).await;
    let took = sidecar.launch().await;
    learns_from(sidecar, PUSHED).await;
    assert_eq!(record.stop().limits(), [PUSHED], "values stand over the death and the return");
    took
}

/// Killed, and back when everything is at its baseline. Says how long its socket took to answer.
async fn dies_for_long(sidecar: &mut Sidecar, host: &Host, db: &Limiter) -> Duration {
    host.synced_at(PUSHED).await;
    let record = Recorder::start(host);
    sidecar.kill();
    let open = eventually("the breaker is local again", PATIENCE, || call(db, Outcome::Success)).await;
    assert!((TTL - BEAT..TTL + SLACK).contains(&open), "open for {open:?}");
    eventually("baseline", PATIENCE, || host.setpoint.health() == Health::Baseline).await;
    assert_runs_out(&record.stop());
    let record = Recorder::start(host);
    let took = sidecar.launch().await;
    learns_from(sidecar, BASELINE).await;
    assert_eq!(record.stop().limits(), [BASELINE], "no jump: it learns first");
    host.synced_at(BASELINE).await;
    took
}

pub async fn l2_nobody_notices_the_death_of_the_sidecar() {
    let breaker =
        "  - name: db\n    breaker: {knob: breaker.db, consecutive: 3, probe: {fixed: {wait: 60s}}}\n";
    let mut sidecar = Sidecar::start(&(fixed(PUSHED) + breaker)).await;
    let host = Host::start(&sidecar.socket()).await;
    let db = host.setpoint.limiter("db").register();
    let lanes = Lanes::start(&host).await;
    host.synced_at(PUSHED).await;
    let before = lanes.begin();
    sleep(BEFORE).await;

    let around = lanes.begin();
    let moment = dies_for_a_moment(&mut sidecar, &host).await;
    assert!((0..3).all(|_| call(&db, Outcome::Failure)));
    eventually("the breaker is opened", PATIENCE, || db.breaker().state() == BreakerState::Open).await;
    let long = dies_for_long(&mut sidecar, &host, &db).await;
    eprintln!("sidecar's death: its socket answers again after {moment:?} and {long:?}");
    assert!(moment.max(long) < Duration::from_secs(2));
    let around = lanes.finish(&around).await;
    assert_nobody_noticed("sidecar's death, before", &before.map(|slot| slot.snapshot()));
    assert_nobody_noticed("sidecar's death, around", &around);
}
