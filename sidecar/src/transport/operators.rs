//! `Snapshot` and `Explain`: what `/status` tells, for people on an SDK's side of the socket, where the admin address may be
//! out of reach.
//!
//! Both read what the admin page reads and say it in the words of the contract, so an answer shows what a session of the
//! same SDK would be told: knobs with their bounds, wanted frames with leases and reasons. An answer is bounded in bytes, the
//! questions of all clients together in number, and a stream in what it may leave unread: people look on, the loop goes on.

use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::knob::Knob;
use setpoint_policies::time::Timestamp;
use setpoint_proto::message::{Applied, Channel, Frame, Status as Fate, Version};
use setpoint_proto::{convert, rpc, v1};
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;

use crate::control::Shared;
use crate::journal::{CAPACITY, Entry};
use crate::sessions::desired::why;
use crate::sessions::quota::Quota;
use crate::sessions::session::{Follows, Session, instance_name};

/// Bytes of the sessions in one answer; a client takes 4 MiB when nothing is said.
const ANSWER_BYTES: usize = 1024 * 1024;
/// Characters of what is wrong with the policy file.
const ERROR_CHARACTERS: usize = 4096;
/// Streams at once.
pub(super) const STREAMS: usize = 4;
/// Who has not read a decision after this long has gone for us.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How often a stream looks for news.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Answers questions about this sidecar.
pub(super) struct Operators {
    shared: Shared,
    questions: Quota,
    streams: Arc<Semaphore>,
}

impl Operators {
    pub(super) fn new(shared: Shared) -> Self {
        let (questions, streams) = (Quota::of_questions(shared.clock), Arc::new(Semaphore::new(STREAMS)));
        Self { shared, questions, streams }
    }

    /// Everything now.
    pub(super) fn snapshot(&self, asked: &v1::SnapshotRequest) -> Result<v1::SnapshotResponse, Status> {
        self.spend()?;
        let (now, config) = (self.shared.clock.now(), &self.shared.board.latest().config);
        let error = config.error.as_deref().unwrap_or_default();
        let mut answer = v1::SnapshotResponse {
            config_revision: config.revision.clone(),
            config_state: config.state.name().to_owned(),
            config_error: error.chars().take(ERROR_CHARACTERS).collect(),
            ..Default::default()
        };
        let mut room = ANSWER_BYTES;
        for session in self.shared.registry.sessions() {
            if !is(&asked.service, &session.service) || !is(&asked.instance_id, &session.instance) {
                continue;
            }
            let view = view(&session, self.shared.registry.epoch(), now);
            match room.checked_sub(rpc::size(&view)) {
                Some(rest) => {
                    room = rest;
                    answer.sessions.push(view);
                }
                None => answer.left_out += 1,
            }
        }
        Ok(answer)
    }

    /// The newest changes, and with `follow` those to come. `engaged` is called when there is a place for the stream.
    pub(super) fn explain<G: Send + 'static>(
        &self,
        asked: v1::ExplainRequest,
        engaged: impl FnOnce() -> G,
    ) -> Result<mpsc::Receiver<Result<v1::Decision, Status>>, Status> {
        self.spend()?;
        let full = |_| Status::resource_exhausted(format!("more than {STREAMS} streams of decisions"));
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(full)?;
        let (say, said) = mpsc::channel(1);
        let (shared, engaged) = (self.shared.clone(), engaged());
        tokio::spawn(async move {
            let _held = (place, engaged);
            tell(&shared, &asked, &say).await;
        });
        Ok(said)
    }

    fn spend(&self) -> Result<(), Status> {
        let many = || Status::resource_exhausted("too many questions: ask again in a second");
        self.questions.spend().then_some(()).ok_or_else(many)
    }
}

/// Says what was asked for until there is no more, or nobody listens.
async fn tell(shared: &Shared, asked: &v1::ExplainRequest, say: &mpsc::Sender<Result<v1::Decision, Status>>) {
    let (mut after, mut most) = (0, if asked.last == 0 { CAPACITY } else { asked.last as usize });
    loop {
        let mut news = shared.journal.after(after);
        after = news.iter().map(|entry| entry.decision.id).fold(after, u64::max);
        news.retain(|entry| {
            is(&asked.service, &entry.service) && is(&asked.knob, entry.decision.knob.as_str())
        });
        for entry in news.iter().skip(news.len().saturating_sub(most)) {
            if say.send_timeout(Ok(decision(entry)), READ_WITHIN).await.is_err() {
                return;
            }
        }
        most = CAPACITY;
        if !asked.follow || shared.registry.is_draining() {
            return;
        }
        tokio::select! {
            () = say.closed() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Whether this is what was asked for; nothing asks for everything.
fn is(asked: &str, name: &str) -> bool {
    asked.is_empty() || asked == name
}

fn view(session: &Session, epoch: u64, now: Timestamp) -> v1::SessionView {
    use v1::session_view::State;
    let (instance, shares) = (session.snapshot(), session.shares());
    let applied = |knob: &Arc<Knob>| Applied {
        knob: knob.name.to_string(),
        status: Fate::Applied,
        effective: instance
            .in_force
            .get(&knob.name)
            .copied()
            .unwrap_or_else(|| knob.baseline_value())
            .scalar(),
        detail: String::new(),
        version: None,
        lease_left: None,
        shares: shares.get(&knob.name).copied(),
    };
    let desired = session.orders.borrow().desired.clone();
    let wanted = |channel: Channel| {
        let wanted = desired.channel(channel)?;
        let frame = Frame {
            channel,
            nonce: 0,
            version: Version { epoch, seq: 0 },
            config_revision: wanted.revision.clone(),
            set: wanted.set.clone(),
            unsupported: Vec::new(),
            atomic: false,
            mode: wanted.mode,
            watched: wanted.watched.clone(),
        };
        Some(v1::Frame { version: None, ..convert::encode_frame(&frame) })
    };
    let state = match session.follows(now) {
        Follows::Synced => State::Synced,
        Follows::Sent => State::Sent,
        Follows::Lagging => State::Lagging,
        Follows::Nacked => State::Nacked,
    };
    v1::SessionView {
        service: session.service.to_string(),
        instance_id: session.instance.to_string(),
        sdk: session.sdk.to_string(),
        state: state.into(),
        knobs: instance.knobs.iter().map(|knob| convert::encode_knob(knob)).collect(),
        in_force: convert::encode_results(&instance.knobs.iter().map(applied).collect::<Vec<_>>()),
        wanted: Channel::ALL.into_iter().filter_map(wanted).collect(),
    }
}

fn decision(entry: &Entry) -> v1::Decision {
    let decision = &entry.decision;
    v1::Decision {
        id: decision.id,
        service: entry.service.to_string(),
        instance_id: instance_name(&decision.instance).to_owned(),
        knob: decision.knob.to_string(),
        from: decision.from.scalar(),
        to: decision.to.scalar(),
        reason: Some(convert::encode_why(&why(decision))),
        at_seconds: entry.at.as_secs_f64(),
    }
}
