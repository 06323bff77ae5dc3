//! Other projects' limiters, each as its documentation shows it, around work that is done at once.
//!
//! Limits are out of reach, so that nobody waits or is rejected; what is timed is the cost of being asked. Futures are
//! polled in place, without a runtime.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use congestion_limiter::limiter::{DefaultLimiter, Limiter, Outcome};
use congestion_limiter::limits::{Aimd, LimitAlgorithm, Vegas};
use little_loadshedder::LoadShedLayer;
use sentinel_core::base::{ResourceType, TrafficType};
use sentinel_core::{EntryBuilder, isolation};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, service_fn};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Aimd as ResilienceAimd, Gradient2};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

use super::interleaved::Case;

const LIMIT: usize = 1000;

/// Polls a future in place until it is ready.
pub fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::hint::spin_loop(),
        }
    }
}

/// A call through a service; each thread has its own clone, as each connection of a server has.
pub fn service<S, E>(name: &'static str, service: S) -> Case
where
    S: Service<(), Error = E> + Clone + Send + Sync + 'static,
{
    Case::new(name, move || {
        let mut service = service.clone();
        move || {
            let ready = std::future::poll_fn(|context| service.poll_ready(context));
            if finish(ready).is_ok() {
                _ = finish(service.call(()));
            }
        }
    })
}

pub fn work() -> impl Service<(), Response = (), Error = Infallible, Future = impl Send> + Clone + Send + Sync
{
    service_fn(|()| std::future::ready(Ok::<_, Infallible>(())))
}

fn semaphore() -> Case {
    let semaphore = Arc::new(Semaphore::new(LIMIT));
    Case::new("tokio-semaphore", move || {
        let semaphore = semaphore.clone();
        move || drop(semaphore.try_acquire())
    })
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers can be built")
    })
}

fn congestion<A: LimitAlgorithm + Send + Sync + std::fmt::Debug + 'static>(
    name: &'static str,
    law: A,
) -> Case {
    let limiter = Arc::new(DefaultLimiter::new(law));
    Case::new(name, move || {
        let limiter = limiter.clone();
        // It spawns a task when it lowers its limit.
        let entered = runtime().enter();
        move || {
            let _ = &entered;
            if let Some(token) = finish(limiter.try_acquire()) {
                finish(limiter.release(token, Some(Outcome::Success)));
            }
        }
    })
}

fn sentinel() -> anyhow::Result<Case> {
    sentinel_core::init_default().map_err(|error| anyhow::anyhow!("sentinel-core: {error}"))?;
    let rule = isolation::Rule { resource: "bench".into(), threshold: LIMIT as u32, ..Default::default() };
    isolation::load_rules(vec![Arc::new(rule)]);
    Ok(Case::new("sentinel-core", || {
        || {
            let entry = EntryBuilder::new("bench".into())
                .with_resource_type(ResourceType::Common)
                .with_traffic_type(TrafficType::Inbound)
                .build();
            if let Ok(entry) = entry {
                entry.exit();
            }
        }
    }))
}

/// A closed breaker that counts failures in a row.
fn failsafe() -> Case {
    let breaker = failsafe::Config::new().build();
    Case::new("failsafe-breaker", move || {
        let breaker = breaker.clone();
        move || _ = failsafe::CircuitBreaker::call(&breaker, || Ok::<_, ()>(()))
    })
}

/// All of them. What adapts its limit is in [`ADAPTIVE`].
pub fn cases() -> anyhow::Result<Vec<Case>> {
    let aimd = ResilienceAimd::builder()
        .initial_limit(LIMIT)
        .min_limit(LIMIT)
        .max_limit(LIMIT)
        .latency_threshold(Duration::from_millis(100))
        .build()?;
    let gradient = Gradient2::builder().initial_limit(LIMIT).min_limit(LIMIT).max_limit(LIMIT).build()?;
    Ok(vec![
        semaphore(),
        service("tower-concurrency-limit", ConcurrencyLimitLayer::new(LIMIT).layer(work())),
        congestion("congestion-limiter", Aimd::new_with_initial_limit(LIMIT).with_max_limit(LIMIT)),
        congestion("congestion-limiter-vegas", Vegas::new_with_initial_limit(LIMIT).with_max_limit(LIMIT)),
        service("little-loadshedder", LoadShedLayer::new(0.01, Duration::from_secs(1)).layer(work())),
        service("tower-resilience-adaptive", AdaptiveLimiterLayer::new(aimd).layer(work())),
        service("tower-resilience-adaptive-gradient2", AdaptiveLimiterLayer::new(gradient).layer(work())),
        sentinel()?,
        failsafe(),
        service("tower-resilience-breaker", CircuitBreakerLayer::builder().build()?.layer(work())),
    ])
}

/// The breakers.
pub const BREAKERS: [&str; 2] = ["failsafe-breaker", "tower-resilience-breaker"];

/// The cases that adapt their limit.
pub const ADAPTIVE: [&str; 5] = [
    "congestion-limiter",
    "congestion-limiter-vegas",
    "little-loadshedder",
    "tower-resilience-adaptive",
    "tower-resilience-adaptive-gradient2",
];
