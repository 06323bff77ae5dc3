//! Notices that the policy file changed, and reads it when it has settled.
//!
//! Polling, not inotify: a watch on a file dies at the first swap of a ConfigMap, and a watch on the directory reports that
//! swap in two ways. A look is a `readlink` and a `stat` on each tick; when a change has settled, the file is read. The hash
//! of what runs is nothing new, and neither is an error that was told.
//!
//! | the file is | what runs | status | told |
//! |---|---|---|---|
//! | good and new | it | active | returned once |
//! | good and what runs | stays | active | - |
//! | bad, empty, gone, too large | stays | last_good | logged once, kept in the state |
//! | the same at the start, and a last good one was kept | the kept one | last_good | the same, and that it was restored |
//! | the same, and nothing ran before | nothing | observe_only | logged once, kept in the state |
//!
//! Everything here runs on the loop's thread. Measured: a look 2 us (3 us on a ConfigMap), reading and checking the preset
//! 0.1 ms, refusing the worst hostile file of 256 KiB 6 ms. Only a local file system is expected below it: one that hangs
//! would hang the loop.

use std::path::PathBuf;
use std::sync::Arc;

use setpoint_policies::spec::PolicySet;
use setpoint_policies::time::Timestamp;

use super::Loaded;
use super::folder::{self, Content, Stamp, Watched};
use super::settle::Settling;
use crate::yaml::Problems;

/// What the policies that run come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The file as it is.
    Active,
    /// An earlier content of the file, which is bad or gone now; perhaps one that an earlier sidecar kept.
    LastGood,
    /// No file was good yet: everything is seen, nothing is moved.
    ObserveOnly,
}

impl Status {
    /// The name in metrics, logs and on the page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::LastGood => "last_good",
            Self::ObserveOnly => "observe_only",
        }
    }
}

/// The state of the configuration, for metrics, `/status` and the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigState {
    /// What the policies that run come from.
    pub status: Status,
    /// Hash of the content that runs; empty when none does.
    pub revision: String,
    /// Why the file as it is does not run; one line per problem.
    pub error: Option<String>,
    /// What runs was kept by an earlier sidecar; this one has not seen a good file yet.
    pub restored: bool,
    /// When one of the above last changed.
    pub since: Timestamp,
}

/// Keeps what runs in step with the file. Has no clock: time is an argument.
#[derive(Debug)]
pub struct Reloader {
    dir: PathBuf,
    watched: Watched,
    settling: Settling<Stamp>,
    state: ConfigState,
    /// The content that runs.
    content: Option<Arc<[u8]>>,
}

impl Reloader {
    /// Watches `dir/policy.yaml`, and reads nothing yet; neither has to exist. Call [`Self::force`] for a start without delay.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let watched = Watched::new(&dir);
        let state = ConfigState {
            status: Status::ObserveOnly,
            revision: String::new(),
            error: None,
            restored: false,
            since: Timestamp::ZERO,
        };
        Self { dir, watched, settling: Settling::new(), state, content: None }
    }

    /// What runs, and why not what the file says.
    pub const fn state(&self) -> &ConfigState {
        &self.state
    }

    /// The bytes of what runs.
    pub fn content(&self) -> Option<&Arc<[u8]>> {
        self.content.as_ref()
    }

    /// When to call [`Self::poll`] again at the latest, if a change is settling.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.settling.due()
    }

    /// Looks for a change; a new good set is returned once. Two system calls when nothing changed.
    pub fn poll(&mut self, now: Timestamp) -> Option<Arc<PolicySet>> {
        if !self.settling.look(now, self.watched.look()) {
            return None;
        }
        let content = folder::read(&self.dir);
        if !self.settling.is_whole(&self.watched.look()) {
            return None;
        }
        self.judge(now, content).unwrap_or_default()
    }

    /// Reads at once, without settling (SIGHUP, `POST /-/reload`, start). `Ok(None)`: the file is what runs already.
    /// One settling time later [`Self::poll`] reads once more, in case the file was being written.
    ///
    /// # Errors
    /// Why the file is refused; what runs stays.
    pub fn force(&mut self, now: Timestamp) -> Result<Option<Arc<PolicySet>>, Problems> {
        self.settling.force(now, self.watched.look());
        let content = folder::read(&self.dir);
        self.judge(now, content)
    }

    /// Runs what an earlier sidecar kept, until there is a good file. To be called when [`Self::force`] found none at the
    /// start, and nothing runs.
    pub fn restore(&mut self, now: Timestamp, kept: Loaded) -> Arc<PolicySet> {
        let Loaded { set, content, .. } = kept;
        let error = self.state.error.clone();
        self.change(now, Status::LastGood, set.revision.clone(), error, true);
        self.content = Some(content);
        tracing::warn!(
            revision = set.revision,
            policies = set.policies.len(),
            "the last good policy that was kept runs"
        );
        set
    }

    fn judge(
        &mut self,
        now: Timestamp,
        content: Result<Content, String>,
    ) -> Result<Option<Arc<PolicySet>>, Problems> {
        match super::loaded(content) {
            Ok(loaded) => Ok(self.accept(now, loaded)),
            Err(errors) => {
                self.refuse(now, &errors);
                Err(errors)
            }
        }
    }

    fn accept(&mut self, now: Timestamp, loaded: Loaded) -> Option<Arc<PolicySet>> {
        let set = loaded.set;
        let new = set.revision != self.state.revision;
        let changed = self.change(now, Status::Active, set.revision.clone(), None, false);
        if !new {
            if changed {
                tracing::info!(revision = set.revision, "policy file is good again");
            }
            return None;
        }
        tracing::info!(revision = set.revision, policies = set.policies.len(), "policy file loaded");
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "policy file has a warning");
        }
        self.content = Some(loaded.content);
        Some(set)
    }

    fn refuse(&mut self, now: Timestamp, errors: &Problems) {
        let nothing_ran = self.state.revision.is_empty();
        let status = if nothing_ran { Status::ObserveOnly } else { Status::LastGood };
        let (revision, restored) = (self.state.revision.clone(), self.state.restored);
        if self.change(now, status, revision, Some(errors.to_string()), restored) {
            tracing::warn!(%errors, runs = status.name(), "policy file refused");
        }
    }

    /// Whether the state is another one now.
    fn change(
        &mut self,
        now: Timestamp,
        status: Status,
        revision: String,
        error: Option<String>,
        restored: bool,
    ) -> bool {
        let state = ConfigState { status, revision, error, restored, since: self.state.since };
        let changed = state != self.state;
        if changed {
            self.state = ConfigState { since: now, ..state };
        }
        changed
    }
}

#[cfg(test)]
mod tests;
