//! The admin address over real loopback sockets.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::rig;
use crate::status::{Config, ConfigState};

struct Served {
    addr: SocketAddr,
    shared: Shared,
    requests: crate::reload::Requests,
}

async fn served() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let shared = rig::shared();
    let (reload, requests) = Reload::channel();
    tokio::spawn(serve(listener, shared.clone(), reload));
    Served { addr, shared, requests }
}

async fn ask(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    // What is too large may be answered before it is written.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(addr: SocketAddr, path: &str) -> String {
    ask(addr, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn livez_is_as_alive_as_the_loop() {
    let Served { addr, shared, .. } = served().await;
    let answer = get(addr, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "no tick yet: {answer}");
    shared.pulse.finish(shared.clock.now());
    let answer = get(addr, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"alive\":true,\"tick\":1,"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn livez_fails_when_the_loop_stands_still_for_five_seconds() {
    use tower::ServiceExt;
    let (shared, (reload, _requests)) = (rig::shared(), Reload::channel());
    let router = router(shared.clone(), reload);
    let code = async || {
        let request = axum::http::Request::get("/livez").body(axum::body::Body::empty()).expect("valid");
        router.clone().oneshot(request).await.expect("infallible").status()
    };
    shared.pulse.finish(shared.clock.now());
    tokio::time::advance(Duration::from_millis(4900)).await;
    assert_eq!(code().await, StatusCode::OK);
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(code().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn status_is_what_the_tool_reads() {
    let Served { addr, shared, .. } = served().await;
    let json = tokio::task::spawn_blocking(move || client::get(addr, "/status")).await.expect("no panic");
    let status: crate::status::Status = serde_json::from_str(&json.expect("an answer")).expect("a status");
    assert_eq!((status.epoch, status.config.state), (rig::EPOCH, ConfigState::ObserveOnly));
    assert_eq!(status.tick, shared.pulse.tick());
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let Served { addr, .. } = served().await;
    let answer = get(addr, "/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nsetpoint_config_state{state=\"observe_only\"} 1\n"), "{answer}");
    assert!(answer.contains("# HELP setpoint_ticks_total "), "{answer}");
}

#[tokio::test]
async fn reload_answers_with_what_the_loop_says() {
    let Served { addr, mut requests, .. } = served().await;
    tokio::spawn(async move {
        for error in [None, Some("policy.yaml:1:1: bad".to_owned())] {
            let request = requests.recv().await.expect("asked");
            let config =
                Config { state: ConfigState::Active, revision: "abc".to_owned(), error, ..Config::default() };
            request.send(config).expect("waited for");
        }
    });
    let post = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let good = ask(addr, post).await;
    assert!(good.starts_with("HTTP/1.1 200 ") && good.ends_with("revision abc\n"), "{good}");
    let bad = ask(addr, post).await;
    assert!(bad.starts_with("HTTP/1.1 400 ") && bad.ends_with("policy.yaml:1:1: bad\n"), "{bad}");
    let gone = ask(addr, post).await;
    assert!(gone.starts_with("HTTP/1.1 503 "), "{gone}");
    let wrong = get(addr, "/-/reload").await;
    assert!(wrong.starts_with("HTTP/1.1 405 "), "{wrong}");
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let Served { addr, .. } = served().await;
    let long = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(HEAD_BYTES));
    let cases: [(&[u8], &str); 3] = [
        (long.as_bytes(), "HTTP/1.1 431 "),
        (b"\xff\xff\xff\xff\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "),
    ];
    for (request, expected) in cases {
        let answer = ask(addr, request).await;
        assert!(answer.starts_with(expected), "{expected}: {answer}");
    }
    assert!(get(addr, "/").await.contains("POST /-/reload"));
}

#[tokio::test]
async fn connections_above_the_limit_are_let_go_and_slow_ones_end() {
    let Served { addr, .. } = served().await;
    let mut slow = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(addr).await.expect("connects");
        stream.write_all(b"GET /li").await.expect("written");
        slow.push(stream);
    }
    assert_eq!(get(addr, "/livez").await, "", "one too many");
    // The head of the slow ones does not come in time.
    let started = Instant::now();
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert!(started.elapsed() < HEAD_WITHIN + Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(get(addr, "/").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn the_tool_does_not_believe_everything() {
    let answers: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", ""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", "the answer is no complete HTTP response"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "the answer is 503 Service Unavailable"),
        (b"SSH-2.0-x\r\n\r\n", "the answer is no complete HTTP response"),
        (b"", "the answer is no complete HTTP response"),
    ];
    for (answer, expected) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let got = tokio::task::spawn_blocking(move || client::get(addr, "/status"));
        let (mut stream, _) = listener.accept().await.expect("asked");
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.expect("a request");
        assert!(request[..read].starts_with(b"GET /status HTTP/1.1\r\n"));
        stream.write_all(answer).await.expect("written");
        drop(stream);
        match got.await.expect("no panic") {
            Ok(body) => assert_eq!((&*body, expected), ("hello", "")),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }
}
