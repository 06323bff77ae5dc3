//! One session from hello to end: the only place that waits for a client.
//!
//! One task per session does both directions, so nothing of a session's sending state is shared. It never builds a message
//! before there is room for it: while a client does not read, nothing piles up, and when it reads again it gets what is
//! newest then, the most urgent channel first. A client that leaves no room for [`LOST_AFTER`] is let go.

use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::time::Timestamp;
use setpoint_proto::message::{Ack, Hello, KnobUpdate, ToSdk, ToSidecar, Welcome};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, StreamExt};

use super::outbox::Outbox;
use super::quota::{MESSAGES_BURST, MESSAGES_PER_SECOND, Quota};
use super::refusal::{Cause, Refusal};
use super::session::{Ending, Orders, Session};
use super::welcome::{BEAT_EVERY, LOST_AFTER};
use super::{Place, Registry};

/// A client has this long to say hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// Before it reconnects after an orderly end, a client waits at least this long.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// What a client that does not read may cost us at the end of its session.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// What a client said, or why the transport could not make sense of it. The end of the stream is the end of the client.
pub type Heard = Result<ToSidecar, Refusal>;
/// Where to say something. Its capacity is 1: what has been handed over can no longer be overtaken.
pub type Said = mpsc::Sender<Result<ToSdk, Refusal>>;

/// How a session ended without a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said good-bye.
    Goodbye,
    /// The stream ended without a word.
    Lost,
    /// We said good-bye.
    Drained,
}

impl End {
    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Lost => "lost",
            Self::Drained => "drained",
        }
    }
}

/// Serves one client until either side ends the session. `engaged` is called when the client has been admitted.
pub async fn serve<S, G>(registry: Registry, mut heard: S, said: Said, engaged: impl FnOnce() -> G)
where
    S: Stream<Item = Heard> + Unpin,
{
    let refusal = match begin(&registry, &mut heard).await {
        Ok(Some((mut conversation, _place))) => {
            let _engaged = engaged();
            conversation.until_end(&mut heard, &said).await
        }
        Ok(None) => None,
        Err(refusal) => Some(refusal),
    };
    if let Some(refusal) = refusal {
        registry.note_refused(&refusal);
        // The text is for people; a client that does not even read this only loses the text.
        let _ = tokio::time::timeout(LAST_WORD_WITHIN, said.send(Err(refusal))).await;
    }
}

/// Waits for the hello; `None` when the client leaves before it.
async fn begin<S>(registry: &Registry, heard: &mut S) -> Result<Option<(Conversation, Place)>, Refusal>
where
    S: Stream<Item = Heard> + Unpin,
{
    let first = tokio::time::timeout(HELLO_WITHIN, heard.next()).await;
    let late = || Refusal::new(Cause::HelloMissing, format!("hello: did not come within {HELLO_WITHIN:?}"));
    let hello = match first.map_err(|_| late())?.transpose()? {
        None => return Ok(None),
        Some(ToSidecar::Hello(hello)) => hello,
        Some(_) => return Err(Refusal::new(Cause::HelloOrder, "hello: must be the first message")),
    };
    let place = registry.admit(&hello)?;
    Ok(Some((Conversation::new(registry.clone(), Arc::clone(&place.session), &hello), place)))
}

/// The state of one session's task.
struct Conversation {
    registry: Registry,
    session: Arc<Session>,
    orders: watch::Receiver<Orders>,
    quota: Quota,
    outbox: Outbox,
    welcome: Option<Box<Welcome>>,
    beats: u64,
    beat_at: Timestamp,
    /// Since when there has been something to say and no room for it.
    stuck_since: Option<Timestamp>,
}

impl Conversation {
    fn new(registry: Registry, session: Arc<Session>, hello: &Hello) -> Self {
        let (service, instance) = (&*session.service, &*session.instance);
        let (sdk, runtime, knobs) = (&*hello.sdk, &*hello.runtime, hello.knobs.len());
        tracing::info!(service, instance, sdk, runtime, knobs, "session started");
        warn_unsupported(&session, &hello.unsupported);
        Self {
            orders: session.orders.subscribe(),
            quota: Quota::of_messages(registry.0.clock),
            outbox: Outbox::default(),
            welcome: Some(Box::new(registry.welcome(hello))),
            beats: 0,
            beat_at: registry.now() + BEAT_EVERY,
            stuck_since: None,
            registry,
            session,
        }
    }

    /// Talks until the end; gives the refusal to tell the client, if it is one.
    async fn until_end<S>(&mut self, heard: &mut S, said: &Said) -> Option<Refusal>
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
                Ok(()) = self.orders.changed() => self.obey()?,
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
            || self.registry.now() >= self.beat_at
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
        let orders = self.orders.borrow_and_update();
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
        (now >= self.beat_at).then(|| {
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
            ToSidecar::Report(report) => self.session.report(&report, self.registry.now()),
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
        let (service, instance) = (&*self.session.service, &*self.session.instance);
        let (added, removed) = (update.add.len(), update.remove.len());
        tracing::info!(service, instance, added, removed, "knobs changed");
        warn_unsupported(&self.session, &update.unsupported);
        Ok(())
    }

    fn acknowledged(&mut self, ack: &Ack) -> Result<(), Refusal> {
        let Some(wanted) = self.outbox.acknowledge(ack)? else { return Ok(()) };
        self.session.acknowledged(ack, &wanted);
        self.session.set_delivery(self.outbox.delivery());
        for result in &ack.results {
            self.registry.0.metrics.acknowledged(result.status);
        }
        Ok(())
    }

    /// Does what the registry ordered, as far as it is not a matter of sending.
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

/// A knob of a kind that this build does not know is left out; that is nobody's fault but must not go unnoticed.
fn warn_unsupported(session: &Session, unsupported: &[(String, String)]) {
    for (knob, why) in unsupported {
        tracing::warn!(
            service = &*session.service,
            instance = &*session.instance,
            knob,
            why,
            "knob not supported"
        );
    }
}
