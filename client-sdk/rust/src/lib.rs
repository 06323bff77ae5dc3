//! The Setpoint SDK for Rust services: it bounds what a service takes on, counts what becomes of it, and puts new limits
//! in force while the service runs.
//!
//! # How do I
//! Start it once, register what may be tuned, and keep the handles:
//! ```
//! use setpoint_sdk::{Outcome, Priority, Rejected, Setpoint};
//!
//! let sp = Setpoint::builder("checkout").start(); // never waits, never fails
//! let db = sp.limiter("db").bounds(4, 400).baseline(64).register();
//!
//! fn order(db: setpoint_sdk::Limiter) -> Result<(), Rejected> {
//!     let permit = db.try_acquire(Priority::Normal)?; // Err: limit, reason, retry_after
//!     // ... call the database ...
//!     permit.finish(Outcome::Success); // dropped unfinished = cancelled; a panic = failure
//!     Ok(())
//! }
//! # order(db).unwrap();
//! ```
//! | to | use |
//! |---|---|
//! | bound the requests of a server, or of a client | [`Setpoint::layer`], a tower layer for axum, tonic, hyper and reqwest |
//! | bound the calls of anything else | [`Setpoint::limiter`] |
//! | wait a moment for a place instead of being rejected | [`LimiterBuilder::queue`], then [`Limiter::acquire`] or [`LimitLayer::queued`] |
//! | begin nothing that comes too late | [`Deadline`], [`Limiter::acquire_by`], [`LimitLayer::deadline`] |
//! | bound how many calls are made again | [`Setpoint::retry_budget`] |
//! | spare a callee that refuses most calls | [`Setpoint::throttle`] |
//! | stop calling what is down | [`Setpoint::breaker`]; a limiter asks the breaker of its own name |
//! | bound calls per second, in all or for each caller | [`Setpoint::rate`], [`RateBuilder::for_each_key`] |
//! | bound how many connections are accepted | [`Setpoint::connection_gate`], and `GatedListener` with feature `listener` |
//! | size a pool of connections, or a time-out | [`Setpoint::pool_size`], [`Setpoint::timeout`] |
//! | tune any other number | [`Setpoint::knob`], with a callback after each change |
//! | answer a readiness check, 503 while the runtime pauses | [`Setpoint::readiness`] |
//! | know what the process did when tasks piled up | [`Builder::on_dump`], [`Setpoint::dump`] |
//! | see whether a sidecar is there | [`Setpoint::health`] |
//! | turn it all off | `SETPOINT_DISABLED=1`, [`Builder::disabled`], or a file `disable` beside the socket |
//! | hold one knob myself | `pin` and `unpin` on each handle |
//!
//! Without a sidecar everything works at its baseline: the limits that you chose.
//!
//! # What does a limiter do by itself
//! Between two pushes, and without a sidecar, its *reflex* looks at its counters every 10 ms. When calls end in overload, or
//! those in flight are far older than a call without a queue and callers are rejected, it holds the limit down to what the
//! throughput of the last 100 ms needs. That is an experiment of at most two seconds: what does not help is taken back and
//! not tried again for a while, so a dependency that hangs or has become slower is not shed for long, and what helps is let
//! go in steps. The next push of the limit, a pin and the kill switch lift it at once. [`Limiter::reflex`] tells, and so do
//! `setpoint_limiter_reflexes` and `/status` of the sidecar.
//!
//! # What bites me
//! - Keep the [`Setpoint`]. The session ends with its last clone (limiters and layers do not count), and every knob goes
//!   back to its baseline.
//! - A permit is for one attempt. Acquire inside the retry loop; around it, three attempts look like one slow call.
//! - [`Outcome`] decides what is learnt. A 404 that is reported as [`Outcome::Success`] makes the service look fast; a
//!   time-out that is reported as [`Outcome::Ignore`] hides an overload.
//! - The layer's call ends with the head of the answer, a gRPC call with its trailers: see [`Until`] for streams and downloads.
//! - The first registration of a name wins. `sp.layer("inbound")` registers `limit.inbound` with default bounds; for
//!   others, call `sp.limiter("inbound")` before.
//! - Names are for resources, not for users or keys: a sidecar hears of 256 knobs (a limiter has two, its own and its
//!   breaker's), there is room for 1024, and none is ever given back.
//! - An `on_change` that takes longer than 80 ms is left alone: the number is in force meanwhile, and the callback hears of the newest one
//!   when it is back.
//! - A queue takes up bursts, no more: whoever waits while it stands is refused after 10 ms. It is no cure for a limit that is too
//!   low. [`Limiter::try_acquire`] never waits and may overtake those who do.
//!
//! # What does it cost
//! Median of 61 interleaved rounds on a 2-core virtual machine (AMD EPYC) that did other things as well; nanoseconds for one
//! operation, with one thread, and for each of two that do nothing else to the same object. `make bench` measures the permits
//! again, beside other projects' limiters; `examples/cost.rs` the rest.
//!
//! | | 1 thread | 2 threads |
//! |---|---|---|
//! | floor: two bare readings of the clock | 19 | 19 |
//! | a permit, acquired and finished, with two clock readings and all counters | 21 | 85 |
//! | the same where the limit is large: 128 for each thread that uses it | 21 | 21 |
//! | the same with [`LimiterBuilder::sample_clocks`]`(8)` | 10 | 10 |
//! | ... `(16)` | 7 | 7 |
//! | rejected by a full limiter | 5 | 5 |
//! | rejected by a breaker that was told to be open | 5 | 5 |
//! | through a closed breaker on its own, no clock | 1 | 1 |
//! | take a token of a rate | 14 | 46 |
//! | take a token of a key, of 1024 in turn | 52 | 59 |
//! | value of a knob | 3 | 3 |
//! | for comparison: a permit of `tokio::sync::Semaphore`, no clock, no counters | 9 | 88 |
//!
//! Nothing of this waits, locks or allocates. When a large limit is nearly reached, one call in 100 ms at most pays for a
//! system call of a few microseconds. A limiter takes about 1 KB for each core, and 8 KB.
//!
//! # How does it work
//! The request path reads one word (the limit), changes one word (the calls in flight, by compare-and-swap, so never
//! above the limit) and counts in a shard of its own. Where the limit is large, each thread keeps a few of the places
//! that it allows and uses them without a shared word; they are taken back before anyone is rejected for want of them. A
//! session with the sidecar, on a thread of its own, sends what was counted and puts what it is sent in force with an
//! atomic store: the next call sees it, and none is held up for it. A pushed value carries a lease. When the sidecar is
//! gone, values are held for a while and then move back to the baselines. Your bounds hold whatever is pushed.

mod actuator;
mod barrier;
mod breaker;
mod builder;
mod classify;
mod clock;
mod deadline;
mod declare;
mod dump;
mod gate;
mod health;
mod keyed;
mod knob;
mod layer;
mod limiter;
mod memory;
mod outcome;
mod own;
mod permit;
mod priority;
mod rate;
mod readiness;
mod rejected;
mod retry;
mod session;
mod setpoint;
mod slot;
mod sync;
mod throttle;
mod timeout;
mod transport;
mod workers;

#[cfg(feature = "listener")]
pub use self::gate::listener::{GatedListener, GatedStream, WhenFull};
#[cfg(feature = "jemalloc")]
pub use self::memory::jemalloc;
pub use self::{
    breaker::{Breaker, BreakerBuilder, BreakerState},
    builder::Builder,
    classify::Ending,
    deadline::{
        BadTimeout, Deadline, Reserve, TIMEOUT_HEADER, grpc_timeout, parse_grpc_timeout, parse_timeout,
    },
    dump::{Dump, LimiterDump, RuntimeDump},
    gate::{ConnectionGate, GateBuilder, GateGuard},
    health::Health,
    keyed::{KeyedRate, KeyedRateBuilder, TooManyOverrides},
    knob::{KnobBuilder, NumericKnob},
    layer::{
        LimitBody, LimitFuture, LimitLayer, LimitService, QueuedFuture, QueuedLayer, QueuedService,
        RequestHead, Until,
    },
    limiter::{Acquire, Limiter, LimiterBuilder, Reflex, ReflexCause},
    memory::{Allocator, HeapUse, Memory, MemoryPressure},
    outcome::Outcome,
    permit::Permit,
    priority::Priority,
    rate::{Rate, RateBuilder},
    readiness::Readiness,
    rejected::{RejectReason, Rejected},
    retry::RetryBudget,
    setpoint::Setpoint,
    throttle::{Attempt, Throttle},
    timeout::{Timeout, TimeoutBuilder},
    workers::WorkerThreads,
};
pub use setpoint_policies::{knob::Restrictive, value::Breaker as BreakerSetpoint};
pub use setpoint_proto::message::{Evidence, Why};
