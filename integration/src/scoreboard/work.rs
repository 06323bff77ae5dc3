//! Runs what is to be run, on all cores, with a word on how far it is.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use setpoint_policies::sim::score::fixed::PhasedFixed;
use setpoint_policies::sim::score::measure::Score;
use setpoint_policies::sim::score::oracle::Oracle;
use setpoint_policies::sim::score::tally::Tally;

use super::laws::{Entry, ORACLE};
use super::set::Case;
use crate::real::progress::line;

/// What came out of a scenario.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The laws in the order of the roster, the oracle first.
    pub scores: Vec<(String, Score)>,
    /// Calls that were simulated.
    pub calls: u64,
}

/// Every law in one scenario. `lagged` is the scenario with the link that our law gets.
pub fn judge(case: &Case, oracle: &Oracle, laws: &[&Entry], base_seeds: u64) -> Outcome {
    let scenario = &case.scenario;
    let seeds = case.seeds(base_seeds);
    let best = Tally::run(scenario, &seeds, &|_| PhasedFixed::fleet(scenario, &oracle.phases));
    let mut scores = vec![(ORACLE.to_owned(), Score::of(scenario, &best, &best))];
    let mut calls = arrived(&best);
    for law in laws {
        let tally = Tally::run(scenario, &seeds, &|seed| law.laws(scenario, oracle, seed));
        calls += arrived(&tally);
        scores.push((law.name.to_owned(), Score::of(scenario, &tally, &best)));
    }
    Outcome { scores, calls }
}

fn arrived(tally: &Tally) -> u64 {
    tally.slices.iter().map(|slice| u64::from(slice.arrived)).sum()
}

/// The results of `work` for all of `items`, in their order. The biggest come first, so that no core is left with one at
/// the end.
pub fn on_all_cores<T: Sync, R: Send>(
    what: &str,
    items: &[T],
    size: impl Fn(&T) -> f64,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| size(&items[*b]).total_cmp(&size(&items[*a])));
    let results = Mutex::new((0..items.len()).map(|_| None).collect::<Vec<Option<R>>>());
    let (next, started) = (AtomicUsize::new(0), Instant::now());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(&items[*index]);
                    let mut results = results.lock().expect("no worker panics with the lock held");
                    results[*index] = Some(result);
                    let done = results.iter().filter(|result| result.is_some()).count();
                    progress(what, done, items.len(), started.elapsed());
                }
            });
        }
    });
    let results = results.into_inner().expect("no worker panics with the lock held");
    results.into_iter().map(|result| result.expect("every item was worked on")).collect()
}

/// One line that is written over and over; where it cannot be, one for each tenth of the work.
fn progress(what: &str, done: usize, all: usize, elapsed: Duration) {
    let tenth = |done: usize| 10 * done / all;
    let kept = if std::io::stderr().is_terminal() { done == all } else { tenth(done) > tenth(done - 1) };
    line(&format!("{what}: {done} of {all}, {:.0} s", elapsed.as_secs_f64()), kept);
}
