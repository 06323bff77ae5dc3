//! What each call of the SDK costs here: `cargo run --profile bench -p setpoint-sdk --example cost`.
//!
//! Interleaved rounds, so that a disturbance hits all cases; the median of the rounds, in nanoseconds for one operation of
//! each thread. The two bare clock readings are the floor of anything that measures a latency.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use setpoint_sdk::{BreakerSetpoint, Outcome, Priority, Setpoint};

const ROUNDS: usize = 21;
const OPERATIONS: u32 = 1_000_000;

type Case<'a> = (&'a str, Box<dyn Fn() + Sync + 'a>);

fn main() {
    let sp = Setpoint::builder("cost").socket("/nonexistent/setpoint.sock").start();
    let limiter = sp.limiter("free").bounds(4, 1000).baseline(1000).register();
    let full = sp.limiter("full").bounds(0, 0).register();
    let open = sp.breaker("open").register();
    open.pin(BreakerSetpoint::ForcedOpen { retry_after: Duration::from_secs(1) });
    let rate = sp.rate("free").bounds(1.0, 1e9).baseline(1e9).register();
    let empty = sp.rate("empty").bounds(0.0, 0.0).register();
    let knob = sp.knob("batch").bounds(1.0, 512.0).baseline(64.0).register();
    let semaphore = tokio::sync::Semaphore::new(1000);
    let clock = quanta::Clock::new();
    let cases: [Case<'_>; 10] = [
        ("two readings of std Instant", Box::new(|| _ = black_box((Instant::now(), Instant::now())))),
        ("two readings of the counter", Box::new(|| _ = black_box((clock.raw(), clock.raw())))),
        ("tokio semaphore, no clock", Box::new(|| drop(black_box(semaphore.try_acquire())))),
        (
            "limiter: acquire and finish",
            Box::new(|| black_box(limiter.try_acquire(Priority::Normal)).unwrap().finish(Outcome::Success)),
        ),
        ("limiter: rejected", Box::new(|| drop(black_box(full.try_acquire(Priority::Normal))))),
        ("limiter: exempt", Box::new(|| drop(black_box(limiter.try_acquire(Priority::Exempt))))),
        ("breaker: rejected", Box::new(|| drop(black_box(open.try_acquire())))),
        ("rate: taken", Box::new(|| _ = black_box(rate.try_acquire()))),
        ("rate: rejected", Box::new(|| _ = black_box(empty.try_acquire()))),
        ("knob: value", Box::new(|| _ = black_box(knob.value()))),
    ];
    for threads in [1, 2] {
        let mut nanos = vec![Vec::new(); cases.len()];
        for _ in 0..ROUNDS {
            for (nanos, (_, operation)) in nanos.iter_mut().zip(&cases) {
                nanos.push(round(threads, operation));
            }
        }
        for (nanos, (name, _)) in nanos.iter_mut().zip(&cases) {
            nanos.sort_by(f64::total_cmp);
            println!("{threads} threads  {name:<30} {:7.1} ns", nanos[ROUNDS / 2]);
        }
    }
}

/// The time of one operation when `threads` threads do nothing else.
fn round(threads: usize, operation: &(dyn Fn() + Sync)) -> f64 {
    let ready = AtomicUsize::new(0);
    let run = || {
        ready.fetch_add(1, Ordering::SeqCst);
        // Spinning, because a thread that is woken up finds the other one done.
        while ready.load(Ordering::SeqCst) < threads {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        (0..OPERATIONS).for_each(|_| operation());
        start.elapsed().as_nanos() as f64 / f64::from(OPERATIONS)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum::<f64>() / threads as f64
    })
}
