//! One session after its hello.
//!
//! One task per session does both directions, so nothing of a session's sending state is shared. It never builds a message
//! before there is room for it: while a client does not read, nothing piles up, and when it reads again it gets what is
//! newest then, the most urgent channel first. A client that leaves no room for [`LOST_AFTER`] is let go.

use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::time::Timestamp;
use setpoint_proto::message::{Ack, Hello, KnobUpdate, ToSdk, ToSidecar, Welcome};
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};

use super::Registry;
use super::outbox::Outbox;
use super::quota::{MESSAGES_BURST, MESSAGES_PER_SECOND, Quota};
use super::refusal::{Cause, Refusal};
use super::serve::{End, Heard, Said};
use super::session::{Ending, Orders, Session};
use super::welcome::{BEAT_EVERY, LOST_AFTER};

/// Before it reconnects after an orderly end, a client waits at least this long.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A beat may go so much earlier, when the session is awake anyway: reports come in each tick, and a beat that goes with one of them
/// costs no wake-up of its own. More than a usual tick, else the timer comes first.
const BEAT_EARLY: Duration = Duration::from_millis(120);

/// The state of one session's task.
pub(super) struct Conversation {
    registry: Registry,
    session: Arc<Session>,
    orders: watch::Receiver<Orders>,
    quota: Quota,
    outbox: Outbox,
    welcome: Option<Box<Welcome>>,
    has_reported: bool,
    beats: u64,
    beat_at: Timestamp,
    /// Since when there has been something to say and no room for it.
    stuck_since: Option<Timestamp>,
}

impl Conversation {
    pub(super) fn new(registry: Registry, session: Arc<Session>, hello: &Hello) -> Self {
        let (service, instance) = (&*session.service, &*session.instance);
        let (sdk, runtime, knobs) = (&*hello.sdk, &*hello.runtime, hello.knobs.len());
        tracing::info!(service, instance, sdk, runtime, knobs, "session started");
        let conversation = Self {
            orders: session.orders.subscribe(),
            quota: Quota::of_messages(registry.0.clock),
            outbox: Outbox::default(),
            welcome: Some(Box::new(registry.welcome(hello))),
            has_reported: false,
            beats: 0,
            beat_at: registry.now() + BEAT_EVERY,
            stuck_since: None,
            registry,
            session,
        };
        conversation.warn_unsupported(&hello.unsupported);
        conversation
    }

    /// Talks until the end; gives the refusal to tell the client, if it is one.
    pub(super) async fn until_end<S>(&mut self, heard: &mut S, said: &Said) -> Option<Refusal>
    where
        S: Stream<Item = Heard> + Unpin,
    {
        let (service, instance) = (&*Arc::clone(&self.session.service), &*Arc::clone(&self.session.instance));
        let (how, refusal) = match self.talk(heard, said).await {
            Ok(End::Drained) => {
                (End::Drained.name(), Some(Refusal::new(Cause::Draining, "the sidecar is going away")))
            }
            Ok(end) => (end.name(), None),
            Err(refusal) => (refusal.cause.name(), Some(refusal)),
        };
        self.registry.0.metrics.session_ended(how);
        tracing::info!(service, instance, how, "session ended");
        refusal
    }

    async fn talk<S>(&mut self, heard: &mut S, said: &Said) -> Result<End, Refusal>
    where
        S: Stream<Item = Heard> + Unpin,
    {
        let clock = self.registry.0.clock;
        loop {
            self.obey()?;
            let pending = self.is_pending();
            let give_up_at = self.give_up_at(pending);
            tokio::select! {
                biased;
                room = said.reserve(), if pending => {
                    let Ok(room) = room else { return Ok(End::Lost) };
                    self.stuck_since = None;
                    if let Some(word) = self.next_word() {
                        let last = matches!(word, ToSdk::Drain { .. });
                        room.send(Ok(word));
                        if last {
                            return Ok(End::Drained);
                        }
                    }
                }
                message = heard.next() => match message.transpose()? {
                    None => return Ok(End::Lost),
                    Some(message) => if let Some(end) = self.hear(message)? {
                        return Ok(end);
                    },
                },
                Ok(()) = self.orders.changed() => {}
                () = clock.sleep_until(give_up_at), if pending => {
                    let text = format!("nothing was read for {LOST_AFTER:?}");
                    return Err(Refusal::new(Cause::SlowReader, text));
                }
                () = clock.sleep_until(self.beat_at), if !pending => {}
            }
        }
    }

    /// Whether there is something to say now.
    fn is_pending(&self) -> bool {
        let orders = self.orders.borrow();
        self.welcome.is_some()
            || orders.ending == Some(Ending::Draining)
            || self.outbox.due(&orders.desired).is_some()
            || self.beat_due(self.registry.now())
    }

    fn beat_due(&self, now: Timestamp) -> bool {
        now + BEAT_EARLY >= self.beat_at
    }

    fn give_up_at(&mut self, pending: bool) -> Timestamp {
        let now = self.registry.now();
        self.stuck_since = pending.then(|| self.stuck_since.unwrap_or(now));
        self.stuck_since.unwrap_or(now) + LOST_AFTER
    }

    /// The most urgent thing to say, as things are now.
    fn next_word(&mut self) -> Option<ToSdk> {
        if let Some(welcome) = self.welcome.take() {
            return Some(ToSdk::Welcome(welcome));
        }
        let now = self.registry.now();
        let orders = self.orders.borrow();
        if orders.ending == Some(Ending::Draining) {
            return Some(ToSdk::Drain {
                retry_after: RETRY_AFTER,
                why: "the sidecar is going away".to_owned(),
            });
        }
        let (registry, session) = (&self.registry, &self.session);
        let in_force = |knob: &_| session.in_force(knob);
        let frame = self.outbox.frame(&orders.desired, now, || registry.next_version(), in_force);
        drop(orders);
        if let Some(frame) = frame {
            self.registry.0.metrics.frame_sent(frame.channel);
            self.session.set_delivery(self.outbox.delivery());
            return Some(ToSdk::Frame(Box::new(frame)));
        }
        self.beat_due(now).then(|| {
            self.beat_at = now + BEAT_EVERY;
            self.beats += 1;
            ToSdk::Beat(self.registry.beat(self.beats, &self.session, self.outbox.renewals()))
        })
    }

    /// Takes one message in; `Some` when it ends the session.
    fn hear(&mut self, message: ToSidecar) -> Result<Option<End>, Refusal> {
        if !self.quota.spend() {
            let text =
                format!("more than {MESSAGES_PER_SECOND} messages per second (burst {MESSAGES_BURST})");
            return Err(Refusal::new(Cause::Flood, text));
        }
        match message {
            ToSidecar::Hello(_) => {
                return Err(Refusal::new(Cause::HelloOrder, "hello: was sent twice"));
            }
            ToSidecar::Ack(ack) => self.acknowledged(&ack)?,
            ToSidecar::Report(report) => {
                let first = !std::mem::replace(&mut self.has_reported, true);
                let called = self.session.report(&report, first, self.registry.now());
                self.registry.0.metrics.called(&self.session.service, called);
                if first {
                    self.registry.0.newcomer.notify_one();
                }
            }
            // Having been received is all that a beat has to say: a stall also shows in the totals.
            ToSidecar::Beat(_) => {}
            ToSidecar::Knobs(update) => self.update_knobs(&update)?,
            ToSidecar::Goodbye { why } => {
                tracing::debug!(service = &*self.session.service, why, "good-bye");
                return Ok(Some(End::Goodbye));
            }
        }
        Ok(None)
    }

    fn update_knobs(&self, update: &KnobUpdate) -> Result<(), Refusal> {
        self.session.update_knobs(update)?;
        if self.registry.0.provoked.spend() {
            let (service, instance) = (&*self.session.service, &*self.session.instance);
            let (added, removed) = (update.add.len(), update.remove.len());
            tracing::info!(service, instance, added, removed, "knobs changed");
        }
        self.warn_unsupported(&update.unsupported);
        Ok(())
    }

    /// A knob of a kind that this build does not know is left out; that is nobody's fault but must not go unnoticed.
    fn warn_unsupported(&self, unsupported: &[(String, String)]) {
        let Some((knob, why)) = unsupported.first() else { return };
        if self.registry.0.provoked.spend() {
            let (service, instance, count) =
                (&*self.session.service, &*self.session.instance, unsupported.len());
            tracing::warn!(service, instance, count, knob, why, "knobs not supported");
        }
    }

    fn acknowledged(&mut self, ack: &Ack) -> Result<(), Refusal> {
        let Some(wanted) = self.outbox.acknowledge(ack)? else { return Ok(()) };
        self.session.acknowledged(ack, &wanted, |knob| self.outbox.names(knob));
        self.session.set_delivery(self.outbox.delivery());
        for result in &ack.results {
            self.registry.0.metrics.acknowledged(result.status);
        }
        Ok(())
    }

    /// Takes note of the newest orders, and ends a session whose place was taken.
    fn obey(&mut self) -> Result<(), Refusal> {
        match self.orders.borrow_and_update().ending {
            Some(Ending::Replaced) => {
                let text = "a newer connection of this process took over";
                Err(Refusal::new(Cause::Replaced, text))
            }
            Some(Ending::Draining) | None => Ok(()),
        }
    }
}
