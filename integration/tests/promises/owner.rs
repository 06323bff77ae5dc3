//! One socket has one owner, and what a killed owner leaves behind is no obstacle.

use std::os::unix::fs::MetadataExt;

use crate::recorder::Recorder;
use crate::service::{BASELINE, Host};
use crate::sidecar::{PUSHED, Sidecar, fixed};
use crate::until::PATIENCE;

pub async fn l2_the_second_sidecar_leaves_the_socket_alone() {
    let mut sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let host = Host::start(&sidecar.socket()).await;
    host.synced_at(BASELINE).await;
    let (epoch, socket) = (sidecar.status().await.epoch, std::fs::metadata(sidecar.socket()).unwrap().ino());
    let record = Recorder::start(&host);
    let status = sidecar.second().wait(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(
        std::fs::metadata(sidecar.socket()).unwrap().ino(),
        socket,
        "the file is still that of the first"
    );
    assert_eq!(sidecar.status().await.epoch, epoch);
    let late = Host::start(&sidecar.socket()).await;
    late.synced_at(BASELINE).await;
    record.stop().assert_undisturbed();

    sidecar.kill();
    assert!(sidecar.socket().exists(), "SIGKILL leaves the file behind");
    let took = sidecar.launch().await;
    eprintln!("stale socket: taken over after {took:?}");
    let sessions = |status: &setpoint::status::Status| status.epoch != epoch && status.sessions.len() == 2;
    sidecar.shows("both services come back", PATIENCE, sessions).await;
}
