//! An operator switches Setpoint off: for all services of a socket by a file, for one by its environment.

use std::fs;
use std::path::Path;

use setpoint_integration::load::Generator;
use setpoint_sdk::Health;

use crate::recorder::Recorder;
use crate::service::{BASELINE, CAPACITY_PER_SECOND, DemoService, Host, SERVICE, load, report};
use crate::sidecar::{PUSHED, Sidecar, fixed, guarded_command, limit, session};
use crate::until::{PATIENCE, eventually};

/// Sends more than the service can do until `enough`, and gives what was rejected.
async fn rejections(load: &Generator, enough: impl Fn(u64, u64) -> bool) -> u64 {
    let slot = load.begin_phase();
    load.rate(3.0 * CAPACITY_PER_SECOND);
    let counts = || slot.with(|tally| (tally.sent, tally.rejected));
    eventually("enough requests", PATIENCE, || enough(counts().0, counts().1)).await;
    load.rate(0.0);
    eventually("every request is answered", PATIENCE, || slot.snapshot().unanswered() == 0).await;
    eprintln!("{}", report("kill switch", &slot.snapshot()));
    counts().1
}

pub async fn l2_the_disable_file_gives_everything_back() {
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let host = Host::start(&sidecar.socket()).await;
    let load = load(host.at, 0.0);
    host.synced_at(PUSHED).await;
    assert!(rejections(&load, |_, rejected| rejected > 0).await > 0, "the limit is enforced");

    let switch = sidecar.socket().with_file_name("disable");
    fs::write(&switch, "").unwrap();
    let off = eventually("off", PATIENCE, || host.setpoint.health() == Health::Disabled).await;
    assert_eq!(host.limiter.limit(), BASELINE);
    let told = |status: &_| limit(status, SERVICE).is_some_and(|knob| knob.in_force == BASELINE);
    sidecar.shows("the sidecar is told", PATIENCE, told).await;
    let record = Recorder::start(&host);
    let rejected = rejections(&load, |sent, _| sent > 300).await;
    assert_eq!(rejected, 0, "everything is admitted, far beyond the baseline");
    // The sidecar goes on wanting its value, and nobody listens: not even a new one.
    sidecar.write(fixed(30.0));
    sidecar.shows("a new wish", PATIENCE, |status| limit(status, SERVICE).unwrap().want == Some(30.0)).await;
    assert_eq!(record.stop().limits(), [BASELINE]);

    fs::remove_file(&switch).unwrap();
    let on = eventually("on again", PATIENCE, || host.setpoint.health() == Health::Synced).await;
    host.synced_at(30.0).await;
    eprintln!("kill switch: off after {off:?}, on again after {on:?}");
    assert!(rejections(&load, |_, rejected| rejected > 0).await > 0, "control is back");
}

pub async fn l2_a_service_can_be_started_without_us() {
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let mut command = guarded_command(Path::new(env!("CARGO_BIN_EXE_demo-service")));
    command.env("SETPOINT_DISABLED", "1");
    let slow = ["--service-time", "40ms"];
    let without = DemoService::start_as(command, &sidecar.socket(), &slow).await;
    // Started later and in session sooner: who is not there by then does not come.
    let with = DemoService::start(&sidecar.socket(), &slow).await;
    let status = sidecar.shows("the other one", PATIENCE, |status| session(status, SERVICE).is_some()).await;
    assert_eq!(status.sessions.len(), 1);
    let (load_without, load_with) = (load(without.at, 0.0), load(with.at, 0.0));
    assert_eq!(rejections(&load_without, |sent, _| sent > 300).await, 0);
    assert!(rejections(&load_with, |_, rejected| rejected > 0).await > 0);
    assert_eq!(sidecar.status().await.sessions.len(), 1);
}
