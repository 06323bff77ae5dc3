//! The sidecar hangs (SIGSTOP): its streams stay open, its socket still accepts, and nobody is there.

use setpoint_sdk::Health;

use crate::death::{Lanes, assert_nobody_noticed};
use crate::recorder::Recorder;
use crate::service::{BASELINE, Host};
use crate::sidecar::{Sidecar, fixed};
use crate::until::{PATIENCE, eventually};

const PUSHED: f64 = 20.0;

pub async fn l2_a_sidecar_that_hangs_is_as_good_as_dead() {
    let mut sidecar = Sidecar::start(&fixed(20)).await;
    let host = Host::start(&sidecar.socket()).await;
    let lanes = Lanes::start(&host).await;
    host.synced_at(PUSHED).await;
    let epoch = sidecar.status().await.epoch;
    let around = lanes.begin();
    let becomes = async |health| {
        eventually(&format!("{health}"), PATIENCE, || host.setpoint.health() == health).await;
    };

    let record = Recorder::start(&host);
    sidecar.process().freeze().unwrap();
    becomes(Health::Held).await;
    sidecar.process().thaw().unwrap();
    host.synced_at(PUSHED).await;
    assert_eq!(record.stop().limits(), [PUSHED], "a hang that ends in time changes nothing");

    let record = Recorder::start(&host);
    sidecar.process().freeze().unwrap();
    becomes(Health::Baseline).await;
    let record = record.stop();
    let healths: Vec<_> = record.healths().into_iter().map(|(health, _)| health).collect();
    let expected = [Health::Synced, Health::Quiet, Health::Held, Health::Decaying, Health::Baseline];
    assert_eq!(healths, expected, "as death, although the stream is up");
    assert_eq!(record.limits().last(), Some(&BASELINE));
    sidecar.process().thaw().unwrap();
    let back = eventually("in force again", PATIENCE, || host.limiter.limit() == PUSHED).await;
    host.synced_at(PUSHED).await;
    eprintln!("sidecar's hang: in step again {back:?} after its end");

    let status = sidecar.status().await;
    assert_eq!((status.epoch, status.sessions.len()), (epoch, 1), "the same sidecar, which was not aborted");
    assert_eq!(
        sidecar.metric("setpoint_sessions_ended_total{how=\"lost\"}").await,
        None,
        "and the same stream"
    );
    assert_nobody_noticed("sidecar's hang", &lanes.finish(&around).await);
}
