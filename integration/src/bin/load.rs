//! `load`: the open-loop load generator on its own.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use setpoint_integration::http::Target;
use setpoint_integration::load::{Arrivals, Generator, Options, Tally};
use setpoint_integration::units::{duration, milliseconds};
use tokio::time::{Instant, sleep};

/// Sends requests on a clock that does not wait for answers, and measures from the scheduled time.
#[derive(Debug, Parser)]
struct Args {
    /// Where to, as http://host:port/path.
    #[arg(long)]
    url: Target,
    /// Requests per second.
    #[arg(long, default_value = "100")]
    rate: f64,
    /// How long.
    #[arg(long, value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// How arrivals are spread.
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// Seed of the arrival times.
    #[arg(long, default_value = "1")]
    seed: u64,
    /// An answer later than this is counted as late.
    #[arg(long, value_parser = duration, default_value = "1s")]
    deadline: Duration,
    /// Most requests open at once; what is due beyond is counted as shed by the client.
    #[arg(long, default_value = "2000")]
    outstanding: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    setpoint_integration::process::raise_descriptor_limit();
    let options = Options {
        target: args.url,
        rate_per_second: 0.0,
        arrivals: args.arrivals,
        seed: args.seed,
        deadline: args.deadline,
        max_outstanding: args.outstanding,
    };
    let generator = Generator::start(options).context("cannot start")?;
    let counts = generator.begin_phase();
    let begun = Instant::now();
    generator.rate(args.rate);
    tokio::select! {
        () = sleep(args.duration) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    generator.rate(0.0);
    let lasted = begun.elapsed();
    settle(|| counts.snapshot().unanswered(), args.deadline.max(Duration::from_secs(1)) * 2).await;
    let tally = counts.snapshot();
    let mut stdout = std::io::stdout();
    if args.json {
        writeln!(stdout, "{}", json(&tally, lasted))?;
    } else {
        write!(stdout, "{}", text(&tally, lasted))?;
    }
    Ok(())
}

/// Waits until nothing is unanswered, but no longer than `patience`.
async fn settle(unanswered: impl Fn() -> u64, patience: Duration) {
    let until = Instant::now() + patience;
    while unanswered() > 0 && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
}

fn json(tally: &Tally, lasted: Duration) -> serde_json::Value {
    let latency = |q| tally.latency(q).map(milliseconds);
    serde_json::json!({
        "duration_seconds": lasted.as_secs_f64(),
        "scheduled": tally.scheduled,
        "sent": tally.sent,
        "ok": tally.ok,
        "late": tally.late,
        "rejected": tally.rejected,
        "failed_status": tally.failed_status,
        "failed_socket": tally.failed_socket,
        "shed_by_client": tally.shed_by_client,
        "unanswered": tally.unanswered(),
        "goodput_per_second": tally.ok as f64 / lasted.as_secs_f64(),
        "latency_ms": {"p50": latency(0.5), "p90": latency(0.9), "p99": latency(0.99), "max": latency(1.0)},
        "own_lateness_p99_ms": tally.lateness(0.99).map(milliseconds),
    })
}

fn text(tally: &Tally, lasted: Duration) -> String {
    let per_second = |count: u64| count as f64 / lasted.as_secs_f64();
    let ms = |value: Option<Duration>| {
        value.map_or("-".to_owned(), |value| format!("{:.1} ms", milliseconds(value)))
    };
    let mut out = String::new();
    let mut row = |name: &str, count: u64| {
        out.push_str(&format!("{name:<28}{count:>10}{:>12.1}/s\n", per_second(count)));
    };
    row("scheduled", tally.scheduled);
    row("ok within the deadline", tally.ok);
    row("ok, but late", tally.late);
    row("rejected (429, 503)", tally.rejected);
    row("failed: status", tally.failed_status);
    row("failed: connection", tally.failed_socket);
    row("unanswered", tally.unanswered());
    row("shed by the client", tally.shed_by_client);
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|q| ms(tally.latency(q)));
    out.push_str(&format!("latency of good answers     p50 {p50}   p90 {p90}   p99 {p99}   max {max}\n"));
    out.push_str(&format!("own lateness of the load    p99 {}\n", ms(tally.lateness(0.99))));
    out
}
