//! What changed when and why: the demo's own events and the sidecar's decisions, on one clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::sidecar::status::{Decision, Status};

/// Decisions beyond this are counted, not kept.
const MOST_DECISIONS: usize = 5000;

/// Something that the demo did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When, in seconds of the story.
    pub at_seconds: f64,
    /// What.
    pub what: String,
}

/// The demo's events so far. Clones share them.
#[derive(Clone, Debug)]
pub struct Events {
    began: Instant,
    all: Arc<Mutex<Vec<Event>>>,
}

impl Events {
    /// None yet; the story begins now.
    pub fn begin() -> Self {
        Self { began: Instant::now(), all: Arc::default() }
    }

    /// Time of the story.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// `what` happened now.
    pub fn add(&self, what: String) {
        let at_seconds = self.now().as_secs_f64();
        self.lock().push(Event { at_seconds, what });
    }

    /// All so far.
    pub fn all(&self) -> Vec<Event> {
        self.lock().clone()
    }

    /// The newest.
    pub fn last(&self) -> Option<Event> {
        self.lock().last().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sidecar's decisions so far, over all its lives.
#[derive(Debug, Default)]
pub struct Decisions {
    epoch: serde_json::Value,
    last_id: Option<u64>,
    all: Vec<Decision>,
    dropped: u64,
}

impl Decisions {
    /// Takes what is new in `status`, seen at `now` of the story. The sidecar's clock (seconds since its start) is mapped to
    /// the story's by its own uptime.
    pub fn take(&mut self, status: &Status, now: Duration) {
        if self.epoch != status.epoch {
            self.epoch = status.epoch.clone();
            self.last_id = None;
        }
        for decision in &status.decisions {
            if self.last_id.is_some_and(|last| decision.id <= last) {
                continue;
            }
            self.last_id = Some(decision.id);
            if self.all.len() < MOST_DECISIONS {
                let age_seconds = (status.uptime_seconds - decision.at_seconds).max(0.0);
                let at_seconds = (now.as_secs_f64() - age_seconds).max(0.0);
                self.all.push(Decision { at_seconds, ..decision.clone() });
            } else {
                self.dropped += 1;
            }
        }
    }

    /// All that were kept.
    pub fn all(&self) -> &[Decision] {
        &self.all
    }

    /// How many were too many to keep.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// `from -> to` without needless digits.
pub fn change(decision: &Decision) -> String {
    let value = |value: Option<f64>| value.map_or("?".to_owned(), |value| format!("{value:.0}"));
    format!("{} {} -> {}", decision.knob, value(decision.from), value(decision.to))
}

/// Runs of decisions of the same policy in the same direction as one line each, between the events, in order of time.
pub fn lines(events: &[Event], decisions: &[Decision]) -> Vec<String> {
    let mut rows: Vec<(f64, String)> = events
        .iter()
        .map(|event| (event.at_seconds, format!("{:>6.1} s  * {}", event.at_seconds, event.what)))
        .collect();
    let mut rest = decisions;
    while let Some(first) = rest.first() {
        let next_event =
            events.iter().map(|e| e.at_seconds).find(|at| *at > first.at_seconds).unwrap_or(f64::INFINITY);
        let same = |d: &&Decision| {
            (&d.knob, &d.policy, &d.action) == (&first.knob, &first.policy, &first.action)
                && d.at_seconds < next_event
        };
        let run = rest.iter().take_while(same).count().max(1);
        let last = &rest[run - 1];
        let whole = Decision { to: last.to, ..first.clone() };
        let steps = if run > 1 { format!(" in {run} steps, first:") } else { ":".to_owned() };
        let text = format!("{:>6.1} s    {}{steps} {}", first.at_seconds, change(&whole), first.reason);
        rows.push((first.at_seconds, text));
        rest = &rest[run..];
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.into_iter().map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(id: u64, at_seconds: f64, from: f64, to: f64, action: &str) -> Decision {
        Decision {
            id,
            at_seconds,
            knob: "limit.inbound".to_owned(),
            from: Some(from),
            to: Some(to),
            policy: "inbound".to_owned(),
            action: action.to_owned(),
            reason: format!("reason {id}"),
            ..Decision::default()
        }
    }

    #[test]
    fn decisions_are_taken_once_and_a_new_life_begins_anew() {
        let mut log = Decisions::default();
        let status = |epoch: u64, ids: &[u64]| Status {
            epoch: epoch.into(),
            uptime_seconds: 10.0,
            decisions: ids.iter().map(|id| decision(*id, 9.8, 1.0, 2.0, "increase")).collect(),
            ..Status::default()
        };
        log.take(&status(1, &[1, 2]), Duration::from_secs(1));
        log.take(&status(1, &[1, 2, 3]), Duration::from_secs(2));
        log.take(&status(2, &[1]), Duration::from_secs(3));
        let seen: Vec<_> = log.all().iter().map(|d| (d.id, format!("{:.1}", d.at_seconds))).collect();
        let expected = [(1, "0.8"), (2, "0.8"), (3, "1.8"), (1, "2.8")];
        assert_eq!(seen, expected.map(|(id, at)| (id, at.to_owned())));
    }

    #[test]
    fn runs_are_told_in_one_line_between_the_events() {
        let events = [Event { at_seconds: 6.0, what: "overload".to_owned() }];
        let decisions = [
            decision(1, 5.0, 50.0, 49.0, "decrease"),
            decision(2, 6.3, 49.0, 30.0, "decrease"),
            decision(3, 6.9, 30.0, 14.2, "decrease"),
            decision(4, 8.0, 14.2, 15.0, "increase"),
        ];
        let expected = [
            "   5.0 s    limit.inbound 50 -> 49: reason 1",
            "   6.0 s  * overload",
            "   6.3 s    limit.inbound 49 -> 14 in 2 steps, first: reason 2",
            "   8.0 s    limit.inbound 14 -> 15: reason 4",
        ];
        assert_eq!(lines(&events, &decisions), expected);
    }

    #[test]
    fn an_unknown_value_is_not_shown_as_zero() {
        let unknown = Decision { from: None, ..decision(1, 0.0, 0.0, 7.0, "restore") };
        assert_eq!(change(&unknown), "limit.inbound ? -> 7");
    }
}
