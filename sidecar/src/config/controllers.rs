//! The section of each controller: from its fields to the checked type of `setpoint-policies`.
//!
//! A new controller is one function in a file of this folder and one line in [`CONTROLLERS`].

use setpoint_policies::spec::Controller;

use crate::yaml::Fields;

mod adaptive_concurrency;
mod breaker;
mod caps;
mod fixed;
mod guards;
mod rate;
mod runtime;

/// Reads a section; `None` when it has a problem.
type Read = fn(Fields<'_>) -> Option<Controller>;

/// The controllers that a policy chooses one of, as named in files.
pub(super) const CONTROLLERS: [(&str, Read); 15] = [
    ("adaptive_concurrency", adaptive_concurrency::adaptive_concurrency),
    ("memory_cap", caps::memory_cap),
    ("scheduler_cap", caps::scheduler_cap),
    ("breaker", breaker::breaker),
    ("task_leak", guards::task_leak),
    ("task_trend", guards::task_trend),
    ("runtime_health", guards::runtime_health),
    ("slo", guards::slo),
    ("memory_ceiling", guards::memory_ceiling),
    ("gc_target", runtime::gc_target),
    ("heap_cap", runtime::heap_cap),
    ("heap_drain", runtime::heap_drain),
    ("parallelism", runtime::parallelism),
    ("adaptive_rate", rate::adaptive_rate),
    ("fixed", fixed::fixed),
];

/// What the names of the knobs start with that a limit or a cap moves.
const LIMIT: &str = "limit.";
/// Budgets of caches, bytes.
const MEMORY: &str = "memory.";
