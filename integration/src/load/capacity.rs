//! The closed-loop counterpart: how much can the service do at most?
//!
//! This is the one question for which a closed loop is the right tool: `concurrency` callers, each sending its next request
//! as soon as it has its answer, keep a bounded service exactly busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::http::{Connection, HttpError, Target};

/// Good answers per second of `target` with `concurrency` callers over `duration`, the first fifth of it not counted.
///
/// # Errors
/// When the first connection cannot be made. Callers whose connection breaks later stop, so the figure is then low.
pub async fn measure_capacity(
    target: &Target,
    concurrency: usize,
    duration: Duration,
) -> Result<f64, HttpError> {
    Connection::open(&target.authority).await?;
    let good = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        callers.spawn(caller(target.clone(), Arc::clone(&good), Arc::clone(&stop)));
    }
    sleep(duration / 5).await;
    let (from, since) = (good.load(Relaxed), Instant::now());
    sleep(duration - duration / 5).await;
    let rate = (good.load(Relaxed) - from) as f64 / since.elapsed().as_secs_f64();
    // Callers end by themselves after the answer that they wait for, so that the service is left idle.
    stop.store(true, Relaxed);
    while callers.join_next().await.is_some() {}
    Ok(rate)
}

async fn caller(target: Target, good: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Result<(), HttpError> {
    let mut connection = Connection::open(&target.authority).await?;
    while !stop.load(Relaxed) && connection.reusable().await {
        let answer = connection.exchange(target.request(Method::GET, Bytes::new())?).await?;
        good.fetch_add(u64::from(answer.status.is_success()), Relaxed);
    }
    Ok(())
}
