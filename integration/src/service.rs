//! The demo service: something that is worth protecting.
//!
//! `GET /work` goes through the three stages at which real services break: a CPU stage, a bounded pool of workers behind an
//! *unbounded* queue, and a slow dependency outside the pool. The queue is unbounded on purpose, and its jobs do not notice
//! that their caller has gone: that is what thread pools, connection pools and executors do by default, and it is why a
//! service at three times its capacity does not merely refuse two thirds but answers nobody in time.
//!
//! True capacity is `workers / service_time`, exactly: see [`pool`].
//!
//! Beside it, `GET /order` asks a [`database`] and `GET /page` does not: it reads a file.

pub mod announcement;
pub mod cpu;
pub mod database;
pub mod dependency;
pub mod plant;
pub mod pool;
pub mod running;
pub mod staged;

mod routes;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cpu::Spin;
use database::Database;
use dependency::Dependency;
use pool::{Jitter, Pool};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::units::milliseconds;
pub use routes::{Control, router, shop};

/// The service's dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// CPU time per request.
    pub cpu: Duration,
    /// Workers of the pool.
    pub workers: usize,
    /// Mean time that a job occupies its worker.
    pub service_time: Duration,
    /// Spread of that time.
    pub jitter: Jitter,
    /// Seed of that spread.
    pub seed: u64,
    /// Delay of the dependency; can be changed at run time.
    pub dependency: Duration,
    /// Connections to the database.
    pub connections: usize,
    /// Time that a query takes; can be changed at run time.
    pub query: Duration,
}

impl Shape {
    /// Most requests per second that the pool can complete.
    pub fn capacity_per_second(&self) -> f64 {
        self.workers as f64 / self.service_time.as_secs_f64()
    }
}

/// The running service behind its routes.
#[derive(Debug)]
pub struct Service {
    shape: Shape,
    spin: Spin,
    pool: Pool,
    dependency: Dependency,
    database: Database,
    started: AtomicU64,
    ended: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
}

/// What `GET /stats` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// True capacity by construction.
    pub capacity_per_second: f64,
    /// Jobs that wait for a worker, dead ones included.
    pub queue: u64,
    /// Requests inside `/work`, `/order` and `/page` whose caller is still there.
    pub in_flight: u64,
    /// Requests answered well.
    pub done: u64,
    /// Requests answered with an error because the dependency failed.
    pub failed: u64,
    /// The dependency's delay now.
    pub dependency_ms: f64,
    /// The time of a query now.
    pub query_ms: f64,
}

/// The dependency failed this call.
#[derive(Debug, thiserror::Error)]
#[error("the dependency failed")]
pub struct DependencyFailed;

impl Service {
    /// Calibrates the CPU stage (a few milliseconds) and starts the workers on the current runtime.
    pub fn start(shape: Shape) -> Arc<Self> {
        Arc::new(Self {
            spin: Spin::calibrated(shape.cpu),
            pool: Pool::start(shape.workers, shape.service_time, shape.jitter, shape.seed),
            dependency: Dependency::new(shape.dependency),
            database: Database::new(shape.connections, shape.query),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            shape,
        })
    }

    /// One piece of work: CPU, pool, dependency.
    pub async fn work(&self) -> Result<(), DependencyFailed> {
        self.started.fetch_add(1, Relaxed);
        let _ended = EndedOnDrop(&self.ended);
        self.spin.run();
        self.pool.run().await;
        let result = self.dependency.call().await;
        let count = if result.is_ok() { &self.done } else { &self.failed };
        count.fetch_add(1, Relaxed);
        result
    }

    /// One order: a query, and nothing else.
    pub async fn order(&self) {
        self.started.fetch_add(1, Relaxed);
        let _ended = EndedOnDrop(&self.ended);
        self.database.query().await;
        self.done.fetch_add(1, Relaxed);
    }

    /// The start of a page, which is in a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn page(&self) -> std::io::Result<Vec<u8>> {
        self.started.fetch_add(1, Relaxed);
        let _ended = EndedOnDrop(&self.ended);
        let page = spawn_blocking(start_of_a_file).await??;
        self.done.fetch_add(1, Relaxed);
        Ok(page)
    }

    /// The database, to be slowed down.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The dependency, to be slowed down or broken.
    pub fn dependency(&self) -> &Dependency {
        &self.dependency
    }

    /// The counts now.
    pub fn stats(&self) -> Stats {
        let ended = self.ended.load(Relaxed); // first: a request between the two reads counts as in flight
        Stats {
            capacity_per_second: self.shape.capacity_per_second(),
            queue: self.pool.queue() as u64,
            in_flight: self.started.load(Relaxed).saturating_sub(ended),
            done: self.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dependency_ms: milliseconds(self.dependency.delay()),
            query_ms: milliseconds(self.database.takes()),
        }
    }
}

/// 4 KiB of a file that is always there, read as files are: on a thread that may block.
fn start_of_a_file() -> std::io::Result<Vec<u8>> {
    let mut page = vec![0; 4096];
    std::fs::File::open(std::env::current_exe()?)?.read_exact(&mut page)?;
    Ok(page)
}

/// Counts the end of a request also when its caller went away and the future was dropped.
struct EndedOnDrop<'a>(&'a AtomicU64);

impl Drop for EndedOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
