//! The connected processes: who they are, what is known of them, what each of them should have.
//!
//! The registry is the meeting point of three parties that never wait for each other: the control loop copies a snapshot
//! out and puts desired states in, each session's task ([`serve`]) talks with one process, and the admin page looks
//! on. Memory is bounded by the number of sessions, not by what they send.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use setpoint_policies::decision::Decision;
use setpoint_policies::engine::Step;
use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::{Instance, InstanceId};
use setpoint_policies::spec::PolicySet;
use setpoint_policies::time::Timestamp;
use setpoint_proto::message::{Hello, PROTOCOL, Version};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pulse::Pulse;

mod conversation;
pub mod desired;
mod known;
pub mod outbox;
pub mod quota;
pub mod read_back;
pub mod refusal;
pub mod serve;
pub mod session;
pub mod welcome;

use quota::Quota;
use refusal::{Cause, Refusal};
use session::{Ending, Session};

/// Most sessions at once.
pub const MAX_SESSIONS: usize = 64;

/// All sessions. Copies share everything.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: u64,
    clock: Clock,
    pulse: Arc<Pulse>,
    metrics: Metrics,
    /// Log lines that a client can provoke.
    provoked: Quota,
    /// Of the newest frame. One counter for all channels and sessions: a process that reconnects still sees it grow.
    seq: AtomicU64,
    table: Mutex<Table>,
    /// A process has reported for the first time.
    newcomer: Notify,
}

#[derive(Debug)]
struct Table {
    sessions: BTreeMap<InstanceId, Arc<Session>>,
    policies: Arc<PolicySet>,
    node: Signals,
    draining: bool,
}

/// A place in the registry, given up when dropped.
#[derive(Debug)]
pub struct Place {
    registry: Registry,
    session: Arc<Session>,
}

impl Registry {
    /// An empty registry. `epoch` is random for each start of the sidecar.
    pub fn new(epoch: u64, clock: Clock, pulse: Arc<Pulse>, metrics: Metrics) -> Self {
        let table = Table {
            sessions: BTreeMap::new(),
            policies: Arc::new(PolicySet::observe_only()),
            node: Signals::default(),
            draining: false,
        };
        let (provoked, seq) = (Quota::of_provoked_logs(clock), AtomicU64::new(0));
        let (table, newcomer) = (Mutex::new(table), Notify::new());
        Self(Arc::new(Shared { epoch, clock, pulse, metrics, provoked, seq, table, newcomer }))
    }

    /// Gives a process its place. A newer connection of the same process, or a newer life of it, takes over the place of
    /// the older one.
    ///
    /// # Errors
    /// When the protocol does not match, an older life knocks, the registry is full or the sidecar is going away.
    pub fn admit(&self, hello: &Hello) -> Result<Place, Refusal> {
        if !(hello.protocol_min..=hello.protocol_max).contains(&PROTOCOL) {
            let range = format!("{} to {}", hello.protocol_min, hello.protocol_max);
            let text = format!("hello.protocol_min, hello.protocol_max: {range} does not include {PROTOCOL}");
            return Err(Refusal::new(Cause::Protocol, text));
        }
        let session = Arc::new(Session::new(hello));
        let mut table = self.table();
        if table.draining {
            return Err(Refusal::new(Cause::Draining, "the sidecar is going away"));
        }
        if let Some(there) = table.sessions.get(&session.id) {
            if there.incarnation > session.incarnation {
                let text = "hello.incarnation: a newer life of this process is connected";
                return Err(Refusal::new(Cause::Incarnation, text));
            }
            there.end(Ending::Replaced);
        } else if table.sessions.len() >= MAX_SESSIONS {
            return Err(Refusal::new(Cause::Sessions, format!("more than {MAX_SESSIONS} sessions")));
        }
        table.sessions.insert(session.id.clone(), Arc::clone(&session));
        Ok(Place { registry: self.clone(), session })
    }

    /// Everything known of every process, for the engine.
    pub fn instances(&self) -> Vec<Instance> {
        self.sessions().iter().map(|session| session.snapshot()).collect()
    }

    /// The connected sessions, by name.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.table().sessions.values().cloned().collect()
    }

    /// Hands the decisions of a tick to the sessions that they are for. A session whose values did not change is not woken.
    pub fn publish(&self, step: &Step, policies: &Arc<PolicySet>, node: Signals) {
        {
            let mut table = self.table();
            table.policies = Arc::clone(policies);
            table.node = node;
        }
        let mut of_instance = BTreeMap::<&InstanceId, Vec<&Decision>>::new();
        for decision in &step.decisions {
            of_instance.entry(&decision.instance).or_default().push(decision);
        }
        for session in self.sessions() {
            let mut own = of_instance.remove(&session.id).unwrap_or_default();
            own.retain(|decision| session.is_hot(&decision.knob));
            let watched = step.watched.iter().filter(|(id, _)| *id == session.id).map(|(_, watch)| watch);
            let watched = watched.collect::<Vec<_>>();
            session.orders.send_if_modified(|orders| orders.desired.update(&own, &watched, policies));
        }
    }

    /// Refuses newcomers and tells every session to say good-bye.
    pub fn drain(&self) {
        self.table().draining = true;
        for session in self.sessions() {
            session.end(Ending::Draining);
        }
    }

    /// Whether the sidecar is going away.
    pub fn is_draining(&self) -> bool {
        self.table().draining
    }

    /// The knobs of `declared` that no policy names, and the knobs that a policy names and `declared` lacks.
    pub fn mismatch(&self, declared: &BTreeSet<KnobName>) -> (Vec<KnobName>, Vec<KnobName>) {
        let policies = Arc::clone(&self.table().policies);
        let named = policies.knobs().into_iter().cloned().collect::<BTreeSet<_>>();
        (declared.difference(&named).cloned().collect(), named.difference(declared).cloned().collect())
    }

    /// The policy set in force.
    pub fn policies(&self) -> Arc<PolicySet> {
        Arc::clone(&self.table().policies)
    }

    /// Random for each start of the sidecar.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// Counts and logs that a client was turned away.
    pub fn note_refused(&self, refusal: &Refusal) {
        if refusal.cause.is_orderly() {
            return;
        }
        self.0.metrics.refused(refusal.cause);
        if self.0.provoked.spend() {
            tracing::warn!(cause = refusal.cause.name(), detail = %refusal, "client refused");
        }
    }

    /// Waits until a process has reported for the first time, so that there is something to decide on.
    pub async fn newcomer(&self) {
        self.0.newcomer.notified().await;
    }

    fn next_version(&self) -> Version {
        Version { epoch: self.0.epoch, seq: self.0.seq.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    fn node(&self) -> Signals {
        self.table().node
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every update is a whole insert, remove or assignment, so what a panic left behind is still sound.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.registry.table();
        // A successor may have taken the place over.
        if table.sessions.get(&self.session.id).is_some_and(|there| Arc::ptr_eq(there, &self.session)) {
            table.sessions.remove(&self.session.id);
        }
    }
}
