//! A connection gate before a real listener: never more connections than the limit, under four times as many attempts.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use setpoint_sdk::{ConnectionGate, GatedListener, GatedStream, Setpoint, WhenFull};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

const LIMIT: u32 = 8;
const ATTEMPTS: usize = 4 * LIMIT as usize;
const PATIENCE: Duration = Duration::from_secs(20);

/// What the service sees.
#[derive(Default)]
struct Seen {
    open: AtomicU64,
    most: AtomicU64,
    served: AtomicU64,
}

/// Serves one request of a byte for each connection. `!` makes it panic.
async fn serve(listener: GatedListener, seen: Arc<Seen>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let seen = seen.clone();
        tokio::spawn(async move {
            let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
            seen.most.fetch_max(open, Ordering::SeqCst);
            let _leaves = Leaves(seen.clone());
            let byte = stream.read_u8().await;
            seen.served.fetch_add(1, Ordering::SeqCst);
            assert_ne!(byte.as_ref().ok(), Some(&b'!'), "a panic in the connection, as the test asked for");
            if byte.is_ok() {
                _ = stream.write_u8(b'.').await;
            }
        });
    }
}

/// Counted out before the place is freed, so that what is counted is never less than what is open.
struct Leaves(Arc<Seen>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn start(when_full: WhenFull) -> (SocketAddr, ConnectionGate, Arc<Seen>) {
    let setpoint = Setpoint::builder("test").socket("/nonexistent/setpoint.sock").disabled(false).start();
    let gate = setpoint.connection_gate("http").bounds(0, 100).baseline(LIMIT).register();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (listener, seen) =
        (GatedListener::new(listener, gate).when_full(when_full), Arc::new(Seen::default()));
    tokio::spawn(serve(listener, seen.clone()));
    (at, gate, seen)
}

/// Connects, says a byte, and whether it was answered.
async fn ask(at: SocketAddr, byte: u8) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_u8(byte).await?;
        stream.read_u8().await
    };
    timeout(PATIENCE, ask).await.expect("an answer, or an end").is_ok()
}

/// Opens connections and keeps them: how many of them the service takes.
async fn keep(at: SocketAddr, seen: &Seen, taken: u64) -> Vec<TcpStream> {
    let mut kept = Vec::new();
    for _ in 0..ATTEMPTS {
        // A reset may come as soon as it is connected.
        kept.extend(TcpStream::connect(at).await.ok());
    }
    until("the service takes what it may", || seen.open.load(Ordering::SeqCst) == taken).await;
    kept
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let look = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_who_finds_it_full_waits_in_the_kernels_queue_and_is_served() {
    let (at, gate, seen) = start(WhenFull::Wait).await;
    let mut clients = JoinSet::new();
    (0..ATTEMPTS).for_each(|_| _ = clients.spawn(ask(at, b'?')));
    assert!(clients.join_all().await.into_iter().all(|answered| answered));
    let most = seen.most.load(Ordering::SeqCst);
    assert!(most <= u64::from(LIMIT), "{most} at once");
    assert_eq!(seen.served.load(Ordering::SeqCst), ATTEMPTS as u64);
    // The listener holds a place for the next one.
    until("all have left", || gate.inside() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_never_more_than_the_limit_while_the_others_wait_or_are_closed() {
    for when_full in [WhenFull::Wait, WhenFull::Close] {
        let (at, gate, seen) = start(when_full).await;
        let kept = keep(at, &seen, u64::from(LIMIT)).await;
        // A lower limit closes none of them.
        gate.pin(2.0);
        assert_eq!(seen.open.load(Ordering::SeqCst), u64::from(LIMIT), "{when_full:?}");
        gate.pin(f64::from(LIMIT));
        drop(kept);
        until("all have left", || seen.open.load(Ordering::SeqCst) == 0).await;
        assert!(ask(at, b'?').await, "there is room again");
        assert!(seen.most.load(Ordering::SeqCst) <= u64::from(LIMIT), "{when_full:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_who_finds_it_full_is_closed_at_once() {
    let (at, _, seen) = start(WhenFull::Close).await;
    let kept = keep(at, &seen, u64::from(LIMIT)).await;
    for _ in 0..LIMIT {
        assert!(!ask(at, b'?').await, "closed");
    }
    assert_eq!(seen.open.load(Ordering::SeqCst), u64::from(LIMIT));
    drop(kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_b6_a_panic_frees_the_place() {
    let (at, gate, seen) = start(WhenFull::Wait).await;
    for _ in 0..ATTEMPTS {
        assert!(!ask(at, b'!').await);
    }
    until("all have left", || gate.inside() == 1).await;
    assert_eq!(seen.served.load(Ordering::SeqCst), ATTEMPTS as u64);
    assert!(ask(at, b'?').await);
}

/// While every place of the gate is taken, health is answered: it has a listener of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c8_health_checks_pass_by_a_listener_of_their_own_while_the_gate_is_shut() {
    let (at, gate, seen) = start(WhenFull::Close).await;
    let health = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let health_at = health.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = health.accept().await {
            if stream.read_u8().await.is_ok() {
                _ = stream.write_u8(b'+').await;
            }
        }
    });
    let kept = keep(at, &seen, u64::from(LIMIT)).await;
    gate.pin(0.0);
    for _ in 0..10 {
        assert!(!ask(at, b'?').await);
        assert!(ask(health_at, b'?').await);
    }
    drop(kept);
}

/// As docs/policies/connections.md shows it.
struct Gated(GatedListener);

impl axum::serve::Listener for Gated {
    type Io = GatedStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok(accepted) => return accepted,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_axum_serves_behind_a_gate() {
    let setpoint = Setpoint::builder("axum").socket("/nonexistent/setpoint.sock").disabled(false).start();
    let gate = setpoint.connection_gate("http").baseline(2).register();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
    tokio::spawn(async move { axum::serve(Gated(GatedListener::new(listener, gate)), app).await });
    for _ in 0..8 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }
    until("all have left", || gate.inside() == 1).await;
}
