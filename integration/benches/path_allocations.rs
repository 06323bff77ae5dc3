//! How often the request path allocates: never. The same cases as in `path`, in a process of their own, because the
//! allocator that counts would slow down those who do.
#![allow(clippy::print_stdout, reason = "the table is what it is run for")]

#[path = "harness/interleaved.rs"]
#[allow(dead_code, reason = "nothing is timed here")]
mod interleaved;
#[path = "path/layers.rs"]
mod layers;
#[path = "path/ours.rs"]
mod ours;
#[path = "path/peers.rs"]
#[allow(dead_code, reason = "nothing is compared here")]
mod peers;
#[path = "path/rates.rs"]
mod rates;
#[path = "harness/rows.rs"]
mod rows;

use clap::Parser;
use rows::Common;
use setpoint_sdk::Setpoint;

const GROUP: &str = "path";
const CALLS: u32 = 10_000;
/// The layers that must not allocate either.
const LAYERS: [&str; 2] = ["http-layer", "http-layer-queued"];

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if !args.common.wants(GROUP) {
        return Ok(());
    }
    let setpoint = Setpoint::builder("bench").socket("/nonexistent/setpoint.sock").start();
    let (mut ours, layers) = (ours::cases(&setpoint), layers::cases(&setpoint)?);
    ours.extend(rates::ours(&setpoint));
    let (peers, rates) = (peers::cases()?, rates::peers()?);
    let mut rows = Vec::new();
    println!("allocations for one call");
    for (index, case) in ours.iter().chain(&layers).chain(&peers).chain(&rates).enumerate() {
        let mut work = (case.work)();
        work(CALLS);
        let counted = allocation_counter::measure(|| work(CALLS)).count_total;
        let each = counted as f64 / f64::from(CALLS);
        println!("  {:<46}{each:9.3}", case.name);
        rows.push(serde_json::json!({"group": GROUP, "case": case.name, "threads": 1, "allocations": each}));
        let may = index >= ours.len() && !LAYERS.contains(&case.name);
        anyhow::ensure!(may || counted == 0, "{} allocates", case.name);
    }
    args.common.write(rows)
}
