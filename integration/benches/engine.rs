//! What one step of the engine costs, with every limiter busy and at its limit, so that its law has something to decide, and
//! with every limiter calm.
//!
//! `cargo bench -p setpoint-integration --bench engine [-- --json FILE]`. A limiter counts its calls by priority class, and
//! one law looks at all of them; the harder case gives each class a limiter of its own. Calm limiters are looked at once a
//! second: there the mean over all steps says more than the median.
#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "harness/rows.rs"]
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use rows::Common;
use setpoint::config;
use setpoint_policies::engine::Engine;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::Totals;
use setpoint_policies::value::Value;

const GROUP: &str = "engine";
/// Between two reports and two steps.
const TICK_MS: u64 = 100;
/// Of each class in a tick.
const CALLS: u64 = 25;
const LATENCY_NANOS: u64 = 20_000_000;

#[derive(Debug, Parser)]
struct Args {
    /// Steps that are timed, of each case in turn.
    #[arg(long, default_value = "600")]
    steps: u64,
    #[command(flatten)]
    common: Common,
}

/// What the limiters see.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Load {
    /// Latency swings and calls are rejected, so that each law raises and lowers its limit all the time.
    Busy,
    /// Nothing is new.
    Calm,
}

/// An engine and the process that it governs.
struct Rig {
    case: &'static str,
    engine: Engine,
    knobs: Vec<Arc<Knob>>,
    limits: BTreeMap<KnobName, Value>,
    /// Of each limiter.
    classes: u64,
    load: Load,
    micros: Vec<f64>,
}

impl Rig {
    fn new(case: &'static str, limiters: usize, classes: u64, load: Load) -> anyhow::Result<Self> {
        let mut policy = "version: setpoint/v1\nname: bench\npolicies:\n".to_owned();
        let mut knobs = Vec::new();
        for n in 0..limiters {
            writeln!(
                policy,
                "  - name: law{n}\n    adaptive_concurrency: {{knob: limit.r{n}, min: 4, max: 400}}"
            )?;
            let name = KnobName::try_new(&format!("limit.r{n}"))?;
            knobs.push(Arc::new(Knob::try_new(name, Kind::ConcurrencyLimit, 4.0, 400.0, 64.0)?));
        }
        let loaded = config::parse(policy.as_bytes()).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let engine = Engine::learning_for(Duration::ZERO, loaded.set, Timestamp::ZERO);
        Ok(Self { case, engine, knobs, limits: BTreeMap::new(), classes, load, micros: Vec::new() })
    }

    fn snapshot(&self, tick: u64) -> Snapshot {
        let at = Timestamp::from_millis(TICK_MS * tick);
        let received =
            |n: usize| Received { at, totals: Arc::new(totals(tick, n as u64, self.classes, self.load)) };
        let totals =
            self.knobs.iter().enumerate().map(|(n, knob)| (knob.name.clone(), received(n))).collect();
        let instance = Instance {
            id: InstanceId("one".into()),
            service: "bench".into(),
            incarnation: 1,
            labels: Default::default(),
            knobs: self.knobs.clone(),
            in_force: self.limits.clone(),
            totals,
            signals: Signals::default(),
        };
        Snapshot { at, node: Signals::default(), instances: vec![instance] }
    }

    fn step(&mut self, tick: u64) {
        let seen = self.snapshot(tick);
        let start = Instant::now();
        let step = black_box(self.engine.step(black_box(&seen)));
        self.micros.push(start.elapsed().as_secs_f64() * 1e6);
        self.limits.extend(step.decisions.into_iter().map(|decision| (decision.knob, decision.to)));
    }
}

/// Its counters after so many ticks.
fn totals(tick: u64, limiter: u64, classes: u64, load: Load) -> Totals {
    let (calls, busy) = (classes * CALLS, load == Load::Busy);
    let latency =
        |t: u64| if busy { LATENCY_NANOS * (2 + (t / 20 + limiter) % 4) / 2 } else { LATENCY_NANOS };
    let done = calls * tick;
    let latencies: u64 = (1..=tick).map(|t| calls * latency(t)).sum();
    let squares: u64 = (1..=tick).map(|t| calls * (latency(t) / 64_000).pow(2)).sum();
    let released_at = (1..=tick).fold(0_u64, |sum, t| sum.wrapping_add(calls * t * TICK_MS * 1_000_000));
    let mut rejected = [0; 5];
    rejected
        .iter_mut()
        .skip(1)
        .take(if busy { classes as usize } else { 0 })
        .for_each(|rejected| *rejected = tick * (1 + limiter % 3));
    Totals {
        at_nanos: TICK_MS * tick * 1_000_000,
        arrived: done + rejected.iter().sum::<u64>(),
        admitted: done,
        completed: done,
        rejected,
        admit_time_sum: released_at.wrapping_sub(latencies),
        release_time_sum: released_at,
        latency_sum: latencies,
        success_latency_sum: latencies,
        success_latency_sq_sum: squares,
        in_flight_peak: 64,
        limit_in_force: 64.0,
        limited: busy,
        ..Totals::default()
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.common.wants(GROUP) {
        return Ok(());
    }
    let mut rigs = [
        Rig::new("step-50-limiters-x-4-classes", 50, 4, Load::Busy)?,
        Rig::new("step-50-calm-limiters-x-4-classes", 50, 4, Load::Calm)?,
        Rig::new("step-200-limiters", 200, 1, Load::Busy)?,
    ];
    for tick in 1..=args.steps {
        rigs.iter_mut().for_each(|rig| rig.step(tick));
    }
    let mut rows = Vec::new();
    println!("microseconds for one step{:>30}{:>9}{:>9}{:>9}", "min", "median", "p90", "mean");
    for rig in &mut rigs {
        rig.micros.sort_by(f64::total_cmp);
        let at = |share: f64| rig.micros[((rig.micros.len() - 1) as f64 * share).round() as usize];
        let mean = rig.micros.iter().sum::<f64>() / rig.micros.len() as f64;
        println!("  {:<44}{:9.1}{:9.1}{:9.1}{:9.1}", rig.case, at(0.0), at(0.5), at(0.9), mean);
        rows.push(serde_json::json!({
            "group": GROUP, "case": rig.case, "threads": 1, "ns_min": at(0.0) * 1e3, "ns_median": at(0.5) * 1e3,
            "ns_p90": at(0.9) * 1e3, "ns_mean": mean * 1e3,
        }));
    }
    args.common.write(rows)
}
