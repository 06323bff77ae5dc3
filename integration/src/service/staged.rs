//! The service of a scenario: its plant behind HTTP, with the SDK in front, as the scenario says.
//!
//! `GET /call/NANOS` is a call that brings its work with it, so that both a limit set by hand and a law meet the same calls.
//! `POST /begin` starts the scenario's clock: workers, speeds and delays change by it, and so does a limit that is set by hand.
//! `GET /limit` tells the limit in force and what the SDK's reflex does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use setpoint_policies::sim::scenario::Scenario;
use setpoint_sdk::{Limiter, Setpoint};
use tokio::time::{Instant, sleep_until};

use super::plant::Plant;

/// The name of its limiter.
pub const LIMITER: &str = "inbound";

/// A service that plays a scenario once.
#[derive(Debug)]
pub struct Staged {
    scenario: Scenario,
    seed: u64,
    limiter: Limiter,
    /// The limit of each phase; `None`: the sidecar's.
    by_hand: Option<Vec<f64>>,
    plant: OnceLock<Plant>,
}

/// What `GET /limit` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// In force now.
    pub limit: f64,
    /// How often the SDK's reflex has cut the limit.
    pub reflexes: u64,
}

/// Registers the limiter as the scenario has it: bounds, start, and the deadline where it may be known.
pub fn limiter(setpoint: &Setpoint, scenario: &Scenario) -> Limiter {
    let bounds = scenario.limit;
    let limiter = setpoint.limiter(LIMITER).bounds(bounds.min as u32, bounds.max as u32);
    let limiter = limiter.baseline(bounds.initial as u32);
    match scenario.known_deadline() {
        Some(deadline) => limiter.deadline(deadline).register(),
        None => limiter.register(),
    }
}

impl Staged {
    /// A service that waits for its beginning.
    pub fn new(scenario: Scenario, seed: u64, setpoint: &Setpoint, by_hand: Option<Vec<f64>>) -> Arc<Self> {
        let limiter = limiter(setpoint, &scenario);
        let staged = Self { scenario, seed, limiter, by_hand, plant: OnceLock::new() };
        staged.pin(0);
        Arc::new(staged)
    }

    /// Its routes; only `/call` is held to the limit.
    pub fn router(self: Arc<Self>, setpoint: &Setpoint) -> Router {
        let work = Router::new().route("/call/{nanos}", get(call)).layer(setpoint.layer(LIMITER));
        let rest = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/begin", post(begin))
            .route("/limit", get(limit));
        work.merge(rest).with_state(self)
    }

    /// Sets the limit of a phase by hand, if that is wanted.
    fn pin(&self, phase: usize) {
        if let Some(limit) = self.by_hand.as_ref().and_then(|limits| limits.get(phase)) {
            self.limiter.pin(limit.min(self.scenario.limit.max));
        }
    }

    async fn follow_phases(self: Arc<Self>, start: Instant) {
        for (index, phase) in self.scenario.phases.iter().enumerate().skip(1) {
            sleep_until(start + Duration::from_secs_f64(phase.at)).await;
            self.pin(index);
        }
    }
}

async fn call(State(staged): State<Arc<Staged>>, Path(nanos): Path<u64>) -> (StatusCode, &'static str) {
    match staged.plant.get() {
        Some(plant) => {
            plant.call(Duration::from_nanos(nanos).as_secs_f64()).await;
            (StatusCode::OK, "done\n")
        }
        None => (StatusCode::CONFLICT, "not begun\n"),
    }
}

async fn begin(State(staged): State<Arc<Staged>>) -> (StatusCode, &'static str) {
    let start = Instant::now();
    let Ok(plant) = Plant::start(&staged.scenario.server, staged.seed, start.into_std()) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "no thread\n");
    };
    if staged.plant.set(plant).is_err() {
        return (StatusCode::CONFLICT, "begun before\n");
    }
    tokio::spawn(staged.follow_phases(start));
    (StatusCode::OK, "begun\n")
}

async fn limit(State(staged): State<Arc<Staged>>) -> Json<Limit> {
    let limiter = &staged.limiter;
    Json(Limit { limit: limiter.limit(), reflexes: limiter.reflex().cuts })
}
