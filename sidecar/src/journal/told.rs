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

/// A change of more than this share is news.
const QUARTER: f64 = 0.25;

/// The value of each knob in its last line.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<(InstanceId, KnobName), Value>);

impl Told {
    /// Whether this change is news; then it counts as told. Forgets processes that are not among `seen` any more.
    pub(super) fn is_news(&mut self, decision: &Decision, seen: &[Instance]) -> bool {
        let key = (decision.instance.clone(), decision.knob.clone());
        let before = self.0.get(&key);
        if before.is_some_and(|before| !differs(before, &decision.to)) {
            return false;
        }
        if before.is_none() {
            self.0.retain(|(id, _), _| seen.iter().any(|instance| instance.id == *id));
        }
        self.0.insert(key, decision.to);
        true
    }
}

fn differs(told: &Value, to: &Value) -> bool {
    match (told, to) {
        (Value::Gc(told), Value::Gc(to)) => {
            let budget = |bytes: Option<u64>| bytes.map_or(0.0, |bytes| bytes as f64);
            let percent = |percent: Option<u32>| percent.map_or(0.0, f64::from);
            moved(budget(told.budget_bytes), budget(to.budget_bytes))
                || moved(percent(told.percent), percent(to.percent))
        }
        (Value::Breaker(told), Value::Breaker(to)) => told.number() != to.number(),
        (Value::Switch(told), Value::Switch(to)) => told != to,
        _ => moved(told.scalar(), to.scalar()),
    }
}

fn moved(from: f64, to: f64) -> bool {
    (to - from).abs() > QUARTER * from.abs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use setpoint_policies::envelope::GcTarget;
    use setpoint_policies::value::Breaker;

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
    fn every_state_is_told_and_what_comes_with_it_is_not() {
        let open = |seconds| Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(seconds) });
        let local = Value::Breaker(Breaker::Local);
        let gc =
            |mib: u64, percent| Value::Gc(GcTarget { percent: Some(percent), ..GcTarget::budget(mib << 20) });
        for (told, to, news) in [
            (local, open(1), true),
            (open(1), open(2), false),
            (Value::Switch(false), Value::Switch(true), true),
            (gc(400, 100), gc(410, 110), false),
            (gc(400, 100), gc(410, 200), true),
            (gc(400, 100), gc(200, 100), true),
            (Value::Number(8.0), Value::Number(9.0), false),
        ] {
            assert_eq!(differs(&told, &to), news, "{told:?} -> {to:?}");
        }
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
