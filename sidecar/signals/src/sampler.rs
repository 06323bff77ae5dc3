//! The readers together, each at its own pace.
//!
//! | pace | what |
//! |---|---|
//! | every call | the cgroup's pressure, node memory pressure, usage, limits, limit hits, kills, CPU use and throttling |
//! | every second | `memory.stat`, `memory.high`, quota, `meminfo`, node CPU and IO pressure, threads |
//! | every [`RETRY`] | discovery: has the process moved, has something absent appeared? |
//!
//! Node CPU and IO pressure are read on every call while the cgroup has none of its own, because then they have to stand in.

mod cpu;
mod memory;
mod pressure;
mod readers;
mod source;
mod thread;
mod threads;

use crate::discover::{self, DiscoverError, Held, Layout, Roots, Target};
use crate::kept::ReadError;
use crate::sample::Sample;
use readers::{CgroupFiles, NodeFiles};
pub use source::{Fault, RETRY};
use std::path::Path;
use std::time::Duration;
use threads::ThreadSet;

/// How often the dearer files are read.
const MEDIUM: Duration = Duration::from_secs(1);

/// Reads the kernel's signals about one target.
#[derive(Debug)]
pub struct Sampler {
    roots: Roots,
    target: Target,
    process: Process,
    cgroup: CgroupFiles,
    node: NodeFiles,
    trouble: Option<DiscoverError>,
    /// States of threads are looked at.
    states: bool,
    discover_at: Duration,
    medium_at: Duration,
}

/// The target's process as far as it is known.
#[derive(Debug)]
enum Process {
    /// Not seen yet.
    Absent(ReadError),
    /// Seen: its directory and its threads.
    Held(Held, Box<ThreadSet>),
    /// Ended. Whoever has its number now is somebody else.
    Ended,
}

impl Process {
    fn held(&self) -> Result<&Held, ReadError> {
        match self {
            Self::Absent(error) => Err(*error),
            Self::Held(held, _) => Ok(held),
            Self::Ended => Err(ReadError::Exited),
        }
    }

    fn threads(&self) -> Option<&ThreadSet> {
        if let Self::Held(_, threads) = self { Some(threads) } else { None }
    }
}

impl Sampler {
    /// Nothing is opened yet: the first [`sample`](Self::sample) does that, and a target that does not exist yet is looked for until
    /// it does.
    pub fn new(roots: Roots, target: Target) -> Self {
        Self {
            node: NodeFiles::new(&roots.proc),
            roots,
            target,
            process: Process::Absent(ReadError::NotFound),
            cgroup: CgroupFiles::default(),
            trouble: None,
            states: true,
            discover_at: Duration::ZERO,
            medium_at: Duration::ZERO,
        }
    }

    /// Reads what is due and returns everything known. `now` is the time since any fixed origin on a monotonic clock.
    ///
    /// Never fails and never waits. Costs 6-16 us on a hot cache when called every 100 ms, of which nine tenths are the kernel's, plus
    /// 0.4-2 us per thread once a second, and 3-6 us for each whose state is looked at ([`look_at_states`](Self::look_at_states));
    /// allocates only when discovery is due or the thread set has changed.
    pub fn sample(&mut self, now: Duration) -> Sample {
        if now >= self.discover_at {
            self.discover_at = now + RETRY;
            self.discover();
        }
        let medium = now >= self.medium_at;
        if medium {
            self.medium_at = now + MEDIUM;
            self.pass_threads(now);
        }
        self.node.read(now, medium, !self.cgroup.has_pressure());
        self.cgroup.read(now, medium, self.node.total_bytes());
        let mut sample = Sample { at: now, ..Sample::default() };
        sample.run_delay = self.process.threads().map(ThreadSet::values).unwrap_or_default();
        self.cgroup.fill(&mut sample);
        self.node.fill(&mut sample);
        sample
    }

    /// Whether to count the threads that are stuck in the kernel, as it does unless it is told otherwise: worth its cost only where
    /// something waits.
    pub const fn look_at_states(&mut self, wanted: bool) {
        self.states = wanted;
    }

    /// Where the target's files are. Empty before the first sample.
    ///
    /// # Errors
    /// Why the last discovery found nothing. Files found earlier stay in use, unless it is because the process has ended.
    pub fn layout(&self) -> Result<&Layout, &DiscoverError> {
        self.trouble.as_ref().map_or(Ok(self.cgroup.layout()), Err)
    }

    /// Why the target's process is not looked at; `None` when it is, or when the target has none. As of the last discovery.
    pub fn process_error(&self) -> Option<ReadError> {
        self.process.held().err().filter(|_| self.target.has_process())
    }

    /// The files that gave no reading when they were last due, and why: for logs and status pages.
    pub fn faults(&self) -> impl Iterator<Item = (&Path, Fault)> {
        let threads = self.process.threads().and_then(ThreadSet::fault);
        self.cgroup.faults().chain(self.node.faults()).chain(threads)
    }

    fn discover(&mut self) {
        if let (Process::Absent(_), Some(path)) = (&self.process, self.target.process(&self.roots)) {
            self.process = match Held::open(&path) {
                Ok(held) => {
                    let threads = Box::new(ThreadSet::new(&held));
                    Process::Held(held, threads)
                }
                Err(error) => Process::Absent(error),
            };
        }
        match discover::discover_held(&self.roots, &self.target, self.process.held()) {
            Ok(layout) => {
                self.cgroup.follow(layout);
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(error),
        }
    }

    fn pass_threads(&mut self, now: Duration) {
        let Process::Held(_, threads) = &mut self.process else { return };
        if threads.pass(now, self.states) {
            return;
        }
        self.process = Process::Ended;
        if self.target.follows_process() {
            self.cgroup.follow(Layout::default());
            self.trouble = Some(DiscoverError::Process(ReadError::Exited));
        }
    }
}
