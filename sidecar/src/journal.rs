//! The newest changes and why they were made: a bounded ring that the status page reads.
//!
//! Only changes are kept. A hold says nothing that the newest change has not said, and ten of them per second and knob
//! would push out what people look for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use setpoint_policies::decision::{Action, Decision};
use setpoint_policies::snapshot::Snapshot;
use setpoint_policies::time::Timestamp;
use setpoint_policies::value::Value;
use tracing::Level;

use crate::sessions::desired::explain;

mod told;

use told::Told;

/// The line of a change. The level of a line must be a constant.
macro_rules! line {
    ($level:expr, $decision:expr) => {
        tracing::event!(
            $level,
            instance = &*$decision.instance.0,
            knob = $decision.knob.as_str(),
            from = said(&$decision.from),
            to = said(&$decision.to),
            action = $decision.action.name(),
            policy = &*$decision.policy,
            rule = $decision.reason.rule(),
            reason = explain($decision),
            id = $decision.id,
            "setpoint changed"
        )
    };
}

/// Changes that are kept.
pub const CAPACITY: usize = 1000;

/// One change.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it was decided.
    pub at: Timestamp,
    /// The name of the service.
    pub service: Arc<str>,
    /// What was decided.
    pub decision: Decision,
}

/// The newest changes.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    newest_id: u64,
    told: Told,
}

impl Journal {
    /// Keeps and logs the decisions of a tick that change something: at info what is news, the others at debug.
    pub fn record(&self, seen: &Snapshot, decisions: &[Decision]) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest_id = ring.newest_id;
        for decision in decisions.iter().filter(|decision| decision.id > newest_id) {
            ring.newest_id = ring.newest_id.max(decision.id);
            // The first decision about a knob is new as well, even when it only takes over what is in force.
            if decision.action == Action::Hold {
                continue;
            }
            let instance = seen.instances.iter().find(|instance| instance.id == decision.instance);
            let Some(instance) = instance else { continue };
            if ring.told.is_news(decision, &seen.instances) {
                line!(Level::INFO, decision);
            } else {
                line!(Level::DEBUG, decision);
            }
            if ring.entries.len() == CAPACITY {
                ring.entries.pop_front();
            }
            let service = Arc::clone(&instance.service);
            ring.entries.push_back(Entry { at: seen.at, service, decision: decision.clone() });
        }
    }

    /// The changes after the one with this id, oldest first.
    pub fn after(&self, id: u64) -> Vec<Entry> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.entries.iter().filter(|entry| entry.decision.id > id).cloned().collect()
    }

    /// The newest `count` changes, oldest first.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.entries.iter().skip(ring.entries.len().saturating_sub(count)).cloned().collect()
    }
}

/// A value as a log has it: a number, or the name of a breaker's state.
fn said(value: &Value) -> Box<dyn tracing::Value> {
    match value.state() {
        Some(state) => Box::new(state),
        None => Box::new(value.scalar()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig;
    use setpoint_policies::admission::Admission;
    use setpoint_policies::knob::KnobName;
    use setpoint_policies::reason::Reason;
    use setpoint_policies::snapshot::InstanceId;
    use setpoint_policies::value::Breaker;

    fn snapshot() -> Snapshot {
        let instance = rig::instance("demo/1");
        Snapshot { instances: vec![instance], ..Snapshot::default() }
    }

    fn decision(id: u64, action: Action) -> Decision {
        Decision {
            id,
            instance: InstanceId("demo/1".into()),
            knob: KnobName::try_new("limit.inbound").expect("valid"),
            from: Value::Concurrency(50.0),
            to: Value::Concurrency(35.0),
            admission: Admission::default(),
            action,
            policy: "inbound".into(),
            reason: Reason::Calm,
            guarded: None,
            overruled: Vec::new(),
        }
    }

    fn ids(journal: &Journal) -> Vec<u64> {
        journal.newest(CAPACITY).iter().map(|entry| entry.decision.id).collect()
    }

    #[test]
    fn the_log_has_the_name_of_a_breakers_state() {
        let open = Breaker::Open { retry_after: std::time::Duration::ZERO };
        let said = [Value::Breaker(Breaker::Closed), Value::Breaker(open), Value::Concurrency(35.5)]
            .map(|value| format!("{:?}", said(&value)));
        assert_eq!(said, ["\"closed\"", "\"open\"", "35.5"]);
    }

    #[test]
    fn a_change_is_kept_once_and_holds_are_not() {
        let journal = Journal::default();
        journal.record(&snapshot(), &[decision(1, Action::Hold)]);
        journal.record(&snapshot(), &[decision(2, Action::Decrease)]);
        journal.record(&snapshot(), &[decision(2, Action::Decrease)]);
        journal.record(&snapshot(), &[decision(2, Action::Hold), decision(3, Action::Increase)]);
        assert_eq!(ids(&journal), [2, 3]);
    }

    #[test]
    fn the_oldest_changes_make_room() {
        let journal = Journal::default();
        for id in 1..=CAPACITY as u64 + 5 {
            journal.record(&snapshot(), &[decision(id, Action::Decrease)]);
        }
        let kept = ids(&journal);
        assert_eq!((kept.len(), kept[0], kept[CAPACITY - 1]), (CAPACITY, 6, CAPACITY as u64 + 5));
        assert_eq!(journal.newest(2).len(), 2);
        let after = |id| journal.after(id).iter().map(|entry| entry.decision.id).collect::<Vec<_>>();
        let last = CAPACITY as u64 + 5;
        assert_eq!((after(last - 2), after(last), after(0).len()), (vec![last - 1, last], vec![], CAPACITY));
    }
}
