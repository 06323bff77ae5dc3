//! `demo-service`: the service of the demo, with or without the SDK in front of its work.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use clap::{Parser, ValueEnum};
use setpoint_integration::service::pool::Jitter;
use setpoint_integration::service::{Service, Shape, router};
use setpoint_integration::units::duration;
use setpoint_sdk::Setpoint;
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
    /// Whether the Setpoint SDK limits `/work`. Its socket is taken from SETPOINT_SOCKET.
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let shape = Shape {
        cpu: args.cpu,
        workers: usize::from(args.workers),
        service_time: args.service_time,
        jitter: args.jitter,
        seed: args.seed,
        dependency: args.dependency,
    };
    setpoint_integration::process::raise_descriptor_limit();
    let setpoint = (args.setpoint == Protection::On).then(|| Setpoint::builder("demo").start());
    let app = router(Service::start(shape), |work| match &setpoint {
        Some(setpoint) => work.layer(setpoint.layer("inbound")),
        None => work,
    });
    let listener =
        TcpListener::bind(&args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let announcement = serde_json::json!({"listening": listener.local_addr()?.to_string()});
    writeln!(std::io::stdout(), "{announcement}")?;
    let listener = listener.tap_io(|stream| {
        // Without it answers wait for Nagle's algorithm; a connection that is already gone needs none.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, app);
    Ok(serving.with_graceful_shutdown(async move { terminated.recv().await.unwrap_or(()) }).await?)
}
