//! Every metric of the sidecar: names, help, labels, and the only code that emits.
//!
//! Counters and the histogram are touched on the tick and are cached handles; those of limiters come with the reports
//! ([`calls`]) and are bounded in number. Gauges are levels, so they are not kept at all: a scrape writes them from the same
//! [`Status`] that `/status` shows, and those of a process that has left expire by themselves. So nothing here grows with the
//! number of processes that ever came by.
//!
//! The recorder is an ordinary value, not the process's global one: tests run side by side.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;
use setpoint_policies::decision::Decision;
use setpoint_policies::knob::KnobName;
use setpoint_proto::message;

use crate::config::Written;
use crate::record::Fate;
use crate::sessions::refusal::Cause;
use crate::status::Status;

pub mod calls;
mod gauges;

use calls::{Calls, Ledger};

/// The recorder keeps raw samples of histograms until it is told to fold them in; it never does that by itself.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// A gauge that no scrape has written for this long is gone.
const GAUGE_TTL: Duration = Duration::from_secs(120);
const LATENESS_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

const TICKS: &str = "setpoint_ticks_total";
const TICK_LATENESS: &str = "setpoint_tick_lateness_seconds";
const FRAMES: &str = "setpoint_frames_sent_total";
const ACKS: &str = "setpoint_acks_total";
const DECISIONS: &str = "setpoint_decisions_total";
const REFUSED: &str = "setpoint_refused_clients_total";
const ENDED: &str = "setpoint_sessions_ended_total";
const UNKNOWN: &str = "setpoint_unknown_messages_total";
const RELOADS: &str = "setpoint_reloads_total";
const RECORDED: &str = "setpoint_recorded_snapshots_total";

const LAST_GOOD: &str = "setpoint_last_good_writes_total";

const COUNTERS: [(&str, &str); 10] = [
    (TICKS, "Finished ticks of the control loop."),
    (FRAMES, "Frames sent, by channel."),
    (ACKS, "Acknowledged setpoints, by what became of them."),
    (DECISIONS, "Decisions, by action and rule; one per bound knob and tick, holds included."),
    (REFUSED, "Clients turned away and sessions ended by the sidecar, by cause."),
    (ENDED, "Sessions ended, by how."),
    (UNKNOWN, "Messages of a kind that this build does not know; they are ignored."),
    (RELOADS, "Policy files read, by result."),
    (LAST_GOOD, "Writes of the last good policy to the state directory, by result."),
    (RECORDED, "Snapshots to be recorded (run --record), by what became of them."),
];

/// The metrics of one sidecar. Copies share everything.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    ticks: Counter,
    lateness: Histogram,
    decisions: Mutex<BTreeMap<(&'static str, &'static str), Counter>>,
    alerts: Mutex<gauges::Alerting>,
    calls: Mutex<Ledger>,
}

impl Metrics {
    /// A new set with a recorder of its own.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new()
            .idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_TTL))
            .set_buckets_for_metric(Matcher::Full(TICK_LATENESS.to_owned()), &LATENESS_BUCKETS)
            .expect("the list of buckets is not empty")
            .build_recorder();
        for (name, help) in COUNTERS.into_iter().chain(calls::HELP) {
            recorder.describe_counter(name.into(), None, help.into());
        }
        gauges::describe(&recorder);
        let help = "How much later than planned a tick began.";
        recorder.describe_histogram(TICK_LATENESS.into(), None, help.into());
        let inner = Inner {
            ticks: counter(&recorder, TICKS, &[]),
            lateness: recorder.register_histogram(&Key::from_name(TICK_LATENESS), &METADATA),
            decisions: Mutex::default(),
            alerts: Mutex::default(),
            calls: Mutex::default(),
            handle: recorder.handle(),
            recorder,
        };
        Self(Arc::new(inner))
    }

    /// A tick began this much later than planned.
    pub fn tick(&self, lateness: Duration) {
        self.0.ticks.increment(1);
        self.0.lateness.record(lateness.as_secs_f64());
    }

    /// Decisions were made.
    pub fn decided(&self, decisions: &[Decision]) {
        let mut counters = self.0.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        for decision in decisions {
            let (action, rule) = (decision.action.name(), decision.reason.rule());
            let new = || counter(&self.0.recorder, DECISIONS, &[("action", action), ("rule", rule)]);
            counters.entry((action, rule)).or_insert_with(new).increment(1);
        }
    }

    /// The limiters of a process of `service` told of these calls.
    pub fn called(&self, service: &Arc<str>, calls: impl IntoIterator<Item = (KnobName, Calls)>) {
        let mut ledger = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (knob, calls) in calls {
            ledger.note(service, knob, &calls);
        }
    }

    /// A frame was handed to the transport.
    pub fn frame_sent(&self, channel: message::Channel) {
        self.count(FRAMES, &[("channel", channel.name())]);
    }

    /// A setpoint was acknowledged.
    pub fn acknowledged(&self, status: message::Status) {
        self.count(ACKS, &[("status", status.name())]);
    }

    /// A client was turned away.
    pub fn refused(&self, cause: Cause) {
        self.count(REFUSED, &[("cause", cause.name())]);
    }

    /// A session ended.
    pub fn session_ended(&self, how: &'static str) {
        self.count(ENDED, &[("how", how)]);
    }

    /// A message of an unknown kind was ignored.
    pub fn unknown_message(&self) {
        self.count(UNKNOWN, &[]);
    }

    /// The policy file was read.
    pub fn reloaded(&self, accepted: bool) {
        self.count(RELOADS, &[("result", if accepted { "accepted" } else { "rejected" })]);
    }

    /// A snapshot was to be recorded.
    pub fn recorded(&self, fate: Fate) {
        self.count(RECORDED, &[("result", fate.name())]);
    }

    /// The last good policy was to be written; `None`: it could not be.
    pub fn last_good_written(&self, written: Option<Written>) {
        let result = match written {
            Some(Written::New) => "written",
            Some(Written::Unchanged) => "unchanged",
            None => "failed",
        };
        self.count(LAST_GOOD, &[("result", result)]);
    }

    /// Everything in the text format of Prometheus; the gauges are taken from `status`.
    pub fn render(&self, status: &Status) -> String {
        gauges::write(&self.0.recorder, status);
        let mut alerts = self.0.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        gauges::write_alerts(&self.0.recorder, status, &mut alerts);
        drop(alerts);
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).write(&self.0.recorder);
        self.0.handle.render()
    }

    /// Folds the samples of histograms in. Without it they pile up for ever.
    pub fn upkeep(&self) {
        self.0.handle.run_upkeep();
    }

    fn count(&self, name: &'static str, labels: &[(&'static str, &'static str)]) {
        counter(&self.0.recorder, name, labels).increment(1);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn counter(
    recorder: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, &'static str)],
) -> Counter {
    let labels = labels.iter().map(|(key, value)| Label::from_static_parts(key, value)).collect::<Vec<_>>();
    recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
}
