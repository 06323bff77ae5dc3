//! A network between the service and the sidecar, and what cuts it.
//!
//! A unix socket cannot be cut, but a TCP connection can, and then nobody is told: the stream just falls silent.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use setpoint_fake_sidecar::serve;
use tokio::sync::mpsc;
use turmoil::net::{TcpListener, TcpStream};

use super::fake::{Service, limit, seconds};
use crate::health::Health;
use crate::transport::Dial;

const PORT: u16 = 4000;

#[derive(Clone)]
struct Network;

impl Dial for Network {
    type Io = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        TcpStream::connect(("sidecar", PORT)).await
    }
}

/// Pushes a limit of 10 in its first session, 20 in its second, and beats as long as a session lasts.
async fn sidecar() -> turmoil::Result {
    let (to_server, pipes) = mpsc::channel(16);
    let (to_script, mut talks) = mpsc::channel(16);
    tokio::spawn(serve(pipes, to_script, None));
    tokio::spawn(async move {
        for number in 1.. {
            let Some(mut talk) = talks.recv().await else { return };
            tokio::spawn(async move {
                talk.hello().await;
                talk.welcome(number).await;
                talk.push(1, &[("limit.db", limit(10.0 * number as f64))]).await;
                talk.beats(3600, true).await;
            });
        }
    });
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (mut connection, _) = listener.accept().await?;
        let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
        to_server.send(theirs).await?;
        // A connection that breaks is part of the play.
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut connection, &mut ours).await });
    }
}

/// The service is cut off for so long. Returns its limit and health just before the network heals, and 20 s later.
fn cut_off_for(cut: u64) -> [(f64, Health); 2] {
    let mut sim = turmoil::Builder::new()
        .rng_seed(11)
        .tick_duration(Duration::from_millis(10))
        .simulation_duration(Duration::from_secs(600))
        .build();
    sim.host("sidecar", sidecar);
    let (to_test, seen) = std::sync::mpsc::channel();
    sim.client("service", async move {
        let service = Service::start(Network);
        let state = || (service.limit().round(), service.health());
        seconds(5).await;
        assert_eq!(state(), (10.0, Health::Synced));
        turmoil::partition("service", "sidecar");
        seconds(cut).await;
        to_test.send(state())?;
        turmoil::repair("service", "sidecar");
        seconds(20).await;
        to_test.send(state())?;
        Ok(())
    });
    sim.run().expect("the play ends");
    [seen.recv().expect("told"), seen.recv().expect("told")]
}

#[test]
fn l2_a_partition_is_held_through_decays_and_heals_into_a_new_session() {
    let resynced = (20.0, Health::Synced);
    assert_eq!(cut_off_for(20), [(10.0, Health::Held), resynced]);
    let [(limit, health), healed] = cut_off_for(70);
    assert!((30.0..50.0).contains(&limit) && health == Health::Decaying, "{limit} {health}");
    assert_eq!(healed, resynced);
    assert_eq!(cut_off_for(120), [(64.0, Health::Baseline), resynced]);
}
