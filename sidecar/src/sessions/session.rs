//! What is known of one connected process, shared between its own task and the control loop.
//!
//! The lock is a plain mutex that is held for copies only, never across an await: the loop copies everything out once per
//! tick, the task copies each message in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint_policies::admission::Shares;
use setpoint_policies::knob::KnobName;
use setpoint_policies::snapshot::{Instance, InstanceId, Labels, Received};
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;
use setpoint_proto::bounds;
use setpoint_proto::message::{Ack, BreakerState, Hello, KnobUpdate, Mode, Report};
use tokio::sync::watch;

use super::desired::{Desired, Wanted};
use super::known::Known;
use super::outbox::Delivery;
use super::refusal::{Cause, Refusal};
use crate::metrics::calls::Calls;

/// A frame that waits longer than this for its ack makes the session lag.
const LAGGING_AFTER: Duration = Duration::from_secs(1);

/// One connected process.
#[derive(Debug)]
pub struct Session {
    /// Its name in snapshots and decisions.
    pub id: InstanceId,
    /// The name of its service.
    pub service: Arc<str>,
    /// Its own name, stable for one process life.
    pub instance: Arc<str>,
    /// Which SDK it uses.
    pub sdk: Arc<str>,
    /// Which life of the process.
    pub incarnation: u64,
    /// What it says of itself, such as its zone.
    pub labels: Arc<Labels>,
    /// What its task should do; the newest word wins.
    pub orders: watch::Sender<Orders>,
    known: Mutex<Known>,
}

/// What the registry wants of a session's task.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// The newest desired state.
    pub desired: Desired,
    /// Set once, to end the session.
    pub ending: Option<Ending>,
}

/// Why a session is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sidecar goes away.
    Draining,
    /// A newer connection of the same process took over.
    Replaced,
}

/// How well a session follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Everything sent is acknowledged.
    Synced,
    /// A frame is on its way.
    Sent,
    /// A frame has waited for its ack for over a second.
    Lagging,
    /// The SDK refused a value that is still wanted.
    Nacked,
}

impl Session {
    /// A session that starts with what its hello tells, the values in force included: a new sidecar learns from them.
    pub fn new(hello: &Hello) -> Self {
        let mut known = Known::default();
        known.knobs.extend(hello.knobs.iter().map(|knob| (knob.name.clone(), Arc::new(knob.clone()))));
        for applied in &hello.state {
            known.read_back(applied, None);
        }
        Self {
            id: instance_id(hello),
            service: hello.service.as_str().into(),
            instance: hello.instance_id.as_str().into(),
            sdk: hello.sdk.as_str().into(),
            incarnation: hello.incarnation,
            labels: Arc::new(hello.labels.clone()),
            orders: watch::Sender::new(Orders::default()),
            known: Mutex::new(known),
        }
    }

    /// What the engine sees of it.
    pub fn snapshot(&self) -> Instance {
        let known = self.known();
        Instance {
            id: self.id.clone(),
            service: Arc::clone(&self.service),
            incarnation: self.incarnation,
            labels: Arc::clone(&self.labels),
            knobs: known.knobs.values().cloned().collect(),
            in_force: known.in_force.clone(),
            totals: known.totals.clone(),
            signals: known.signals,
        }
    }

    /// The value in force of one knob, if it was ever told.
    pub fn in_force(&self, knob: &KnobName) -> Option<Value> {
        self.known().in_force.get(knob).copied()
    }

    /// The shares of each limit in force that were pushed, as read back.
    pub fn shares(&self) -> BTreeMap<KnobName, Shares> {
        self.known().shares.clone()
    }

    /// What the breakers do with calls, as reported last.
    pub fn breakers(&self) -> BTreeMap<KnobName, BreakerState> {
        self.known().breakers.clone()
    }

    /// Whether a setpoint for this knob may be sent: it is declared and takes effect without a restart.
    pub fn is_hot(&self, knob: &KnobName) -> bool {
        self.known().knobs.get(knob).is_some_and(|knob| knob.hot)
    }

    /// Stores measurements; gives the calls since the report before. Counters of more limiters than [`bounds::RESOURCES`] are
    /// left out. What the `first` report of a connection tells is past; a limiter that was not in it has come since.
    pub fn report(&self, report: &Report, first: bool, now: Timestamp) -> Vec<(KnobName, Calls)> {
        let (mut known, mut called) = (self.known(), Vec::new());
        for (knob, totals) in &report.totals {
            if known.totals.len() >= bounds::RESOURCES && !known.totals.contains_key(knob) {
                continue;
            }
            let received = Received { at: now, totals: Arc::new(totals.clone()) };
            let before = known.totals.insert(knob.clone(), received);
            if known.knobs.contains_key(knob) {
                let before =
                    if first { totals } else { &*before.map_or_else(Arc::default, |there| there.totals) };
                called.push((knob.clone(), Calls::between(before, totals)));
            }
        }
        for (signal, value) in &report.signals {
            known.signals.set(*signal, *value, now);
        }
        known.breakers.clone_from(&report.breakers);
        called
    }

    /// Stores what an ack read back; `wanted` is what its frame asked for, and `named` says which knobs some channel's newest
    /// frame asks for.
    pub fn acknowledged(&self, ack: &Ack, wanted: &Wanted, named: impl Fn(&KnobName) -> bool) {
        let mut known = self.known();
        for result in &ack.results {
            known.read_back(result, wanted.value(&result.knob));
        }
        if wanted.mode == Mode::Apply {
            known.give_back(ack.channel, named);
        }
    }

    /// Adds and removes knobs.
    ///
    /// # Errors
    /// [`Cause::Knobs`] when the process would have more than [`bounds::KNOBS`].
    pub fn update_knobs(&self, update: &KnobUpdate) -> Result<(), Refusal> {
        let mut known = self.known();
        for name in &update.remove {
            known.knobs.remove(name);
            known.in_force.remove(name);
            known.shares.remove(name);
            known.owned.remove(name);
            known.totals.remove(name);
        }
        for knob in &update.add {
            known.knobs.insert(knob.name.clone(), Arc::new(knob.clone()));
        }
        if known.knobs.len() > bounds::KNOBS {
            let text = format!("knobs.add: more than {} knobs in one process", bounds::KNOBS);
            return Err(Refusal::new(Cause::Knobs, text));
        }
        Ok(())
    }

    /// Notes how the task's frames fare.
    pub fn set_delivery(&self, delivery: Delivery) {
        self.known().delivery = delivery;
    }

    /// How well it follows.
    pub fn follows(&self, now: Timestamp) -> Follows {
        let Delivery { waiting_since, refused } = self.known().delivery;
        match waiting_since.map(|since| now.since(since)) {
            Some(waited) if waited > LAGGING_AFTER => Follows::Lagging,
            _ if refused => Follows::Nacked,
            Some(_) => Follows::Sent,
            None => Follows::Synced,
        }
    }

    /// Tells its task to end. The first reason stands.
    pub fn end(&self, ending: Ending) {
        self.orders.send_if_modified(|orders| {
            let first = orders.ending.is_none();
            orders.ending.get_or_insert(ending);
            first
        });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every update is a sequence of whole inserts, so what a panic left behind is still sound.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a process in snapshots, `service/instance`: readable in a log, and unique, because a slash in the name of
/// the service is escaped.
fn instance_id(hello: &Hello) -> InstanceId {
    let service = hello.service.replace('%', "%25").replace('/', "%2F");
    InstanceId(format!("{service}/{}", hello.instance_id).into())
}

/// The process's own name behind [`instance_id`].
pub fn instance_name(id: &InstanceId) -> &str {
    id.0.split_once('/').map_or(&*id.0, |(_, instance)| instance)
}

#[cfg(test)]
mod tests {
    use setpoint_policies::knob::{Kind, Knob};
    use setpoint_proto::message::{Channel, Status};

    use super::*;
    use crate::rig::applied;

    #[test]
    fn l6_what_a_frame_names_no_more_is_at_its_baseline() {
        let name = |text: &str| KnobName::try_new(text).unwrap();
        let knob = |text| Knob::try_new(name(text), Kind::ConcurrencyLimit, 4.0, 400.0, 50.0).unwrap();
        let knobs = ["limit.a", "limit.b", "limit.mine"].map(knob).to_vec();
        let session = Session::new(&Hello { knobs, ..crate::rig::hello("one") });
        let lines = vec![
            applied("limit.a", Status::Applied, 80.0),
            applied("limit.b", Status::Applied, 80.0),
            applied("limit.mine", Status::LocalOverride, 60.0),
        ];
        let channel = Channel::of(&Value::Concurrency(80.0));
        let ack = |results, channel| Ack { channel, nonce: 1, results };
        let wanted = |mode| Wanted { mode, revision: String::new(), set: Vec::new(), watched: Vec::new() };
        let in_force = || {
            ["limit.a", "limit.b", "limit.mine"].map(|knob| session.in_force(&name(knob)).unwrap().scalar())
        };
        session.acknowledged(&ack(lines, channel), &wanted(Mode::Apply), |_| true);
        assert_eq!(in_force(), [80.0, 80.0, 60.0]);
        session.acknowledged(&ack(vec![], channel), &wanted(Mode::Shadow), |_| false);
        session.acknowledged(&ack(vec![], Channel::Runtime), &wanted(Mode::Apply), |_| false);
        assert_eq!(in_force(), [80.0, 80.0, 60.0], "a frame that moves nothing, and one of another channel");
        session.acknowledged(&ack(vec![], channel), &wanted(Mode::Apply), |knob| knob.as_str() == "limit.b");
        assert_eq!(in_force(), [50.0, 80.0, 60.0], "given back, still wanted, held by its owner");
    }

    #[test]
    fn names_do_not_collide() {
        let id = |service: &str, instance: &str| {
            instance_id(&Hello { service: service.to_owned(), ..crate::rig::hello(instance) })
        };
        assert_eq!(&*id("checkout", "a/b").0, "checkout/a/b");
        assert_ne!(id("team/checkout", "a"), id("team", "checkout/a"));
        assert_ne!(id("a/b", "c"), id("a%2Fb", "c"));
        assert_eq!(instance_name(&id("team/checkout", "x/y")), "x/y");
    }
}
