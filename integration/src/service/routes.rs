//! The service's HTTP face.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Service, Stats};

/// The longest delay that `/control` accepts.
const MAX_DELAY_MS: f64 = 60_000.0;

/// `/work`, wrapped by `around_work`, beside `/healthz`, `/stats` and `/control`, which nothing may refuse.
///
/// `around_work` is the one place where protection goes: the SDK's layer, a fixed limit in tests, or nothing.
pub fn router(service: Arc<Service>, around_work: impl FnOnce(Router) -> Router) -> Router {
    let work = Router::new().route("/work", get(work)).with_state(Arc::clone(&service));
    let rest = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/stats", get(stats))
        .route("/control", post(control))
        .layer(DefaultBodyLimit::max(4096))
        .with_state(service);
    around_work(work).merge(rest)
}

/// `/order`, wrapped by `around_orders`, beside `/page`, which does not touch the database.
///
/// So the limit goes where the trouble is: in front of the database, not of the service.
pub fn shop(service: Arc<Service>, around_orders: impl FnOnce(Router) -> Router) -> Router {
    let orders = Router::new().route("/order", get(order)).with_state(Arc::clone(&service));
    around_orders(orders).merge(Router::new().route("/page", get(page)).with_state(service))
}

async fn order(State(service): State<Arc<Service>>) -> &'static str {
    service.order().await;
    "ordered\n"
}

async fn page(State(service): State<Arc<Service>>) -> Result<Vec<u8>, StatusCode> {
    service.page().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn work(State(service): State<Arc<Service>>) -> (StatusCode, &'static str) {
    match service.work().await {
        Ok(()) => (StatusCode::OK, "done\n"),
        Err(_) => (StatusCode::BAD_GATEWAY, "dependency failed\n"),
    }
}

async fn stats(State(service): State<Arc<Service>>) -> Json<Stats> {
    Json(service.stats())
}

/// What `POST /control` takes; what is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// New delay of the dependency, 0 to 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependency_ms: Option<f64>,
    /// Share of its calls that fail, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_ratio: Option<f64>,
    /// New time of a query, 0 to 60000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_ms: Option<f64>,
}

async fn control(
    State(service): State<Arc<Service>>,
    Json(control): Json<Control>,
) -> (StatusCode, &'static str) {
    let delays = [control.dependency_ms, control.query_ms];
    if delays.into_iter().flatten().any(|ms| !(0.0..=MAX_DELAY_MS).contains(&ms)) {
        return (StatusCode::BAD_REQUEST, "dependency_ms and query_ms must lie between 0 and 60000\n");
    }
    if control.fail_ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
        return (StatusCode::BAD_REQUEST, "fail_ratio must lie between 0 and 1\n");
    }
    if let Some(ms) = control.dependency_ms {
        service.dependency().set_delay(Duration::from_secs_f64(ms / 1e3));
    }
    if let Some(ratio) = control.fail_ratio {
        service.dependency().set_fail_ratio(ratio);
    }
    if let Some(ms) = control.query_ms {
        service.database().set_query(Duration::from_secs_f64(ms / 1e3));
    }
    (StatusCode::OK, "ok\n")
}
