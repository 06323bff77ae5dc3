//! The owner's callback, called where a hang of it stops nothing.
//!
//! The session looks after every lease of the process, so it must not stand still because one callback waits for a lock or a
//! network. A change that the session makes is told on a thread of its own, for which the session waits a moment: nearly
//! always the callback is back by then, and whether it took the value is known at once. One that takes longer keeps its
//! thread and is left alone. The number itself is in force all the same and follows leases and bounds; whatever comes
//! meanwhile is told when the callback is back, the newest value only.
//!
//! So there is at most one thread for each knob, and calls for one knob never overlap.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use setpoint_policies::value::Value;
use setpoint_proto::message::Why;

use super::{NumericKnob, OnChange};
use crate::slot::Wish;
use crate::sync::locked;

/// The session waits so long for a callback: less than what counts as a stall of its timer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(80);

/// A callback, and how far it is.
pub(super) struct Callback {
    call: OnChange,
    patience: Duration,
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Debug)]
struct State {
    /// The value that the callback took last.
    told: f64,
    /// Somebody is telling it.
    busy: bool,
    /// What it is to be told then.
    next: Option<Change>,
    /// It has refused what the session told it.
    refused: bool,
}

/// Something to be told.
#[derive(Debug)]
pub(super) struct Change {
    pub to: f64,
    pub why: Why,
    /// What was wanted before, for the case that it is refused.
    pub before: Wish,
    /// What was put in force.
    pub asked: Option<Value>,
    pub by: By,
}

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The service, on a thread that it is free to block.
    Owner,
    /// The sidecar, a lease or the kill switch.
    Session,
}

impl Callback {
    pub fn new(call: OnChange, baseline: f64, patience: Duration) -> Self {
        let state = Mutex::new(State { told: baseline, busy: false, next: None, refused: false });
        Self { call, patience, state, idle: Condvar::new() }
    }

    /// The value that it took last, while it has not come back from the next one.
    pub fn behind(&self) -> Option<f64> {
        let state = locked(&self.state);
        state.busy.then_some(state.told)
    }

    /// Whether it has refused something that the session does not know of yet.
    pub fn take_refusal(&self) -> bool {
        std::mem::take(&mut locked(&self.state).refused)
    }

    /// Tells the callback, now or when it is back. False: it has refused.
    pub fn tell(&self, knob: &NumericKnob, change: Change) -> bool {
        let by = change.by;
        if !self.enter(change) {
            return true;
        }
        match by {
            By::Owner => self.run(knob),
            By::Session => {
                self.run_apart(knob);
                self.wait();
                !self.take_refusal()
            }
        }
    }

    /// Notes the change. True: the caller is the one to run.
    fn enter(&self, mut change: Change) -> bool {
        let mut state = locked(&self.state);
        if let Some(never_told) = state.next.take() {
            change.before = never_told.before;
        }
        state.next = Some(change);
        !std::mem::replace(&mut state.busy, true)
    }

    fn run_apart(&self, knob: &NumericKnob) {
        let own = knob.clone();
        let run = move || own.0.callback.as_ref().is_some_and(|callback| callback.run(&own));
        if let Err(error) = std::thread::Builder::new().name("setpoint-call".to_owned()).spawn(run) {
            tracing::error!(%error, "no thread for a callback: it runs on the session's");
            self.run(knob);
        }
    }

    fn wait(&self) {
        let state = locked(&self.state);
        // Nothing panics while it is locked, so there is nothing to learn from the result.
        drop(self.idle.wait_timeout_while(state, self.patience, |state| state.busy));
    }

    #[cfg(test)]
    pub fn until_idle(&self) {
        drop(self.idle.wait_while(locked(&self.state), |state| state.busy));
    }

    /// Tells what there is to be told, until there is nothing more. Whether the callback took the first of it.
    fn run(&self, knob: &NumericKnob) -> bool {
        let mut first = None;
        while let Some((told, change)) = self.next() {
            let took = self.call(knob, told, &change);
            first.get_or_insert(took);
            let mut state = locked(&self.state);
            if took {
                state.told = change.to;
            } else {
                state.refused |= change.by == By::Session;
            }
        }
        first.unwrap_or(true)
    }

    /// What it took last and what comes next. `None`: nothing, and nobody runs any more.
    fn next(&self) -> Option<(f64, Change)> {
        let mut state = locked(&self.state);
        let next = state.next.take();
        if next.is_none() {
            state.busy = false;
            self.idle.notify_all();
        }
        Some((state.told, next?))
    }

    fn call(&self, knob: &NumericKnob, old: f64, change: &Change) -> bool {
        let new = change.to;
        if old == new || catch_unwind(AssertUnwindSafe(|| (self.call)(old, new, &change.why))).is_ok() {
            return true;
        }
        knob.0.slot.restore(change.before, change.asked, |value| _ = knob.swap(value));
        let name = &knob.0.slot.knob().name;
        tracing::error!(knob = %name, old, new, "on_change panicked, previous value restored");
        false
    }
}

#[cfg(test)]
mod tests;
