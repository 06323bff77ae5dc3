//! What is said to the sidecar, and when.
//!
//! The queue to the sidecar is short and never waited for. What does not fit is either kept, because it must be said (the
//! newest ack of each channel, knobs that came or went), or left out, because the next one says it better (reports and
//! beats).

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::signal::Signal;
use setpoint_policies::time::Timestamp;
use setpoint_proto::message::{
    Ack, Channel, Hello, KnobUpdate, PROTOCOL, Report, SdkBeat, ToSidecar, Welcome,
};

use super::TICK;
use super::apply::Applier;
use super::line::Line;
use crate::actuator::Inner;
use crate::builder::Options;

/// What is still to be said, and what is due when.
#[derive(Default)]
pub(super) struct Speech {
    acks: BTreeMap<Channel, Ack>,
    knobs: KnobUpdate,
    beats: u64,
    beat: Due,
    report: Due,
    reported_nanos: Option<u64>,
}

/// Something periodic.
#[derive(Debug, Default)]
struct Due {
    every: Duration,
    next: Timestamp,
}

impl Due {
    fn start(every: Duration, now: Timestamp) -> Self {
        Self { every, next: now + every }
    }

    /// Whether it is due at this tick; if so, the next one is planned. Ones that were missed are not made up for.
    fn take(&mut self, tick: Timestamp) -> bool {
        let due = tick + TICK / 2 >= self.next;
        if due {
            self.next = (self.next + self.every).max(tick + TICK / 2);
        }
        due
    }
}

impl Speech {
    /// A stream is up, with the periods that the sidecar wants.
    pub(super) fn start(&mut self, welcome: &Welcome, now: Timestamp) {
        self.acks.clear();
        self.beats = 0;
        self.reported_nanos = None;
        self.beat = Due::start(welcome.beat_every, now);
        self.report = Due::start(welcome.report_every, now);
    }

    /// A hello names every knob: only what comes or goes from now on is news.
    pub(super) fn said_hello(&mut self) {
        self.knobs = KnobUpdate::default();
    }

    /// Answers to be given; the newest of each channel counts.
    pub(super) fn acks(&mut self, acks: impl IntoIterator<Item = Ack>) {
        self.acks.extend(acks.into_iter().map(|ack| (ack.channel, ack)));
    }

    /// Knobs that came or went.
    pub(super) fn knobs(&mut self, update: KnobUpdate) {
        self.knobs.add.retain(|knob| !update.remove.contains(&knob.name));
        self.knobs.add.extend(update.add);
        self.knobs.remove.extend(update.remove);
    }

    /// Says what must be said, as far as there is room.
    pub(super) fn flush(&mut self, line: &Line) {
        while let Some((channel, ack)) = self.acks.pop_first() {
            let message = ToSidecar::Ack(ack);
            if line.send(&message) {
                continue;
            }
            if let ToSidecar::Ack(ack) = message {
                self.acks.insert(channel, ack);
            }
            return;
        }
        if self.knobs != KnobUpdate::default() && line.send(&ToSidecar::Knobs(self.knobs.clone())) {
            self.knobs = KnobUpdate::default();
        }
    }

    pub(super) fn beat_due(&mut self, tick: Timestamp) -> bool {
        self.beat.take(tick)
    }

    pub(super) fn report_due(&mut self, tick: Timestamp) -> bool {
        self.report.take(tick)
    }

    pub(super) fn beat(&mut self, line: &Line, app_stall: Duration) {
        self.beats += 1;
        line.send(&ToSidecar::Beat(SdkBeat { n: self.beats, app_stall }));
    }

    /// The counters of every limiter and what the process sees of itself.
    pub(super) fn report(
        &mut self,
        line: &Line,
        applier: &Applier,
        (at_nanos, stall_nanos): (u64, u64),
        signals: Vec<(Signal, f64)>,
    ) {
        let totals = applier.tuned().filter_map(|tuned| {
            Some((tuned.knob().name.clone(), tuned.actuator().totals(at_nanos, stall_nanos)?))
        });
        let breakers = applier
            .tuned()
            .filter_map(|tuned| Some((tuned.knob().name.clone(), tuned.actuator().breaker()?)));
        let previous = self.reported_nanos.replace(at_nanos).unwrap_or(at_nanos);
        line.send(&ToSidecar::Report(Box::new(Report {
            at_nanos,
            stall_nanos,
            window: Duration::from_nanos(at_nanos.saturating_sub(previous)),
            urgent: false,
            totals: totals.collect(),
            signals,
            breakers: breakers.collect(),
            custom: BTreeMap::new(),
        })));
    }
}

/// What this process is, what of it may be tuned, and what is in force now.
pub(super) fn hello(inner: &Inner, options: &Options, applier: &Applier, at: Timestamp) -> ToSidecar {
    let capabilities = ["atomic_group", "breaker.remote", "lease.decay"];
    ToSidecar::Hello(Box::new(Hello {
        protocol_min: PROTOCOL,
        protocol_max: PROTOCOL,
        service: inner.service.clone(),
        instance_id: format!("{:016x}", inner.seed),
        incarnation: inner.seed,
        sdk: concat!("rust/", env!("CARGO_PKG_VERSION")).to_owned(),
        runtime: if options.runtime.is_some() { "tokio" } else { "" }.to_owned(),
        labels: options.labels.clone(),
        capabilities: capabilities.map(|name| (name.to_owned(), 1)).into(),
        knobs: applier.tuned().map(|tuned| tuned.knob().as_ref().clone()).collect(),
        unsupported: Vec::new(),
        last_applied: applier.last_applied(),
        state: applier.state(at),
    }))
}

/// The last word.
pub(super) fn goodbye() -> ToSidecar {
    ToSidecar::Goodbye { why: "the service lets go of the SDK".to_owned() }
}
