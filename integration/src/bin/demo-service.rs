//! `demo-service`: the service of the demo, with or without the SDK in front of its work; or the plant of a scenario.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use axum::Router;
use axum::serve::ListenerExt;
use clap::{Parser, ValueEnum};
use setpoint::simulate::scenario_file;
use setpoint_integration::real::scale::scaled;
use setpoint_integration::service::announcement::Announcement;
use setpoint_integration::service::plant::works::unsupported;
use setpoint_integration::service::pool::Jitter;
use setpoint_integration::service::staged::Staged;
use setpoint_integration::service::{Service, Shape, router, shop};
use setpoint_integration::units::duration;
use setpoint_sdk::{LimitLayer, Setpoint};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protection {
    On,
    Off,
}

/// A service with a CPU stage, a bounded worker pool behind an unbounded queue, and a slow dependency.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 picks a free one. The bound address is printed as one line of JSON.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Whether the Setpoint SDK limits `/work` and `/order`. Its socket is taken from SETPOINT_SOCKET.
    #[arg(long, value_enum, default_value = "on")]
    setpoint: Protection,
    /// CPU time per request.
    #[arg(long, value_parser = duration, default_value = "200us")]
    cpu: Duration,
    /// Workers of the pool.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), default_value = "8")]
    workers: u16,
    /// Mean time that a job occupies a worker.
    #[arg(long, value_parser = duration, default_value = "20ms")]
    service_time: Duration,
    /// Spread of that time.
    #[arg(long, value_enum, default_value = "none")]
    jitter: Jitter,
    /// Seed of that spread.
    #[arg(long, default_value = "1")]
    seed: u64,
    /// Delay of the dependency behind the pool.
    #[arg(long, value_parser = duration, default_value = "5ms")]
    dependency: Duration,
    /// Connections to the database, which `/order` asks.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), default_value = "20")]
    connections: u16,
    /// Time that a query takes.
    #[arg(long, value_parser = duration, default_value = "40ms")]
    query: Duration,
    /// An answer later than this is worthless: declared for the limits.
    #[arg(long, value_parser = duration)]
    deadline: Option<Duration>,
    /// Be the server of this scenario instead, which begins at `POST /begin`; all of the above but --listen and --seed is then
    /// what the scenario says.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Rates and workers of the scenario, times this.
    #[arg(long, default_value = "1", requires = "scenario")]
    scale: f64,
    /// Limits by hand, one for each phase of the scenario, with a comma between two; they are pinned, whatever is pushed.
    #[arg(long, value_delimiter = ',', requires = "scenario")]
    limits: Option<Vec<f64>>,
}

impl Args {
    fn shape(&self) -> Shape {
        Shape {
            cpu: self.cpu,
            workers: usize::from(self.workers),
            service_time: self.service_time,
            jitter: self.jitter,
            seed: self.seed,
            dependency: self.dependency,
            connections: usize::from(self.connections),
            query: self.query,
        }
    }

    /// The layer of a limiter with the deadline, if there is one.
    fn layer(&self, setpoint: &Setpoint, limiter: &str) -> LimitLayer {
        if let Some(deadline) = self.deadline {
            setpoint.limiter(limiter).deadline(deadline).register();
        }
        setpoint.layer(limiter)
    }

    fn app(self) -> anyhow::Result<Router> {
        let start = || Setpoint::builder("demo").start();
        let Some(file) = &self.scenario else {
            let setpoint = (self.setpoint == Protection::On).then(start);
            let service = Service::start(self.shape());
            let around = |limiter, routes: Router| match &setpoint {
                Some(setpoint) => routes.layer(self.layer(setpoint, limiter)),
                None => routes,
            };
            let app = router(Arc::clone(&service), |work| around("inbound", work));
            return Ok(app.merge(shop(service, |orders| around("db", orders))));
        };
        let scenario = scenario_file::read(file).map_err(|problems| anyhow!("{problems}"))?;
        let scenario = scaled(&scenario, self.scale);
        let missing = unsupported(&scenario);
        ensure!(missing.is_empty(), "this service has no {}", missing.join(", "));
        let setpoint = start();
        Ok(Staged::new(scenario, self.seed, &setpoint, self.limits).router(&setpoint))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    setpoint_integration::process::raise_descriptor_limit();
    let listen = args.listen.clone();
    let app = args.app()?;
    let listener = TcpListener::bind(&listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let announcement = Announcement { listening: listener.local_addr()? };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&announcement)?)?;
    let listener = listener.tap_io(|stream| {
        // Without it answers wait for Nagle's algorithm; a connection that is already gone needs none.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, app);
    Ok(serving.with_graceful_shutdown(async move { terminated.recv().await.unwrap_or(()) }).await?)
}
