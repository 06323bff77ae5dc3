//! The processes of the demo and the load on them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::policy::{FREE, LOOK_EVERY, SERVICE, policy};
use super::{DemoError, Options};
use crate::http::{self, Target};
use crate::load::capacity::measure_capacity;
use crate::load::{self, Arrivals, Generator};
use crate::service::running::Running;
use crate::service::{Control, Stats};
use crate::sidecar::poll::{Latest, Poll};
use crate::sidecar::status::Status;
use crate::sidecar::{Setup, Sidecar};
use crate::units::milliseconds;

/// The dependency's delay on a normal day; ten times that on a bad one.
pub const DEPENDENCY: Duration = Duration::from_millis(5);
/// Most requests open at once towards one service.
const MAX_OUTSTANDING: usize = 2000;

const PATIENCE: Duration = Duration::from_secs(10);

/// One service under one load.
#[derive(Debug)]
pub struct Lane {
    /// The load on it.
    pub generator: Arc<Generator>,
    // After the load, so that the load ends before the service does.
    service: Service,
}

/// A running service and what it says of itself.
#[derive(Debug)]
struct Service {
    running: Running,
    stats: Poll<Stats>,
}

/// What the observer needs of a lane.
#[derive(Clone, Debug)]
pub struct View {
    /// The load.
    pub generator: Arc<Generator>,
    /// The service's counts.
    pub stats: Latest<Stats>,
}

impl Service {
    async fn start(options: &Options, protection: &str, socket: &Path) -> Result<Self, DemoError> {
        let running = Running::start(&options.own, &options.service, Some(socket), |command| {
            command.args(["--setpoint", protection, "--workers", &options.workers.to_string()]);
            command.args(["--service-time", &format!("{}us", options.service_time.as_micros())]);
            command.args(["--dependency", &format!("{}us", DEPENDENCY.as_micros())]);
            command.args(["--deadline", &format!("{}us", options.deadline.as_micros())]);
            let jitter =
                clap::ValueEnum::to_possible_value(&options.jitter).expect("no value of it is hidden");
            command.args(["--seed", &options.seed.to_string(), "--jitter", jitter.get_name()]);
        })
        .await?;
        let stats = Poll::start(running.target("/stats"), Duration::from_millis(100));
        Ok(Self { running, stats })
    }

    fn work(&self) -> Target {
        self.running.target("/work")
    }
}

impl Lane {
    async fn start(options: &Options, protection: &str, socket: &Path) -> Result<Self, DemoError> {
        let service = Service::start(options, protection, socket).await?;
        let generator = Generator::start(load::Options {
            target: service.work(),
            rate_per_second: 0.0,
            arrivals: Arrivals::Poisson,
            seed: options.seed,
            deadline: options.deadline,
            max_outstanding: MAX_OUTSTANDING,
        })?;
        Ok(Self { generator: Arc::new(generator), service })
    }

    /// What the observer needs.
    pub fn view(&self) -> View {
        View { generator: Arc::clone(&self.generator), stats: self.service.stats.latest() }
    }

    /// Jobs that wait for a worker, as last seen.
    pub fn backlog(&self) -> Option<u64> {
        self.service.stats.latest().borrow().as_ref().map(|seen| seen.value.queue)
    }
}

/// All of it. Dropping ends the load and kills every process.
#[derive(Debug)]
pub struct Stage {
    /// With the SDK enforcing.
    pub protected: Lane,
    /// The same without.
    pub unprotected: Lane,
    /// The sidecar.
    pub sidecar: Sidecar,
}

impl Stage {
    /// Starts the sidecar, then both services, and waits until the sidecar has seen the protected one.
    pub async fn set(options: &Options) -> Result<Self, DemoError> {
        let setup = Setup {
            program: options.sidecar.clone(),
            guard: options.own.clone(),
            look_every: LOOK_EVERY,
            more: Vec::new(),
        };
        let sidecar = Sidecar::start(setup, &policy(FREE)).await?;
        let protected = Lane::start(options, "on", &sidecar.socket()).await?;
        let unprotected = Lane::start(options, "off", &sidecar.socket()).await?;
        let known = |status: &Status| status.sessions.iter().any(|session| session.service == SERVICE);
        sidecar.await_status("a session of the service", PATIENCE, known).await?;
        Ok(Self { protected, unprotected, sidecar })
    }

    /// What the unprotected service can really do, by a closed loop.
    pub async fn measure_capacity(&self, options: &Options) -> Result<f64, DemoError> {
        let target = self.unprotected.service.work();
        let callers = 3 * usize::from(options.workers);
        let lasts = Duration::from_secs_f64(if options.quick { 1.0 } else { 2.0 });
        measure_capacity(&target, callers, lasts)
            .await
            .map_err(|e| DemoError::Http("/work of the service", e))
    }

    /// Both lanes, protected first.
    pub fn lanes(&self) -> [&Lane; 2] {
        [&self.protected, &self.unprotected]
    }

    /// The load on both.
    pub fn load(&self, per_second: f64) {
        self.lanes().into_iter().for_each(|lane| lane.generator.rate(per_second));
    }

    /// Changes the delay of both dependencies.
    pub async fn dependency(&self, delay: Duration) -> Result<(), DemoError> {
        let control = Control { dependency_ms: Some(milliseconds(delay)), ..Control::default() };
        for lane in self.lanes() {
            let posted = http::post(&lane.service.running.target("/control"), &control, PATIENCE).await;
            posted.map_err(|e| DemoError::Http("/control of the service", e))?;
        }
        Ok(())
    }

    /// Replaces the unprotected service by a fresh one. Its load goes on in step with the other's; whatever still waited for
    /// the old one fails, as it does when an operator restarts a service.
    pub async fn restart_unprotected(&mut self, options: &Options) -> Result<(), DemoError> {
        let fresh = Service::start(options, "off", &self.sidecar.socket()).await?;
        self.unprotected.generator.redirect(fresh.work());
        self.unprotected.service = fresh;
        Ok(())
    }
}
