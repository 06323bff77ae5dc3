//! The demo: one service twice, with and without Setpoint, through the bad days of a service's life in a minute.
//!
//! Everything is real: the sidecar is the shipped binary, the services are processes with sockets, the load is open-loop, the
//! CPU hog spins, `kill -9` kills. Both services get the same load at the same time on the same machine, so whatever the
//! machine does, it does to both, and the difference between them is what Setpoint does.
//!
//! [`script`] says what happens, [`stage`] holds the processes, [`acts`] does things to them, [`observer`] watches and draws,
//! [`verdict`] judges, [`report`] writes it down.

pub mod acts;
pub mod death;
pub mod figures;
pub mod history;
pub mod observer;
pub mod plot;
pub mod policy;
pub mod report;
pub mod screen;
pub mod script;
pub mod stage;
pub mod table;
pub mod timeline;
pub mod verdict;

mod run;

use std::path::PathBuf;
use std::time::Duration;

use crate::http::HttpError;
use crate::load::StartError;
use crate::process::ProcessError;
use crate::service::pool::Jitter;
use crate::service::running;
use crate::sidecar::SidecarError;

pub use run::run;

/// How the demo is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `setpoint` binary.
    pub sidecar: PathBuf,
    /// The `demo-service` binary.
    pub service: PathBuf,
    /// The executable that passes `guarded` and `hog` on to this library: normally the running one.
    pub own: PathBuf,
    /// Workers of each service.
    pub workers: u16,
    /// Mean time that a job occupies a worker.
    pub service_time: Duration,
    /// Spread of that time.
    pub jitter: Jitter,
    /// An answer later than this is worthless.
    pub deadline: Duration,
    /// Seed of arrivals and service times.
    pub seed: u64,
    /// The shortened story.
    pub quick: bool,
}

impl Options {
    /// Most requests per second that one service can complete.
    pub fn capacity_per_second(&self) -> f64 {
        f64::from(self.workers) / self.service_time.as_secs_f64()
    }
}

/// Why the story could not be told to its end. Broken promises are no error: they are in the report.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A child process.
    #[error("a process of the demo failed")]
    Process(#[from] ProcessError),
    /// The sidecar.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// A request of the demo's own.
    #[error("a request to {0} failed")]
    Http(&'static str, #[source] HttpError),
    /// A load generator.
    #[error("no load")]
    Load(#[from] StartError),
    /// Files, terminal, ports.
    #[error("cannot {0}")]
    Io(&'static str, #[source] std::io::Error),
    /// A service.
    #[error(transparent)]
    Service(#[from] running::StartError),
}
