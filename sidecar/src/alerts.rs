//! What fires now, and the newest beginnings and ends.
//!
//! The engine says in each tick what fires; this compares with the tick before, and keeps and returns what is new, for the log and
//! for `replay`. So each trouble is two lines, whatever its length, and an alert whose process or policy has gone ends by itself.
//! Bounded: what fires by policies and processes, what is kept by [`CAPACITY`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use setpoint_policies::alert::Firing;
use setpoint_policies::snapshot::Snapshot;
use setpoint_policies::time::Timestamp;

/// Beginnings and ends that are kept.
pub const CAPACITY: usize = 200;

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It fires.
    Began,
    /// It fires on, and is more severe than before.
    Worsened,
    /// It fires no more.
    Ended,
}

impl Happened {
    /// The name in logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Worsened => "worsened",
            Self::Ended => "ended",
        }
    }
}

/// An alert and the service that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The name of the service.
    pub service: Arc<str>,
    /// The alert, as it was said last.
    pub firing: Firing,
}

/// A beginning or an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub happened: Happened,
    /// Of what.
    pub of: Standing,
}

/// All alerts of one sidecar.
#[derive(Debug, Default)]
pub struct Alerts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    standing: Vec<Standing>,
    entries: VecDeque<Entry>,
}

impl Alerts {
    /// Takes over what fires in this tick. Returns what is new in it: what began, worsened or ended.
    pub fn note(&self, seen: &Snapshot, firing: Vec<Firing>) -> Vec<Entry> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if firing.is_empty() && known.standing.is_empty() {
            return Vec::new();
        }
        let of_service = |firing: Firing| {
            let instance = seen.instances.iter().find(|instance| instance.id == firing.instance)?;
            Some(Standing { service: Arc::clone(&instance.service), firing })
        };
        let standing: Vec<_> = firing.into_iter().filter_map(of_service).collect();
        let before = std::mem::take(&mut known.standing);
        let ended = before.iter().filter(|old| !standing.iter().any(|new| same(old, new)));
        let entry = |happened, of: &Standing| Entry { at: seen.at, happened, of: of.clone() };
        let mut entries: Vec<_> = ended.map(|old| entry(Happened::Ended, old)).collect();
        for new in &standing {
            let happened = match before.iter().find(|old| same(old, new)) {
                None => Happened::Began,
                Some(old) if new.firing.alert.severity > old.firing.alert.severity => Happened::Worsened,
                Some(_) => continue,
            };
            entries.push(entry(happened, new));
        }
        known.standing = standing;
        for entry in &entries {
            if known.entries.len() == CAPACITY {
                known.entries.pop_front();
            }
            known.entries.push_back(entry.clone());
        }
        entries
    }

    /// What fires now.
    pub fn standing(&self) -> Vec<Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).standing.clone()
    }

    /// The newest beginnings and ends, oldest first.
    pub fn newest(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.iter().cloned().collect()
    }
}

/// Whether it is the same trouble: one that ended and began again in between is another.
fn same(a: &Standing, b: &Standing) -> bool {
    let key = |firing: &Firing| (firing.instance.clone(), Arc::clone(&firing.policy), firing.since);
    key(&a.firing) == key(&b.firing)
}

impl Entry {
    /// Says it in the log.
    pub fn log(&self) {
        let Standing { service, firing } = &self.of;
        let (alert, lasted) = (firing.alert, self.at.since(firing.since));
        tracing::warn!(
            %service,
            instance = &*firing.instance.0,
            policy = &*firing.policy,
            happened = self.happened.name(),
            severity = alert.severity.name(),
            rule = alert.reason.rule(),
            reason = %alert.reason,
            lasted_seconds = lasted.as_secs_f64(),
            "alert"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig;
    use setpoint_policies::alert::{Alert, Severity};
    use setpoint_policies::reason::Reason;
    use setpoint_policies::snapshot::InstanceId;

    fn seen(millis: u64) -> Snapshot {
        let instance = rig::instance("demo/1");
        Snapshot { at: Timestamp::from_millis(millis), instances: vec![instance], ..Snapshot::default() }
    }

    fn firing(policy: &str, since: u64, severity: Severity) -> Firing {
        Firing {
            instance: InstanceId("demo/1".into()),
            policy: policy.into(),
            knob: None,
            since: Timestamp::from_millis(since),
            alert: Alert { severity, reason: Reason::Calm },
        }
    }

    fn happened(alerts: &Alerts) -> Vec<(&'static str, String)> {
        let entries = alerts.newest().into_iter();
        entries.map(|entry| (entry.happened.name(), entry.of.firing.policy.to_string())).collect()
    }

    #[test]
    fn b7_each_trouble_is_told_when_it_begins_worsens_and_ends() {
        use Severity::{Critical, Warning};
        let alerts = Alerts::default();
        for (millis, firing) in [
            (100, vec![firing("a", 100, Warning)]),
            (200, vec![firing("a", 100, Warning), firing("b", 200, Critical)]),
            (300, vec![firing("a", 100, Critical), firing("b", 200, Warning)]),
            (400, vec![firing("b", 200, Critical)]),
            (500, vec![firing("b", 450, Critical)]),
        ] {
            let before = alerts.newest().len();
            assert_eq!(alerts.note(&seen(millis), firing), alerts.newest()[before..]);
        }
        let told = |pairs: &[(&'static str, &str)]| -> Vec<_> {
            pairs.iter().map(|(happened, policy)| (*happened, (*policy).to_owned())).collect()
        };
        let expected = [
            ("began", "a"),
            ("began", "b"),
            ("worsened", "a"),
            ("ended", "a"),
            ("worsened", "b"),
            ("ended", "b"),
            ("began", "b"),
        ];
        assert_eq!(happened(&alerts), told(&expected));
        assert_eq!(alerts.standing().len(), 1);
        let gone = Snapshot { instances: Vec::new(), ..seen(600) };
        alerts.note(&gone, Vec::new());
        assert_eq!((alerts.standing().len(), alerts.newest().len()), (0, 8), "the process has gone");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let alerts = Alerts::default();
        for millis in 0..2 * CAPACITY as u64 {
            alerts.note(&seen(millis), vec![firing("a", millis, Severity::Warning)]);
        }
        assert_eq!(alerts.newest().len(), CAPACITY);
    }
}
