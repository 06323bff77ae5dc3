//! Who may tune, by name: what is compared in tables and tests.

use std::time::Duration;

use super::peers::{Static, Threshold, Tidb, Tuner};
use super::run::Hand;
use super::scenario::Workload;
use super::setpoint::Setpoint;
use crate::controllers::adaptive_concurrency::AdaptiveConcurrency;
use crate::controllers::gc_target::cap::HeapCap;
use crate::controllers::gc_target::drain::HeapDrain;
use crate::controllers::gc_target::{GcTargetSpec, Rule};
use crate::controllers::parallelism::{Follow, Parallelism};
use crate::envelope::{GcMode, GcTarget};
use crate::knob::KnobName;
use crate::spec::Controller;

/// Every name that [`hand`] knows, in the order of tables.
pub const NAMES: [&str; 9] = [
    "static100",
    "automemlimit",
    "gogc_off",
    "bytedance",
    "tidb",
    "automemlimit+limiter",
    "setpoint",
    "setpoint-uncoupled",
    "setpoint-frugal",
];

/// The hand of that name for a workload.
///
/// # Panics
/// When there is none of that name.
pub fn hand(name: &str, workload: &Workload) -> Hand {
    let inside: Box<dyn Tuner> = match name {
        "automemlimit" | "automemlimit+limiter" => Box::new(Static::AUTOMEMLIMIT),
        "gogc_off" => Box::new(Static::OFF),
        "bytedance" => Box::new(Threshold::BYTEDANCE),
        "tidb" => Box::new(Tidb::NEW),
        _ => Box::new(Static::GO),
    };
    let controllers = match name {
        "automemlimit+limiter" => vec![limiter(workload)],
        "setpoint" => vec![target(GcMode::Throughput), cap(), drain()],
        "setpoint-limiter" => vec![target(GcMode::Throughput), cap(), drain(), limiter(workload)],
        "setpoint-uncoupled" => vec![target(GcMode::Throughput), drain()],
        "setpoint-cores" => vec![target(GcMode::Throughput), cap(), cores()],
        "setpoint-frugal" => vec![target(GcMode::Frugal), cap(), drain()],
        known if NAMES.contains(&known) => return Hand::Inside(inside),
        other => panic!("nobody is called {other}"),
    };
    Hand::Setpoint(Box::new(Setpoint::new(workload, controllers)), inside)
}

fn knob(name: &str) -> KnobName {
    KnobName::try_new(name).expect("a plain name")
}

/// Our garbage-collection target.
pub fn target(mode: GcMode) -> Controller {
    let spec = GcTargetSpec::try_new(knob(GcTargetSpec::KNOB), Rule::Law(mode));
    Controller::GcTarget(spec.expect("defaults are sound"))
}

/// Our cap of calls by the live heap.
pub fn cap() -> Controller {
    let spec = HeapCap::try_new(knob("limit.inbound"), GcTarget::GC_CPU_CAP, HeapCap::FLOOR);
    Controller::HeapCap(spec.expect("defaults are sound"))
}

/// Our drain of a process that leaks, a minute before it crawls.
pub fn drain() -> Controller {
    let spec = HeapDrain::try_new(knob("drain"), GcTarget::GC_CPU_CAP, HeapDrain::BEFORE);
    Controller::HeapDrain(spec.expect("defaults are sound"))
}

/// Our number of threads.
pub fn cores() -> Controller {
    let spec = Parallelism::try_new(knob(Parallelism::KNOB), Follow::Quota, false, None, None);
    Controller::Parallelism(spec.expect("defaults are sound"))
}

/// Our concurrency law, which sees latency alone.
fn limiter(workload: &Workload) -> Controller {
    let deadline = Some(Duration::from_secs_f64(workload.deadline));
    let spec = AdaptiveConcurrency::try_new(knob("limit.inbound"), 4.0, 4000.0, None, Duration::ZERO)
        .and_then(|spec| spec.with_deadline(deadline));
    Controller::AdaptiveConcurrency(spec.expect("sound"))
}
