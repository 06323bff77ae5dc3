//! What the way to the sidecar brings: a connection, a welcome, frames and beats, nonsense, the end. And what follows from each.

use std::time::Duration;

use setpoint_policies::time::Timestamp;
use setpoint_proto::convert::BadField;
use setpoint_proto::message::{Ack, SidecarBeat, ToSdk, Welcome};

use super::lease::Liveness;
use super::line::{Line, Step};
use super::{Session, speech};
use crate::transport::{Broken, Dial, Heard, Link};

impl<D: Dial> Session<'_, D> {
    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Rested => self.line = Line::dial(self.dial.clone()),
            Step::Connected(wire) => {
                let hello = speech::hello(self.inner, self.options, &self.applier, self.now());
                self.speech.said_hello();
                self.line = Line::greet(wire, hello);
            }
            Step::Welcomed(link, welcome) => self.welcomed(link, &welcome),
            Step::Heard(Heard::Message(message)) => self.heard(message),
            Step::Heard(Heard::Bad(bad, refusal)) => self.unreadable(&bad, refusal),
            Step::Heard(Heard::Broken(broken)) | Step::Failed(broken) => self.broken(&broken),
        }
    }

    fn welcomed(&mut self, link: Box<Link>, welcome: &Welcome) {
        let now = self.now();
        tracing::info!(
            epoch = welcome.epoch,
            protocol = welcome.protocol,
            config = welcome.config_revision,
            "in session with the sidecar"
        );
        for knob in &welcome.unbound {
            tracing::info!(%knob, "no policy names this knob");
        }
        for knob in &welcome.missing {
            tracing::warn!(%knob, "a policy names a knob that this process does not have");
        }
        self.line = Line::Up(link);
        self.complained = false;
        self.unreadable = 0;
        self.beat_every = welcome.beat_every;
        let before = self.heard_of.filter(|(epoch, _)| *epoch == welcome.epoch).map(|(_, tick)| tick);
        self.liveness = Some(Liveness::start(welcome.beat_every, welcome.lost_after, before, now));
        self.applier.start_stream(welcome.epoch);
        self.speech.start(welcome, now);
        self.speech.flush(&self.line);
        // Policies need counters to decide on: the first setpoints wait for these.
        self.report(self.inner.clock.now());
    }

    fn heard(&mut self, message: ToSdk) {
        let now = self.now();
        match message {
            ToSdk::Frame(frame) => {
                let ack = self.applier.frame(&frame, now);
                self.speech.acks([ack]);
                self.speech.flush(&self.line);
            }
            ToSdk::Beat(beat) => self.beat(&beat, now),
            ToSdk::Drain { retry_after, why } => {
                tracing::info!(?retry_after, why, "the sidecar drains");
                let wait = self.backoff.after_drain(retry_after);
                self.hang_up(wait);
            }
            ToSdk::Welcome(_) => tracing::warn!("a second welcome was ignored"),
        }
    }

    /// A beat of a loop that moves: leases start again.
    fn beat(&mut self, beat: &SidecarBeat, now: Timestamp) {
        if self.liveness.as_mut().is_some_and(|liveness| liveness.beat(beat, now)) {
            self.stalls.heard();
            self.backoff.reset();
            self.heard_of = self.applier.epoch().zip(Some(beat.loop_tick));
            if self.applier.lapsed(&beat.renew) {
                // The sidecar believes in force what was let go long ago. A new session tells it what is, and it decides anew.
                tracing::warn!("the sidecar is back after its leases ran out: a new session is begun");
                self.hang_up(Duration::ZERO);
                return;
            }
            self.applier.renew(&beat.renew, now);
        }
    }

    /// The stream goes on: a newer sidecar may say what this build does not know.
    fn unreadable(&mut self, bad: &BadField, refusal: Option<Ack>) {
        self.unreadable += 1;
        if self.unreadable.is_power_of_two() {
            tracing::warn!(%bad, so_far = self.unreadable, "a message could not be read");
        }
        if let Some(ack) = refusal {
            self.speech.acks([self.applier.refuse(ack, &bad.to_string())]);
            self.speech.flush(&self.line);
        }
    }

    fn broken(&mut self, broken: &Broken) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%broken, "no session with the sidecar, values are kept as their leases say");
        }
        let wait = match broken {
            Broken::Denied(_) => self.backoff.after_denial(),
            Broken::Lost(_) | Broken::TimedOut(_) => self.backoff.after_failure(),
        };
        self.hang_up(wait);
    }

    /// Back to waiting. What is in force stays under its leases.
    fn hang_up(&mut self, wait: Duration) {
        self.liveness = None;
        self.line = Line::rest(wait);
    }
}
