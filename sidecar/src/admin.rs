//! The admin address: metrics, liveness, status and reload over plain HTTP.
//!
//! Read-only but for the reload, and bound to the loopback address by default. Every connection carries one request and is
//! bounded in size and time, because whatever can reach the address may be as broken as it likes: it shares the process
//! with the control loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::control::Shared;
use crate::reload::Reload;
use crate::view;

pub mod client;
#[cfg(test)]
mod tests;

/// Where it listens unless told otherwise.
pub const DEFAULT_ADDR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9847);
/// A loop without a tick for this long is not alive.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(5);
/// Connections at once; more are let go.
pub const MAX_CONNECTIONS: usize = 64;
/// A connection, from accept to the last byte of the answer, takes no longer.
pub const CONNECTION_WITHIN: Duration = Duration::from_secs(10);
/// A request's head has to be here by then.
pub const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a request's head. The body of a request is never read.
pub const HEAD_BYTES: usize = 16 * 1024;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

const INDEX: &str = "setpoint\n\
    GET  /metrics   Prometheus text format\n\
    GET  /livez     200 while the control loop ticks\n\
    GET  /status    sessions, knobs, signals and the newest changes, JSON\n\
    POST /-/reload  read the policy file now\n";

/// What the handlers need.
#[derive(Debug, Clone)]
struct Admin {
    shared: Shared,
    reload: Reload,
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, shared: Shared, reload: Reload) {
    let router = router(shared, reload);
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Who comes above the limit is let go at once.
                if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                    let router = router.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        serve_one(stream, router).await;
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the admin address");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

/// Answers one request. What goes wrong here is the client's business alone.
async fn serve_one(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let _ = tokio::time::timeout(CONNECTION_WITHIN, connection).await;
}

fn router(shared: Shared, reload: Reload) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/status", get(status))
        .route("/-/reload", post(reload_now))
        .with_state(Admin { shared, reload })
}

async fn metrics(State(Admin { shared, .. }): State<Admin>) -> impl IntoResponse {
    let text = shared.metrics.render(&view::status(&shared));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn status(State(Admin { shared, .. }): State<Admin>) -> impl IntoResponse {
    Json(view::status(&shared))
}

/// The body of `/livez`.
#[derive(Debug, Serialize)]
struct Liveness {
    alive: bool,
    tick: u64,
    age_seconds: f64,
}

async fn livez(State(Admin { shared, .. }): State<Admin>) -> impl IntoResponse {
    let (tick, age) = (shared.pulse.tick(), shared.pulse.age(shared.clock.now()));
    let alive = tick > 0 && age < ALIVE_WITHIN;
    let code = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Liveness { alive, tick, age_seconds: age.as_secs_f64() }))
}

async fn reload_now(State(Admin { reload, .. }): State<Admin>) -> Response {
    match reload.now().await {
        None => (StatusCode::SERVICE_UNAVAILABLE, "the control loop has ended\n").into_response(),
        Some(config) => match config.error {
            None => (StatusCode::OK, format!("revision {}\n", config.revision)).into_response(),
            Some(error) => (StatusCode::BAD_REQUEST, error + "\n").into_response(),
        },
    }
}
