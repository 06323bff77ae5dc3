//! `memory-service`: a service whose requests hold memory for as long as they take, with the SDK in front of them.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use clap::Parser;
use setpoint_integration::units::duration;
use setpoint_sdk::Setpoint;
use tokio::net::TcpListener;

/// A service whose requests hold memory for as long as they take. Prints where it listens as one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    /// Bytes that a request holds.
    #[arg(long, default_value = "1048576")]
    bytes: usize,
    /// How long it takes.
    #[arg(long, value_parser = duration, default_value = "1s")]
    takes: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    setpoint_integration::process::raise_descriptor_limit();
    let (bytes, takes) = (args.bytes, args.takes);
    let work = get(async move || {
        // Not zeros: pages that nobody has written are nowhere.
        let held = vec![1_u8; bytes];
        tokio::time::sleep(takes).await;
        format!("{}\n", held[bytes / 2])
    });
    // Its socket is taken from SETPOINT_SOCKET.
    let setpoint = Setpoint::builder("demo").start();
    // Far more than memory has room for: an owner's guess.
    setpoint.limiter("inbound").bounds(4, 4000).baseline(2000).register();
    let app = Router::new().route("/work", work).layer(setpoint.layer("inbound"));
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
    let announcement = serde_json::json!({"listening": listener.local_addr()?.to_string()});
    writeln!(std::io::stdout(), "{announcement}")?;
    Ok(axum::serve(listener, app).await?)
}
