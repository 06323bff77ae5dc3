//! Independent jobs on all cores, and how far they are.

use std::io::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tells a person at a terminal how far the work is; nobody else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) shown: bool,
}

impl Progress {
    fn tell(self, what: &str, done: usize, all: usize, name: &str) {
        if self.shown {
            // Nobody is left to tell when even this cannot be written.
            let _ = write!(std::io::stderr(), "\r\x1b[K{what} {done} of {all}  {name}");
        }
    }

    fn clear(self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Does all jobs, each of which may say how far it is itself, and gives their results in the order of the jobs.
pub(super) fn on_all_cores<J: Sync, R: Send>(
    what: &str,
    progress: Progress,
    jobs: &[J],
    name: impl Fn(&J) -> String + Sync,
    work: impl Fn(&J, &dyn Fn(&str)) -> R + Sync,
) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Vec<Mutex<Option<R>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    progress.tell(what, 0, jobs.len(), "");
    std::thread::scope(|scope| {
        for _ in 0..cores.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let mine = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(mine) else { break };
                    *results[mine].lock().unwrap_or_else(PoisonError::into_inner) = Some(work(job, &|far| {
                        progress.tell(
                            what,
                            done.load(Ordering::Relaxed),
                            jobs.len(),
                            &format!("{}, {far}", name(job)),
                        );
                    }));
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress.tell(what, done, jobs.len(), &name(job));
                }
            });
        }
    });
    progress.clear();
    let result = |slot: Mutex<Option<R>>| slot.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|slot| result(slot).expect("the scope ends when all jobs are done")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..100).collect();
        let quiet = Progress { shown: false };
        let squares = on_all_cores("", quiet, &jobs, u64::to_string, |job, _| job * job);
        assert_eq!(squares, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        assert!(on_all_cores("", quiet, &[], u64::to_string, |job, _| *job).is_empty());
    }
}
