//! Prints one sample a second: `sample [PID] [--cgroup PATH] [--bench]`; without arguments, of itself.
//!
//! `--bench` instead times 10,000 calls, once with every tier as if 100 ms passed between calls and once with the fast tier alone.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for looking at, with nothing else to do"
)]

use setpoint_signals::{Roots, Sampler, Target};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut target, mut bench) = (Target::current(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => bench = true,
            "--cgroup" => target = Target::cgroup(arguments.next().ok_or("--cgroup needs a path")?),
            pid => target = Target::pid(pid.parse()?),
        }
    }
    if bench {
        for (name, step) in [("all tiers at 100 ms", 100), ("fast tier alone", 0)] {
            println!("{name}: {} ns per call", time(target.clone(), Duration::from_millis(step)).as_nanos());
        }
        return Ok(());
    }
    let started = Instant::now();
    let mut sampler = Sampler::new(Roots::default(), target);
    loop {
        let sample = sampler.sample(started.elapsed());
        println!("{sample:?}");
        for (path, fault) in sampler.faults() {
            println!("  {}: {fault}", path.display());
        }
        if let Err(error) = sampler.layout() {
            println!("  {error}");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The mean of 10,000 calls after one that opens everything; the time given to the sampler advances by `step`.
fn time(target: Target, step: Duration) -> Duration {
    const CALLS: u32 = 10_000;
    let mut sampler = Sampler::new(Roots::default(), target);
    sampler.sample(Duration::ZERO);
    let started = Instant::now();
    for call in 1..=CALLS {
        std::hint::black_box(sampler.sample(step * call));
    }
    started.elapsed() / CALLS
}
