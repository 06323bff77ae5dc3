//! An axum service whose requests, and whose calls of a database, are limited.
//!
//! `cargo run -p setpoint-sdk --example axum`, then `curl -i localhost:8080/`.

use axum::{Router, http::StatusCode, routing::get};
use setpoint_sdk::{Limiter, Outcome, Priority, Setpoint};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let sp = Setpoint::builder("checkout").start();
    let db = sp.limiter("db").bounds(4, 400).baseline(64).register();
    let inbound = sp.layer("inbound").priority(|head| match head.uri.path() {
        "/report" => Priority::Background,
        _ => Priority::Normal,
    });
    let app = Router::new()
        .route("/", get(move || order(db)))
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
