//! Shows that the demo's service and load generator can show the effect at all: at three times its capacity the bare service
//! collapses, and a fixed limit of 1.5 x workers around the same work keeps at least 90 % of capacity. If this fails, no figure
//! of the demo means anything. Both services run at the same time under the same schedule.

#![allow(clippy::unwrap_used, reason = "a test, helpers included")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use setpoint_integration::http::Target;
use setpoint_integration::load::{Arrivals, Generator, Options, Slot, Tally};
use setpoint_integration::service::pool::Jitter;
use setpoint_integration::service::{Service, Shape, router};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

const WORKERS: usize = 8;
const DEADLINE: Duration = Duration::from_millis(400);
const OVERLOAD: Duration = Duration::from_secs(4);

fn shape() -> Shape {
    Shape {
        cpu: Duration::from_micros(50),
        workers: WORKERS,
        service_time: Duration::from_millis(40),
        jitter: Jitter::Exp,
        seed: 1,
        dependency: Duration::from_millis(5),
        connections: 20,
        query: Duration::from_millis(5),
    }
}

/// Refuses at once what would be beyond `limit` calls in flight: what the SDK does, with a number that never moves.
fn fixed_limit(work: Router, limit: usize) -> Router {
    let permits = Arc::new(Semaphore::new(limit));
    work.layer(from_fn(move |request: Request, next: Next| {
        let permits = Arc::clone(&permits);
        async move {
            match permits.try_acquire() {
                Ok(_permit) => next.run(request).await,
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response(),
            }
        }
    }))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

fn load(at: SocketAddr) -> Generator {
    let options = Options {
        target: Target::new(at, "/work"),
        rate_per_second: 0.0,
        arrivals: Arrivals::Poisson,
        seed: 7,
        deadline: DEADLINE,
        max_outstanding: 2000,
    };
    Generator::start(options).unwrap()
}

/// Both loads at `times` capacity for `duration`.
async fn phase(loads: &[Generator; 2], times: f64, duration: Duration) -> [Slot; 2] {
    let slots = [loads[0].begin_phase(), loads[1].begin_phase()];
    for load in loads {
        load.rate(times * shape().capacity_per_second());
    }
    sleep(duration).await;
    slots
}

fn report(name: &str, tally: &Tally, duration: Duration) -> f64 {
    let goodput_ratio = tally.ok as f64 / duration.as_secs_f64() / shape().capacity_per_second();
    eprintln!(
        "{name:<28} goodput {:>3.0} % of capacity   p50 {:?}   p99 {:?}   scheduled {} ok {} late {} rejected {} failed {} shed \
         by client {}   own lateness p99 {:?}",
        goodput_ratio * 100.0,
        tally.latency(0.5),
        tally.latency(0.99),
        tally.scheduled,
        tally.ok,
        tally.late,
        tally.rejected,
        tally.failed(),
        tally.shed_by_client,
        tally.lateness(0.99),
    );
    goodput_ratio
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bare_service_collapses_where_a_limit_keeps_its_capacity() {
    let bare = serve(router(Service::start(shape()), |work| work)).await;
    let limited = serve(router(Service::start(shape()), |work| fixed_limit(work, WORKERS * 3 / 2))).await;
    let loads = [load(bare), load(limited)];

    let calm = phase(&loads, 0.5, Duration::from_secs(2)).await;
    let overload = phase(&loads, 3.0, OVERLOAD).await;
    let after = phase(&loads, 0.5, Duration::from_secs(2)).await;
    loads.iter().for_each(|load| load.rate(0.0));
    sleep(DEADLINE).await; // whatever is answered later is late by definition

    let seconds = Duration::from_secs(2);
    let [calm_bare, calm_limited] = calm.map(|slot| slot.snapshot());
    let [bare, limited] = overload.map(|slot| slot.snapshot());
    let [after_bare, after_limited] = after.map(|slot| slot.snapshot());
    let calm = [report("0.5x bare", &calm_bare, seconds), report("0.5x limited", &calm_limited, seconds)];
    let goodput = [report("3x   bare", &bare, OVERLOAD), report("3x   limited", &limited, OVERLOAD)];
    let after = [
        report("0.5x bare, afterwards", &after_bare, seconds),
        report("0.5x limited, afterwards", &after_limited, seconds),
    ];

    assert!(calm.iter().all(|ratio| *ratio > 0.4), "both serve what they can serve: {calm:?}");
    assert!(goodput[0] < 0.35, "the bare service collapses: {goodput:?}");
    assert!(goodput[1] >= 0.90, "the limited one keeps its capacity: {goodput:?}");
    assert!(after[0] < 0.1 && after[1] > 0.4, "and the backlog outlives the overload: {after:?}");
    assert_eq!(limited.failed() + bare.failed(), 0);
}
