//! The list of everything that is registered in a process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use setpoint_policies::knob::KnobName;
use tokio::sync::watch;

use super::{Actuator, Entry};
use crate::limiter::Limiter;
use crate::sync::locked;

/// The most knobs of one process. A name for each user or key is a mistake that must not cost memory without end.
pub(crate) const MAX_KNOBS: usize = 1024;

/// Everything registered in this process.
pub(crate) struct Registry {
    listed: Mutex<Listed>,
    /// Counts registrations.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Listed {
    entries: BTreeMap<KnobName, Entry>,
    disabled: bool,
}

impl Registry {
    pub fn new() -> Self {
        Self { listed: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// What is registered under `name`, made and registered first if there is nothing. `None` when the list is full.
    pub fn register(&self, name: &KnobName, make: impl FnOnce() -> Entry) -> Option<Entry> {
        let mut listed = locked(&self.listed);
        if let Some(entry) = listed.entries.get(name) {
            return Some(entry.clone());
        }
        if listed.entries.len() >= MAX_KNOBS {
            return None;
        }
        let entry = make();
        if listed.disabled {
            entry.actuator().enforce(false);
        }
        listed.entries.insert(name.clone(), entry.clone());
        drop(listed);
        self.changes.send_modify(|generation| *generation += 1);
        Some(entry)
    }

    /// The knob of that name.
    #[cfg(test)]
    pub fn find(&self, name: &KnobName) -> Option<Arc<dyn Actuator>> {
        locked(&self.listed).entries.get(name).map(Entry::actuator)
    }

    /// Whether nothing is registered.
    pub fn is_empty(&self) -> bool {
        locked(&self.listed).entries.is_empty()
    }

    /// Everything registered now, by name.
    pub fn actuators(&self) -> Vec<Arc<dyn Actuator>> {
        locked(&self.listed).entries.values().map(Entry::actuator).collect()
    }

    /// Every limiter registered now, by name.
    pub fn limiters(&self) -> Vec<(KnobName, Limiter)> {
        let limiter = |(name, entry): (&KnobName, &Entry)| match entry {
            Entry::Limiter(limiter) => Some((name.clone(), *limiter)),
            _ => None,
        };
        locked(&self.listed).entries.iter().filter_map(limiter).collect()
    }

    /// Wakes when something was registered; the value counts registrations.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether the kill switch is on.
    pub fn disabled(&self) -> bool {
        locked(&self.listed).disabled
    }

    /// Turns the kill switch. Whether that changed anything.
    pub(super) fn set_disabled(&self, disabled: bool) -> bool {
        if std::mem::replace(&mut locked(&self.listed).disabled, disabled) == disabled {
            return false;
        }
        // Outside of the lock: a knob's callback may register another knob.
        for actuator in self.actuators() {
            actuator.enforce(!disabled);
        }
        true
    }
}
