//! An axum service whose requests, and whose calls of a database, are limited.
//!
//! `cargo run -p setpoint-sdk --example axum`, then `curl -i localhost:8080/`.
//!
//! - `sp.layer("inbound")` holds requests to `limit.inbound` and the breaker of that name; `/healthz` passes always.
//! - A request waits for a place no longer than a burst lasts (`queue`, `queued`), reports matter less than orders, and a
//!   panic in a handler is a 500 and a failure.
//! - The database has a limiter of its own, because it is another resource: the permit is taken around the query alone.

use axum::{Router, http::StatusCode, routing::get};
use setpoint_sdk::{Limiter, Outcome, Priority, Setpoint};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let sp = Setpoint::builder("checkout").start();
    let db = sp.limiter("db").bounds(4, 400).baseline(64).register();
    sp.limiter("inbound").bounds(4, 2000).baseline(200).queue(200).register();
    let inbound = sp
        .layer("inbound")
        .priority(|head| match head.uri.path() {
            "/report" => Priority::Background,
            _ => Priority::Normal,
        })
        .contain_panics()
        .queued();
    let app = Router::new()
        .route("/", get(move || order(db)))
        .route("/report", get(|| async { "reported\n" }))
        .route("/healthz", get(|| async { "ok" })) // exempt by default
        .layer(inbound);
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await
}

async fn order(db: Limiter) -> Result<&'static str, StatusCode> {
    let permit = db.try_acquire(Priority::Normal).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let answer = query().await; // if this future is dropped, the permit is, too: cancelled
    permit.finish(if answer.is_ok() { Outcome::Success } else { Outcome::Failure });
    answer.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn query() -> Result<&'static str, std::io::Error> {
    Ok("ordered\n")
}
