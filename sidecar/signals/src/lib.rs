//! What the kernel says about one service: memory, pressure, CPU quota and scheduling delay, read cheaply and never guessed.
//!
//! Both the sidecar (looking at the service) and the SDK (looking at itself) use this crate, so it has no dependency, no clock, no
//! thread and no log: time is an argument, and everything that went wrong is a value ([`Sampler::faults`]).
//!
//! ```no_run
//! use setpoint_signals::{Roots, Sampler, Target};
//! let started = std::time::Instant::now();
//! let mut sampler = Sampler::new(Roots::default(), Target::current());
//! let sample = sampler.sample(started.elapsed());
//! if let Some(ratio) = sample.memory.working_set_ratio {
//!     assert!(ratio >= 0.0);
//! }
//! ```
//!
//! # Layers, lowest first
//! * [`kept`]: a file opened once and read with `pread`; the kernel's ways of saying "gone" as one closed enum.
//! * [`parse`]: one pure parser per kernel file; strict, no allocation, errors say what was wrong.
//! * [`discover`]: from a process or a directory to the cgroup directories that hold its files (v1, v2, hybrid, containers).
//! * [`Window`]: counters to rates over the time that really passed.
//! * [`Sampler`]: the tiers (every call, every second, every ten seconds) and the resulting [`Sample`].
//!
//! # Promises
//! * Missing, malformed or vanished is `None`, never zero; one broken file never hides another.
//! * A sample allocates nothing: every buffer has its size fixed when its file is opened and every ring its length when it is built.
//!   Only discovery (every [`RETRY`]) and a rescan of a changed thread set allocate. This holds by construction, it is not counted.
//! * Nothing blocks but the kernel's own reads, nothing is written, no privilege is needed.

pub mod discover;
pub mod kept;
pub mod parse;
mod sample;
mod sampler;
mod window;

pub use discover::{Layout, Roots, Target};
pub use kept::{KeptFile, ReadError, Size};
pub use parse::{ParseError, Problem};
pub use sample::{Cpu, LimitFrom, Memory, NodeMemory, Pressure, RunDelay, Sample};
pub use sampler::{Fault, RETRY, Sampler};
pub use window::{Growth, Window};
