//! Holds a limit down while the live heap is larger than collections can keep up with.
//!
//! Under overload, calls in flight are what fills a heap. A collector with a soft limit then works itself to death, one
//! without is killed; neither can do the one thing that helps, which is to admit fewer calls. Latency, the input of other
//! laws, shows the trouble when collections have already taken the CPUs.
//!
//! Inputs: those of [`super`], and the counters of the limiter. Output: an upper bound, in calls, while the state is shed
//! or starved.
//!
//! ```text
//! alive = live heap of the newest collection + bytes per call x calls that came since, at most all heap objects
//! calls = in flight + 0.7 (0.9 sustainable - alive) / bytes per call
//! cap   = calls, within 0.7 and 1.1 (+ 2) of those in flight now, at least `floor`
//! ```
//!
//! It does not wait for the next collection, because with room to spare that is a second away, and in a second of overload more
//! calls are let in than there is memory for. It lets go where the calls in flight are no more than a twentieth of the live heap: fewer of them would help nobody.
//!
//! A step from what was in flight, and not a limit out of a model: bytes per call are an upper bound, and their error changes
//! how large the steps are, not where they lead.
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `gc_cpu_cap` | 20 % | 2 % to 50 % | caps later | caps earlier |
//! | `floor` | 16 | 1 to 1,000,000 calls | keeps more throughput | more relief |
//!
//! Failure modes: those of [`super`]; without the limiter's counters it holds for ten seconds, then lets go. While it is
//! not known what a call keeps alive, it caps at nine tenths of the calls in flight.

use super::parameters::check_cap;
use super::state::State;
use super::watch::{Bounds, View, Watch};
use super::{GcTarget, STALE_AFTER};
use crate::claim::Others;
use crate::decision::Action;
use crate::knob::KnobName;
use crate::policy::{Policy, Proposal, Seen, Want};
use crate::reason::GcReason;
use crate::spec::{Controller, InvalidConfig};

/// How much of a step is made at once.
const GAIN: f64 = 0.7;
/// The share of the sustainable heap that is aimed at: beyond it the state is shed, beyond all of it starved.
const AIM: f64 = 0.9;
const LEAST_OF_IN_FLIGHT: f64 = 0.7;
const MOST_OF_IN_FLIGHT: f64 = 1.1;
const MORE_CALLS: f64 = 2.0;
const WHEN_UNKNOWN: f64 = 0.9;
/// Where calls in flight are less than this share of the live heap, fewer of them help nobody.
const MATTERS: f64 = 0.05;

/// Parameters of the cap.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapCap {
    pub(crate) knob: KnobName,
    gc_cpu_cap: f64,
    floor: f64,
}

impl HeapCap {
    /// Default of `floor`.
    pub const FLOOR: f64 = 16.0;

    /// A checked cap.
    ///
    /// # Errors
    /// [`InvalidConfig`] with the field to blame.
    pub fn try_new(knob: KnobName, gc_cpu_cap: f64, floor: f64) -> Result<Self, InvalidConfig> {
        check_cap(gc_cpu_cap)?;
        if !(1.0..=1e6).contains(&floor) {
            return Err(InvalidConfig::OutOfRange { field: "floor", range: "between 1 and 1000000" });
        }
        Ok(Self { knob, gc_cpu_cap, floor })
    }

    fn bounds(&self) -> Bounds {
        let least = f64::from(GcTarget::PERCENT_MIN) / 100.0;
        Bounds { gc_cpu_cap: self.gc_cpu_cap, least, ahead: true }
    }
}

/// The cap at work.
#[derive(Debug)]
pub struct HeapCapPolicy {
    spec: HeapCap,
    watch: Watch,
    /// Calls that fit, as of the newest collection.
    fit: Option<f64>,
}

impl HeapCapPolicy {
    /// A policy that does not cap yet.
    pub fn new(spec: HeapCap) -> Self {
        Self { spec, watch: Watch::default(), fit: None }
    }

    /// Calls that may be in flight.
    fn calls(&mut self, view: &View, in_flight: f64) -> f64 {
        let room = AIM * view.sustainable - view.alive;
        let fit =
            view.bytes_per_call.map_or(WHEN_UNKNOWN * in_flight, |bytes| in_flight + GAIN * room / bytes);
        let fit = match self.fit {
            // Only a collection proves that there is room for more.
            Some(known) if !view.collected => {
                if view.alive > view.live {
                    known.min(fit)
                } else {
                    known
                }
            }
            _ => fit,
        };
        self.fit = Some(fit);
        let most = MOST_OF_IN_FLIGHT * in_flight + MORE_CALLS;
        fit.max(LEAST_OF_IN_FLIGHT * in_flight).min(most).max(self.spec.floor)
    }
}

impl Policy for HeapCapPolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        let counters = seen.fresh_totals(STALE_AFTER);
        let view = match (self.watch.look(seen, &self.spec.bounds()), counters) {
            (Ok(view), Ok(_)) => view,
            (Err(unknown), _) | (_, Err(unknown)) => return unknown,
        };
        let matters =
            |calls: f64| view.bytes_per_call.is_none_or(|bytes| bytes * calls > MATTERS * view.live);
        let in_flight = view.in_flight.filter(|calls| view.state >= State::Shed && matters(*calls));
        let Some(in_flight) = in_flight else {
            self.fit = None;
            return Proposal::new(Want::Anything, Action::Hold, view.reason);
        };
        let calls = self.calls(&view, in_flight);
        let bytes_per_call = view.bytes_per_call.unwrap_or(0.0);
        let reason = GcReason::LiveHeap { ratio: view.ratio, calls, bytes_per_call };
        Proposal::new(Want::AtMost(calls), Action::Decrease, reason)
    }

    fn is_safety(&self) -> bool {
        true
    }

    fn hear(&mut self, others: Others) {
        self.watch.hear(others);
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::HeapCap(spec) = controller else { return false };
        self.spec = spec.clone();
        true
    }
}
