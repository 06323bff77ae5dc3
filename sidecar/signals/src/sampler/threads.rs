//! How long a process's threads wait for a CPU, and how many are stuck in the kernel.
//!
//! `/proc/PID/schedstat` is the main thread alone, which in a service mostly sleeps; so every thread's file is kept open and the
//! differences are added up. The scheduler books a wait when it ends, in lumps as long as a quota period, hence one pass a second
//! and not one a tick. A thread counts from its second pass on: its first only says where its counters stand.
//!
//! At most [`MOST`] descriptors are kept. A process with more threads is watched in turns, another part every [`LOOK`], and the sums
//! are scaled up to all threads. Stuck is what a thread is at the moment of the pass; a look at that costs three times as much
//! (6 us), so at most [`STATES`] are looked at.

use super::source::Fault;
use super::thread::Thread;
use crate::discover::Held;
use crate::kept::ReadError;
use crate::sample::RunDelay;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most threads that are watched at a time.
pub(super) const MOST: usize = 256;

/// The most of them whose state is looked at.
pub(super) const STATES: usize = 64;

/// How often the threads are listed even when their number has not changed.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// The threads of one process.
#[derive(Debug)]
pub(super) struct ThreadSet {
    name: PathBuf,
    path: PathBuf,
    task: Option<File>,
    threads: Vec<Thread>,
    /// The next turn begins at this thread.
    turn: u32,
    links: u64,
    look_at: Duration,
    passed_at: Option<Duration>,
    listed: Option<u32>,
    fault: Option<Fault>,
    values: RunDelay,
}

/// What the watched threads did between two passes.
#[derive(Default)]
struct Sum {
    delay: Duration,
    slices: u64,
    threads: u32,
    /// Threads whose state was looked at, and those of them that are stuck.
    looked_at: u32,
    blocked: u32,
}

impl ThreadSet {
    pub(super) fn new(held: &Held) -> Self {
        Self {
            name: held.name().join("task"),
            path: held.path("task"),
            task: None,
            threads: Vec::with_capacity(MOST),
            turn: 0,
            links: 0,
            look_at: Duration::ZERO,
            passed_at: None,
            listed: None,
            fault: None,
            values: RunDelay::default(),
        }
    }

    pub(super) fn values(&self) -> RunDelay {
        self.values
    }

    /// Why threads are missing, if the last look at them failed.
    pub(super) fn fault(&self) -> Option<(&Path, Fault)> {
        self.fault.map(|fault| (self.name.as_path(), fault))
    }

    /// One pass, to be made about once a second: the growth of all known threads, then a look for new ones. Returns whether
    /// the process is still there; what cannot be listed for another reason is watched as far as it is known.
    pub(super) fn pass(&mut self, now: Duration, states: bool) -> bool {
        let sum = self.advance(states);
        let listed = self.look(now);
        let span = self.passed_at.and_then(|last| now.checked_sub(last)).filter(|span| !span.is_zero());
        self.passed_at = Some(now);
        self.values = self.rates(now, &sum, span);
        self.fault = listed.err().map(Fault::Read).or(self.fault);
        !matches!(listed, Err(ReadError::Exited | ReadError::NotFound))
    }

    fn rates(&self, now: Duration, sum: &Sum, span: Option<Duration>) -> RunDelay {
        let Some(span) = span.filter(|_| sum.threads > 0) else {
            return RunDelay { at: self.values.at, threads: self.listed, ..RunDelay::default() };
        };
        let in_turns = self.listed.filter(|all| *all as usize > MOST);
        let scale = in_turns.map_or(1.0, |all| f64::from(all) / f64::from(sum.threads));
        let delay = sum.delay.as_secs_f64();
        RunDelay {
            at: Some(now),
            threads: self.listed,
            threads_read: Some(sum.threads),
            run_delay_seconds_per_slice: (sum.slices > 0).then(|| delay / sum.slices as f64),
            run_delay_seconds_per_second: Some(scale * delay / span.as_secs_f64()),
            run_slices_per_second: Some(scale * sum.slices as f64 / span.as_secs_f64()),
            blocked_threads: self.blocked(sum),
        }
    }

    /// Of all threads; `None` where no state can be read.
    fn blocked(&self, sum: &Sum) -> Option<u32> {
        let all = self.listed?.max(sum.looked_at);
        let scaled = f64::from(sum.blocked) * f64::from(all) / f64::from(sum.looked_at);
        (sum.looked_at > 0).then_some(scaled.round() as u32)
    }

    /// Reads every watched thread and forgets those that have ended.
    fn advance(&mut self, states: bool) -> Sum {
        let mut sum = Sum::default();
        self.threads.retain_mut(|thread| {
            let Ok(grown) = thread.advance() else { return false };
            if let Some((delay, slices)) = grown {
                sum.delay += delay;
                sum.slices += slices;
                sum.threads += 1;
            }
            if let Some(blocked) = states.then(|| thread.is_blocked()).flatten() {
                sum.looked_at += 1;
                sum.blocked += u32::from(blocked);
            }
            true
        });
        sum
    }

    /// Lists the threads when it is time or their number has changed, and opens those that are new.
    fn look(&mut self, now: Duration) -> Result<(), ReadError> {
        let links = self.links()?;
        let on_time = now >= self.look_at;
        if !on_time && links == self.links {
            return Ok(());
        }
        let ids = list(&self.path)?;
        self.links = links;
        self.listed = u32::try_from(ids.len()).ok();
        if on_time {
            self.look_at = now + LOOK;
        }
        self.fault = self.watch(&ids, on_time).err();
        Ok(())
    }

    /// `st_nlink` of the task directory, which grows and shrinks with the number of threads.
    fn links(&mut self) -> Result<u64, ReadError> {
        let task = match &mut self.task {
            Some(task) => task,
            none => none.insert(File::open(&self.path)?),
        };
        Ok(task.metadata()?.nlink())
    }

    /// Opens what is not open yet; with more threads than places, drops all at each turn and takes the next ones in order.
    ///
    /// # Errors
    /// When a thread that is still there cannot be watched, or none can.
    fn watch(&mut self, ids: &[u32], turn: bool) -> Result<(), Fault> {
        self.threads.retain(|thread| ids.binary_search(&thread.id).is_ok());
        let mut begin = 0;
        if ids.len() > MOST {
            begin = ids.partition_point(|id| *id < self.turn);
            if turn {
                self.threads.clear();
                self.turn = ids[(begin + MOST) % ids.len()];
            }
        }
        let mut states = self.threads.iter().filter(|thread| thread.has_state()).count();
        let (mut refused, mut ended) = (Ok(()), Ok(()));
        for id in ids[begin..].iter().chain(&ids[..begin]) {
            if self.threads.len() == MOST {
                break;
            }
            if self.threads.iter().any(|thread| thread.id == *id) {
                continue;
            }
            match Thread::open(&self.path, *id, states < STATES) {
                Ok(thread) => {
                    states += usize::from(thread.has_state());
                    self.threads.push(thread);
                }
                Err(fault @ Fault::Read(ReadError::Exited | ReadError::NotFound)) => ended = Err(fault),
                Err(fault) => refused = Err(fault),
            }
        }
        if self.threads.is_empty() { refused.and(ended) } else { refused }
    }
}

fn list(task: &Path) -> Result<Vec<u32>, ReadError> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(task)? {
        ids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}
