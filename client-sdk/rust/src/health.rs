//! How the SDK stands with its sidecar. For a status page; no call ever depends on it.

use std::sync::atomic::{AtomicU8, Ordering};

/// How the SDK stands with its sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Health {
    /// The control loop is alive, and the leases are valid or nothing was pushed.
    Synced,
    /// No sign of life for two beats, or no connection, but the leases are still valid.
    Quiet,
    /// The sidecar is lost; the values of the last leases are kept.
    Held,
    /// The sidecar is lost; values move to their baselines.
    Decaying,
    /// No sidecar and no lease: every knob is at its baseline.
    #[default]
    Baseline,
    /// Switched off: everything is admitted.
    Disabled,
}

impl Health {
    const ALL: [Self; 6] =
        [Self::Synced, Self::Quiet, Self::Held, Self::Decaying, Self::Baseline, Self::Disabled];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Quiet => "quiet",
            Self::Held => "held",
            Self::Decaying => "decaying",
            Self::Baseline => "baseline",
            Self::Disabled => "disabled",
        }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The current health, written by the session.
#[derive(Debug)]
pub(crate) struct HealthCell(AtomicU8);

impl Default for HealthCell {
    fn default() -> Self {
        Self(AtomicU8::new(Health::default() as u8))
    }
}

impl HealthCell {
    pub fn get(&self) -> Health {
        Health::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    pub fn set(&self, health: Health) {
        self.0.store(health as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_the_cell_and_has_its_own_name() {
        let cell = HealthCell::default();
        assert_eq!(cell.get(), Health::Baseline);
        let mut names = std::collections::BTreeSet::new();
        for health in Health::ALL {
            cell.set(health);
            assert_eq!(cell.get(), health);
            assert!(names.insert(health.to_string()));
        }
    }
}
