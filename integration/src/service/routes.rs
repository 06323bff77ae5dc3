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
}

async fn control(
    State(service): State<Arc<Service>>,
    Json(control): Json<Control>,
) -> (StatusCode, &'static str) {
    if control.dependency_ms.is_some_and(|ms| !(0.0..=MAX_DELAY_MS).contains(&ms)) {
        return (StatusCode::BAD_REQUEST, "dependency_ms must lie between 0 and 60000\n");
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
    (StatusCode::OK, "ok\n")
}
