//! What the sidecar says at the start of a session and once a second from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use setpoint_policies::signal::{Signal, Signals};
use setpoint_policies::spec::{Controller, PolicySet};
use setpoint_policies::time::Timestamp;
use setpoint_proto::bounds;
use setpoint_proto::message::{Channel, Hello, PROTOCOL, SidecarBeat, Version, Welcome};

use super::Registry;
use super::session::Session;

/// Period of beats.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Silence for longer than this means that the other end is gone.
pub const LOST_AFTER: Duration = Duration::from_secs(5);

/// What this build can do.
const CAPABILITIES: [(&str, u32); 5] = [
    ("breaker.remote", 1),
    ("knob.gc_target", 1),
    ("knob.limit.adaptive", 1),
    ("knob.parallelism", 1),
    ("lease.decay", 1),
];

impl Registry {
    /// The answer to a hello. Reports are asked for once per tick, so that every tick has something to decide on.
    pub fn welcome(&self, hello: &Hello) -> Welcome {
        let declared = hello.knobs.iter().map(|knob| knob.name.clone()).collect::<BTreeSet<_>>();
        let (unbound, mut missing) = self.mismatch(&declared);
        missing.truncate(bounds::KNOBS);
        let policies = self.policies();
        Welcome {
            protocol: PROTOCOL,
            epoch: self.epoch(),
            capabilities: common(&hello.capabilities),
            beat_every: BEAT_EVERY,
            lost_after: LOST_AFTER,
            report_every: policies.tick,
            unbound,
            missing,
            config_revision: policies.revision.clone(),
        }
    }

    /// The `n`th beat of a session. It carries the loop's own proof of life, so that a loop that hangs behind a living
    /// stream is noticed.
    pub fn beat(&self, n: u64, session: &Session, renew: Vec<(Channel, Version)>) -> SidecarBeat {
        let now = self.now();
        SidecarBeat {
            n,
            loop_tick: self.0.pulse.tick(),
            loop_age: self.0.pulse.age(now),
            oldest_signal_age: oldest_input(&self.policies(), session, &self.node(), now),
            renew,
        }
    }
}

fn common(theirs: &BTreeMap<String, u32>) -> BTreeMap<String, u32> {
    let common = |(name, ours): (&str, u32)| Some((name.to_owned(), ours.min(*theirs.get(name)?)));
    CAPABILITIES.into_iter().filter_map(common).collect()
}

/// The age of the stalest input that some policy needs of this process; `None` when it needs none, or none ever came.
fn oldest_input(policies: &PolicySet, session: &Session, node: &Signals, now: Timestamp) -> Option<Duration> {
    let seen = session.snapshot();
    let reading = |signal: &Signal| seen.signals.reading(*signal).or_else(|| node.reading(*signal));
    let ages = policies.policies.iter().flat_map(|policy| {
        let knob = policy.controller.knob();
        let counters = seen.totals.get(knob).map(|received| now.since(received.at));
        let signals = needed(&policy.controller).iter().filter_map(reading).map(|reading| reading.age(now));
        counters.into_iter().chain(signals)
    });
    ages.max()
}

const fn needed(controller: &Controller) -> &'static [Signal] {
    match controller {
        Controller::AdaptiveConcurrency(_)
        | Controller::AdaptiveRate(_)
        | Controller::Breaker(_)
        | Controller::Fixed(_)
        | Controller::Slo(_) => &[],
        Controller::TaskLeak(_) | Controller::TaskTrend(_) => &[Signal::Tasks],
        Controller::RuntimeHealth(_) => &[Signal::RuntimeDelay, Signal::GcPause],
        Controller::MemoryCeiling(_) => &[Signal::MemoryWorkingSetRatio, Signal::MemoryLimitBytes],
        Controller::MemoryCap(_) => &[Signal::MemoryWorkingSetRatio],
        Controller::SchedulerCap(_) => &[Signal::RuntimeDelay, Signal::CpuSome, Signal::RunDelayPerSlice],
        Controller::GcTarget(_) | Controller::HeapCap(_) | Controller::HeapDrain(_) => &[
            Signal::MemoryLimitBytes,
            Signal::MemoryWorkingSetRatio,
            Signal::RuntimeMemoryBytes,
            Signal::HeapLiveBytes,
        ],
        Controller::Parallelism(_) => &[Signal::CpuQuotaCores, Signal::CpuAffinityCores],
    }
}
