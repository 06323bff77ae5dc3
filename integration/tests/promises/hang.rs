//! The sidecar hangs (SIGSTOP): its streams stay open, its socket still accepts, and nobody is there.

use setpoint_sdk::Health;

use crate::lanes::{Lanes, assert_nobody_noticed};
use crate::recorder::{RUNS_OUT, Recorder};
use crate::service::{BASELINE, Host};
use crate::sidecar::{PUSHED, Sidecar, fixed};
use crate::until::{PATIENCE, eventually};

pub async fn l2_a_sidecar_that_hangs_is_as_good_as_dead() {
    let mut sidecar = Sidecar::start(&fixed(PUSHED)).await;
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
    assert_eq!(record.healths(), RUNS_OUT, "as death, although the stream is up");
    assert_eq!(record.limits().last(), Some(&BASELINE));
    sidecar.process().thaw().unwrap();
    let back = eventually("in force again", PATIENCE, || host.limiter.limit() == PUSHED).await;
    host.synced_at(PUSHED).await;
    eprintln!("sidecar's hang: in step again {back:?} after its end");

    let status = sidecar.status().await;
    assert_eq!((status.epoch, status.sessions.len()), (epoch, 1), "the same sidecar, which was not aborted");
    let mut ended = 0.0;
    for how in ["lost", "replaced"] {
        let metric = format!("setpoint_sessions_ended_total{{how=\"{how}\"}}");
        ended += sidecar.metric(&metric).await.unwrap_or(0.0);
    }
    assert_eq!(ended, 1.0, "a new session, in which it was told what had become of its values");
    assert_nobody_noticed("sidecar's hang", &lanes.finish(&around).await);
}
