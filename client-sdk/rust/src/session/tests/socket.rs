//! The whole SDK as a service starts it: its own thread, a real socket, real time.

use std::time::{Duration, Instant};

use setpoint_fake_sidecar::listen;
use setpoint_proto::message::Status;

use super::fake::limit;
use crate::setpoint::Setpoint;

#[tokio::test]
async fn l2_a_service_and_a_sidecar_find_each_other_on_a_socket_in_either_order() {
    let directory = std::env::temp_dir().join(format!("setpoint-socket-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("setpoint.sock");
    let started = Instant::now();
    let sdk = Setpoint::builder("checkout").socket(&path).disabled(false).start();
    assert!(started.elapsed() < Duration::from_secs(1), "a start waits for nobody");
    let limiter = sdk.limiter("db").bounds(4, 400).baseline(64).register();
    let mut talks = listen(&path).unwrap();
    let mut talk = talks.recv().await.expect("the service comes");
    talk.hello().await;
    talk.welcome(1).await;
    let ack = talk.push(1, &[("limit.db", limit(10.0))]).await;
    assert_eq!((ack.results[0].status, limiter.limit()), (Status::Applied, 10.0));
    let last = sdk.clone();
    drop(sdk);
    let ack = talk.push(2, &[("limit.db", limit(12.0))]).await;
    assert_eq!(
        (ack.results[0].status, limiter.limit()),
        (Status::Applied, 12.0),
        "a dropped handle ends nothing"
    );
    last.stop();
    while talk.hear().await.is_some() {}
    assert_eq!(limiter.limit(), 64.0, "the session is over, and so is what was pushed");
    std::fs::remove_dir_all(&directory).unwrap();
}
