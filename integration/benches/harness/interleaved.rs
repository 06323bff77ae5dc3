//! Times a set of cases in one run, so that they can be compared on a machine that does other things as well.
//!
//! In each of many short rounds every case has its turn: what disturbs the machine for a while disturbs all of them. What
//! is compared are medians. A library for benches runs one case after the other for seconds each, and a neighbour that
//! comes and goes meanwhile is then taken for a difference between the cases.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Does the operation so many times.
pub type Work = Box<dyn FnMut(u32)>;

/// Something to be timed.
pub struct Case {
    pub name: &'static str,
    /// Makes what one thread needs to do it.
    pub work: Box<dyn Fn() -> Work + Sync>,
}

impl Case {
    /// `start` is called once in each thread, and what it returns for each operation.
    pub fn new<F: FnMut() + 'static>(name: &'static str, start: impl Fn() -> F + Sync + 'static) -> Self {
        let work = move || -> Work {
            let mut once = start();
            Box::new(move |times| (0..times).for_each(|_| once()))
        };
        Self { name, work: Box::new(work) }
    }
}

/// Nanoseconds for one operation of each thread, of every round in order of size.
pub struct Times(Vec<f64>);

impl Times {
    /// The time that this share of the rounds did not exceed; not a number where none was finished.
    pub fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

/// Times every case in so many rounds, with so many threads that do nothing else at the same time. Somebody else's code may panic
/// under load: that is told, and its round is left out.
pub fn run(cases: &[Case], threads: usize, rounds: usize, times: u32) -> Vec<Times> {
    let mut nanos = vec![Vec::new(); cases.len()];
    for round in 0..=rounds {
        for (nanos, case) in nanos.iter_mut().zip(cases) {
            let took = together(case, threads, times);
            // The first one only warms up.
            match took {
                Some(took) if round > 0 => nanos.push(took),
                Some(_) => {}
                None => {
                    eprintln!("{}: panicked with {threads} threads, round {round} is left out", case.name);
                }
            }
        }
    }
    nanos.iter_mut().for_each(|nanos| nanos.sort_by(f64::total_cmp));
    nanos.into_iter().map(Times).collect()
}

/// Nanoseconds for one operation; `None` where a thread has panicked. It meets the others all the same, or they would wait for ever.
fn together(case: &Case, threads: usize, times: u32) -> Option<f64> {
    let (barrier, ready) = (Barrier::new(threads), AtomicUsize::new(0));
    let run = |thread| {
        pin(thread);
        let warm = || {
            let mut work = (case.work)();
            work(times / 10);
            work
        };
        let work = catch_unwind(AssertUnwindSafe(warm)).ok();
        barrier.wait();
        ready.fetch_add(1, Ordering::SeqCst);
        // Spinning, because a thread that is woken up finds the other one done.
        while ready.load(Ordering::SeqCst) < threads {
            std::hint::spin_loop();
        }
        let mut work = work?;
        let start = Instant::now();
        catch_unwind(AssertUnwindSafe(|| work(times))).ok()?;
        Some(start.elapsed().as_nanos() as f64 / f64::from(times))
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let took = running.into_iter().map(|thread| thread.join().expect("what panics was caught"));
        Some(took.sum::<Option<f64>>()? / threads as f64)
    })
}

/// Keeps the thread on a processor of its own: two of them on one would be no rivals.
fn pin(thread: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let processors: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let mut own = CpuSet::new();
    own.set(processors[thread % processors.len()]);
    // Where that is not allowed the figures are as good as the scheduler is.
    let _ = sched_setaffinity(None, &own);
}
