//! The service over real sockets, short.

use std::net::SocketAddr;

use bytes::Bytes;
use hyper::Method;

use super::*;
use crate::http::{self, HttpError, Target};

const PATIENCE: Duration = Duration::from_secs(5);

async fn serve() -> SocketAddr {
    let shape = Shape {
        cpu: Duration::from_micros(50),
        workers: 2,
        service_time: Duration::from_millis(1),
        jitter: Jitter::None,
        seed: 0,
        dependency: Duration::from_millis(1),
        connections: 2,
        query: Duration::from_millis(1),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let service = Service::start(shape);
    let app = router(Arc::clone(&service), |work| work).merge(shop(service, |orders| orders));
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

#[tokio::test]
async fn works_and_counts() {
    let at = serve().await;
    let health = http::send(&Target::new(at, "/healthz"), Method::GET, Bytes::new(), PATIENCE).await.unwrap();
    assert_eq!(health.status.as_u16(), 200);
    for path in ["/work", "/order", "/page"] {
        http::send(&Target::new(at, path), Method::GET, Bytes::new(), PATIENCE).await.unwrap();
    }
    let stats: Stats = http::json(&Target::new(at, "/stats"), PATIENCE).await.unwrap();
    let expected = Stats {
        capacity_per_second: 2000.0,
        queue: 0,
        in_flight: 0,
        done: 3,
        failed: 0,
        dependency_ms: 1.0,
        query_ms: 1.0,
    };
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn control_changes_what_it_names_and_refuses_nonsense() {
    let at = serve().await;
    let control = Target::new(at, "/control");
    let changes = [
        Control { dependency_ms: Some(2.5), ..Control::default() },
        Control { fail_ratio: Some(1.0), ..Control::default() },
        Control { query_ms: Some(3.5), ..Control::default() },
    ];
    for change in changes {
        http::post(&control, &change, PATIENCE).await.unwrap();
    }
    let work = http::send(&Target::new(at, "/work"), Method::GET, Bytes::new(), PATIENCE).await;
    assert!(matches!(work, Err(HttpError::Status(status, _)) if status.as_u16() == 502), "{work:?}");
    let nonsense = [
        r#"{"dependency_ms": -1}"#,
        r#"{"dependency_ms": 60001}"#,
        r#"{"query_ms": -1}"#,
        r#"{"fail_ratio": 1.5}"#,
        r#"{"fail_rate": 0.5}"#,
        r#"{"dependency_ms": "5ms"}"#,
        "{",
    ];
    for body in nonsense {
        let answer = http::send(&control, Method::POST, Bytes::from_static(body.as_bytes()), PATIENCE).await;
        assert!(matches!(answer, Err(HttpError::Status(status, _)) if status.is_client_error()), "{body}");
    }
    let stats: Stats = http::json(&Target::new(at, "/stats"), PATIENCE).await.unwrap();
    let delays = (stats.dependency_ms, stats.query_ms);
    assert_eq!((delays, stats.failed), ((2.5, 3.5), 1), "nonsense has changed nothing");
}
