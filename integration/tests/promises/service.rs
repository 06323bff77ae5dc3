//! The service beside the sidecar: in this process, where its SDK can be looked at, or as a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use setpoint_integration::http::Target;
use setpoint_integration::load::{Arrivals, Generator, Options, Tally};
use setpoint_integration::process::Process;
use setpoint_integration::service::pool::Jitter;
use setpoint_integration::service::{Service, Shape, router};
use setpoint_sdk::{Health, Limiter, Setpoint};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::sidecar::guarded_command;
use crate::until::{PATIENCE, eventually};

/// The name under which services report.
pub const SERVICE: &str = "demo";
/// The limit of a service without a sidecar.
pub const BASELINE: f64 = 50.0;
/// 8 workers of 40 ms.
pub const CAPACITY_PER_SECOND: f64 = 200.0;
/// Far above the 45 ms of an undisturbed request: what takes longer was forgotten.
const DEADLINE: Duration = Duration::from_secs(5);

/// A service in this process.
pub struct Host {
    pub setpoint: Setpoint,
    pub limiter: Limiter,
    pub at: SocketAddr,
    serving: JoinHandle<()>,
}

impl Host {
    /// Starts the demo service with the SDK's layer around its work.
    pub async fn start(socket: &Path) -> Self {
        let setpoint = Setpoint::builder(SERVICE).socket(socket).disabled(false).start();
        let limiter = setpoint.limiter("inbound").register();
        let layer = setpoint.layer("inbound");
        let (at, serving) = serve(router(Service::start(shape()), |work| work.layer(layer))).await;
        Self { setpoint, limiter, at, serving }
    }

    /// Waits until it is in step with its sidecar at this limit.
    pub async fn synced_at(&self, limit: f64) {
        let synced = || self.setpoint.health() == Health::Synced && self.limiter.limit() == limit;
        eventually(&format!("synced at {limit}"), PATIENCE, synced).await;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn shape() -> Shape {
    Shape {
        cpu: Duration::from_micros(20),
        workers: 8,
        service_time: Duration::from_millis(40),
        jitter: Jitter::None,
        seed: 1,
        dependency: Duration::from_millis(5),
        connections: 20,
        query: Duration::from_millis(5),
    }
}

/// The same service without the SDK.
pub async fn bare() -> SocketAddr {
    serve(router(Service::start(shape()), |work| work)).await.0
}

/// Serves `app` until the task is aborted or the runtime ends.
pub async fn serve(app: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (at, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

/// `/work` of a service under load.
pub fn load(at: SocketAddr, per_second: f64) -> Generator {
    let options = Options {
        target: Target::new(at, "/work"),
        rate_per_second: per_second,
        arrivals: Arrivals::Poisson,
        seed: 7,
        deadline: DEADLINE,
        max_outstanding: 2000,
    };
    Generator::start(options).unwrap()
}

/// What became of the requests, on one line.
pub fn report(name: &str, tally: &Tally) -> String {
    format!(
        "{name}: {} sent, {} ok, {} late, {} rejected, {} failed, p50 {:?}, p99 {:?}",
        tally.sent,
        tally.ok,
        tally.late,
        tally.rejected,
        tally.failed(),
        tally.latency(0.5).unwrap_or_default(),
        tally.latency(0.99).unwrap_or_default(),
    )
}

/// The real `demo-service`.
pub struct DemoService {
    pub process: Process,
    pub at: SocketAddr,
}

impl DemoService {
    /// Starts it beside the sidecar of this socket, with these arguments, and waits until it listens.
    pub async fn start(socket: &Path, arguments: &[&str]) -> Self {
        Self::start_as(guarded_command(Path::new(env!("CARGO_BIN_EXE_demo-service"))), socket, arguments)
            .await
    }

    /// The same through a command that becomes the service.
    pub async fn start_as(mut command: Command, socket: &Path, arguments: &[&str]) -> Self {
        command.args(arguments).env("SETPOINT_SOCKET", socket).stdout(Stdio::piped());
        let mut process = Process::spawn("demo-service", &mut command).unwrap();
        let line = process.line(PATIENCE).await.unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let at = said["listening"].as_str().unwrap().parse().unwrap();
        Self { process, at }
    }
}
