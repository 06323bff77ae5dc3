//! What the request path costs, beside two bare readings of the clock and beside other projects' limiters and breakers, in one
//! run.
//!
//! `cargo bench -p setpoint-integration --bench path [-- --rounds 61 --json FILE]`. Two readings of the clock are the floor
//! of whatever measures a latency, so each case is also given as a multiple of them. The ends of a round are timed, not the
//! calls, so reading the clock does not disturb what is timed. `path_allocations` counts the allocations of the same cases.
#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "harness/interleaved.rs"]
mod interleaved;
#[path = "path/layers.rs"]
mod layers;
#[path = "path/ours.rs"]
mod ours;
#[path = "path/peers.rs"]
mod peers;
#[path = "path/rates.rs"]
mod rates;
#[path = "harness/rows.rs"]
mod rows;

use std::time::Duration;

use clap::Parser;
use interleaved::{Case, Times};
use rows::Common;
use setpoint_sdk::Setpoint;

const GROUP: &str = "path";

#[derive(Debug, Parser)]
struct Args {
    /// Rounds for each number of threads.
    #[arg(long, default_value = "61")]
    rounds: usize,
    /// Calls of each thread in a round.
    #[arg(long, default_value = "20000")]
    calls: u32,
    /// Runs this case alone, for a profiler.
    #[arg(long)]
    case: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What one run with so many threads gave.
struct Table<'a> {
    cases: &'a [Case],
    threads: usize,
    times: Vec<Times>,
}

impl Table<'_> {
    fn median(&self, name: &str) -> f64 {
        let index = self.cases.iter().position(|case| case.name == name);
        self.times[index.expect("a case of this bench")].at(0.5)
    }

    /// As a multiple of two readings of the clock.
    fn ratio(&self, name: &str) -> f64 {
        self.median(name) / self.median("two-clock-reads")
    }

    /// How many times faster that case is than the fastest of those who do it as well.
    fn lead(&self, name: &str, peers: &[&str]) -> f64 {
        let fastest = peers.iter().map(|name| self.median(name)).fold(f64::INFINITY, f64::min);
        fastest / self.median(name)
    }

    /// What our layer adds to a bare service, as a multiple of what another adaptive one adds.
    fn layers_ratio(&self) -> f64 {
        let added = |name| self.median(name) - self.median("http-service");
        added("http-layer") / added("http-tower-resilience-adaptive")
    }

    /// As a multiple of another case.
    fn of(&self, name: &str, other: &str) -> f64 {
        self.median(name) / self.median(other)
    }

    fn rows(&self) -> Vec<serde_json::Value> {
        let row = |(case, times): (&Case, &Times)| {
            serde_json::json!({
                "group": GROUP, "case": case.name, "threads": self.threads, "ns_min": times.at(0.0),
                "ns_median": times.at(0.5), "ns_p90": times.at(0.9), "clock_reads_ratio": self.ratio(case.name),
            })
        };
        self.cases.iter().zip(&self.times).map(row).collect()
    }

    fn print(&self) {
        println!(
            "{} thread(s): nanoseconds for one call of each{:>13}{:>9}{:>9}{:>9}",
            self.threads, "min", "median", "p90", "x floor"
        );
        for (case, times) in self.cases.iter().zip(&self.times) {
            let (min, median, p90) = (times.at(0.0), times.at(0.5), times.at(0.9));
            println!("  {:<46}{min:9.1}{median:9.1}{p90:9.1}{:9.2}", case.name, self.ratio(case.name));
        }
    }
}

/// What was promised, what came out, and whether that will do.
type Goal = (&'static str, f64, f64, bool);

const fn at_most(what: &'static str, is: f64, goal: f64) -> Goal {
    (what, is, goal, is <= goal)
}

const fn at_least(what: &'static str, is: f64, goal: f64) -> Goal {
    (what, is, goal, is >= goal)
}

fn of_breakers(one: &Table<'_>, two: &Table<'_>) -> Vec<Goal> {
    let lead = |table: &Table<'_>| table.lead("breaker-closed", &peers::BREAKERS);
    vec![
        at_most("every call slow, 1 thread, x floor, at most", one.ratio("permit-exact-slow"), 3.0),
        at_most("a closed breaker, 1 thread, ns, at most", one.median("breaker-closed"), 10.0),
        at_least("fastest peer's breaker / a closed breaker, 1 thread, at least", lead(one), 3.0),
        at_least("fastest peer's breaker / a closed breaker, 2 threads, at least", lead(two), 5.0),
    ]
}

fn of_limiters(one: &Table<'_>, two: &Table<'_>) -> Vec<Goal> {
    vec![
        at_most("exact, 1 thread, x floor, at most", one.ratio("permit-exact"), 2.5),
        at_most("exact, 2 threads, x floor, at most", two.ratio("permit-exact"), 7.0),
        at_most("large limit, 1 thread, x floor, at most", one.ratio("permit-large-limit"), 1.4),
        at_most("large limit, 2 threads, x floor, at most", two.ratio("permit-large-limit"), 1.4),
        at_most(
            "clocks of one call in 16, 1 thread, x floor, at most",
            one.ratio("permit-sampled-clock"),
            0.4,
        ),
        at_most(
            "clocks of one call in 16, 2 threads, x floor, at most",
            two.ratio("permit-sampled-clock"),
            0.4,
        ),
        at_most("refused, 1 thread, ns, at most", one.median("permit-refused"), 5.0),
        at_most(
            "refused by the breaker, 1 thread, ns, at most",
            one.median("permit-refused-by-breaker"),
            5.0,
        ),
        at_least(
            "fastest adaptive peer / exact, 1 thread, at least",
            one.lead("permit-exact", &peers::ADAPTIVE),
            3.0,
        ),
        at_least(
            "fastest adaptive peer / exact, 2 threads, at least",
            two.lead("permit-exact", &peers::ADAPTIVE),
            5.0,
        ),
        at_least(
            "the same at its limit of 1000, 1 thread, at least",
            one.lead("permit-large-limit", &peers::ADAPTIVE),
            3.0,
        ),
        at_least(
            "the same at its limit of 1000, 2 threads, at least",
            two.lead("permit-large-limit", &peers::ADAPTIVE),
            5.0,
        ),
        at_most("layer / the one of tower-resilience, 1 thread, at most", one.layers_ratio(), 1.0),
        at_most("layer / the one of tower-resilience, 2 threads, at most", two.layers_ratio(), 0.5),
        at_most("rate / governor alone, 1 thread, at most", one.of("rate", "governor"), 1.8),
        at_most("rate / governor alone, 2 threads, at most", two.of("rate", "governor"), 1.3),
        at_most(
            "rate of a key / governor's, 1 thread, at most",
            one.of("rate-of-a-key", "governor-of-a-key"),
            1.5,
        ),
        at_most(
            "rate of a key / governor's, 2 threads, at most",
            two.of("rate-of-a-key", "governor-of-a-key"),
            1.0,
        ),
        at_least(
            "tower-resilience / rate, 1 thread, at least",
            one.of("tower-resilience-ratelimiter", "rate"),
            5.0,
        ),
        at_least(
            "tower-resilience / rate, 2 threads, at least",
            two.of("tower-resilience-ratelimiter", "rate"),
            3.0,
        ),
    ]
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.common.wants(GROUP) {
        return Ok(());
    }
    let setpoint = Setpoint::builder("bench").socket("/nonexistent/setpoint.sock").start();
    let mut cases = ours::cases(&setpoint);
    cases.extend(rates::ours(&setpoint));
    cases.extend(peers::cases()?);
    cases.extend(layers::cases(&setpoint)?);
    cases.extend(rates::peers()?);
    // A limiter of a large limit goes over to spare places after a slice in which it was used.
    interleaved::run(&cases, 2, 1, 1000);
    std::thread::park_timeout(Duration::from_millis(200));
    if let Some(name) = &args.case {
        cases.retain(|case| case.name == name);
        let alone = interleaved::run(&cases, 1, args.rounds, args.calls);
        alone.iter().for_each(|times| println!("{name}: {:.1} ns", times.at(0.5)));
        return Ok(());
    }
    let tables = [1, 2].map(|threads| {
        let times = interleaved::run(&cases, threads, args.rounds, args.calls);
        Table { cases: &cases, threads, times }
    });
    tables.iter().for_each(Table::print);
    let [one, two] = &tables;
    for (what, is, goal, reached) in of_limiters(one, two).into_iter().chain(of_breakers(one, two)) {
        println!("{} {what} {goal}: {is:.2}", if reached { "ok    " } else { "MISSED" });
    }
    args.common.write(tables.iter().flat_map(Table::rows).collect())
}
