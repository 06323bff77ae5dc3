//! Which changes are news for people who read the log.
//!
//! A law follows its service by many small steps, and an idle service has nothing to say, so not every change is worth a line at
//! info. The rule goes by what a reader of the log knows, not by one step: a knob's first change is told, then whatever has
//! moved it by more than a quarter since its last line, and every other state of a breaker or switch. So a slow drift is told
//! as well as a jump, and a value that goes to and fro is not. All changes are in the log at debug, and in the journal.

use std::collections::BTreeMap;

use setpoint_policies::decision::Decision;
use setpoint_policies::knob::KnobName;
use setpoint_policies::snapshot::{Instance, InstanceId};
use setpoint_policies::value::Value;

/// The value of each knob in its last line.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<(InstanceId, KnobName), Value>);

impl Told {
    /// Whether this change is news; then it counts as told. Forgets processes that are not among `seen` any more.
    pub(super) fn is_news(&mut self, decision: &Decision, seen: &[Instance]) -> bool {
        let key = (decision.instance.clone(), decision.knob.clone());
        let before = self.0.get(&key);
        if before.is_some_and(|before| !decision.to.is_far_from(before)) {
            return false;
        }
        if before.is_none() {
            self.0.retain(|(id, _), _| seen.iter().any(|instance| instance.id == *id));
        }
        self.0.insert(key, decision.to);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig;

    #[test]
    fn small_steps_are_told_once_they_add_up() {
        let (mut told, seen) = (Told::default(), [rig::instance("demo/a")]);
        let news = [50.0, 55.0, 45.0, 60.0, 62.5, 63.0, 50.0, 47.0, 0.0, 1.0]
            .map(|to| told.is_news(&rig::limit("a", to), &seen));
        assert_eq!(news, [true, false, false, false, false, true, false, true, true, true]);
    }

    #[test]
    fn processes_that_have_left_are_forgotten() {
        let mut told = Told::default();
        for n in 0..100 {
            let name = format!("p{n}");
            assert!(told.is_news(&rig::limit(&name, 50.0), &[rig::instance(&format!("demo/{name}"))]));
        }
        assert_eq!(told.0.len(), 1);
    }
}
