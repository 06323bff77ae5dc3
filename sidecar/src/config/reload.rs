//! Notices that the policy file changed, and reads it when it has settled.
//!
//! Polling, not inotify: a watch on a file dies at the first swap of a ConfigMap, and a watch on the directory reports that
//! swap in two ways. A look is a `readlink` and a `stat` on each tick. A change of any kind starts a settling time of
//! [`SETTLE`], begun anew by each further change (a writer that truncates and then writes is seen half way), but at most
//! [`PATIENCE`] in all. Then the file is read and hashed; a content that was judged before is nothing new.
//!
//! | the file is | what runs | status | told |
//! |---|---|---|---|
//! | good and new | it | active | returned once |
//! | good and what runs | stays | active | - |
//! | bad, empty, gone, too large | stays | last_good | logged once, kept in the state |
//! | the same, and nothing ran before | nothing | observe_only | logged once, kept in the state |
//!
//! Everything here runs on the loop's thread: without a change a look takes 2 us, and a change of a usual file (2 KiB)
//! 0.1 ms once; the largest hostile file (256 KiB) takes under 10 ms once. Only local file systems are
//! expected below it: on a network file system that hangs, the loop would hang with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::spec::PolicySet;
use setpoint_policies::time::Timestamp;
use sha2::{Digest, Sha256};

use super::folder::{self, Content, Stamp, Watched};
use super::problem::ConfigErrors;
use super::{FILE, Loaded};

/// How long a change must stand before it is read.
pub const SETTLE: Duration = Duration::from_millis(100);
/// A file that never rests is read after this long.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What the policies that run come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The file as it is.
    Active,
    /// An earlier content of the file, which is bad or gone now.
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
    /// When one of the above last changed.
    pub since: Timestamp,
}

/// Keeps what runs in step with the file. Has no clock: time is an argument.
#[derive(Debug)]
pub struct Reloader {
    dir: PathBuf,
    watched: Option<Watched>,
    seen: Option<Stamp>,
    unsettled: Option<Unsettled>,
    judged: Option<Judged>,
    state: ConfigState,
}

/// A change that was not read yet.
#[derive(Debug, Clone, Copy)]
struct Unsettled {
    first: Timestamp,
    last: Timestamp,
}

impl Unsettled {
    fn due(self) -> Timestamp {
        (self.last + SETTLE).min(self.first + PATIENCE)
    }
}

/// What was read last.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Content([u8; 32]),
    Unreadable(String),
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
            since: Timestamp::ZERO,
        };
        Self { dir, watched, seen: None, unsettled: None, judged: None, state }
    }

    /// What runs, and why not what the file says.
    pub const fn state(&self) -> &ConfigState {
        &self.state
    }

    /// When to call [`Self::poll`] again at the latest, if a change is settling.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.unsettled.map(Unsettled::due)
    }

    /// Looks for a change; a new good set is returned once. Two system calls when nothing changed.
    pub fn poll(&mut self, now: Timestamp) -> Option<Arc<PolicySet>> {
        let stamp = self.watched.as_ref()?.look();
        if self.seen.as_ref() != Some(&stamp) {
            self.seen = Some(stamp);
            let first = self.unsettled.map_or(now, |unsettled| unsettled.first);
            self.unsettled = Some(Unsettled { first, last: now });
        }
        if now < self.unsettled?.due() {
            return None;
        }
        let content = folder::read(&self.dir);
        if self.watched.as_ref().map(Watched::look) != self.seen {
            // Written while it was read: the next look sees the change, and it settles anew.
            return None;
        }
        self.unsettled = None;
        let judged = Judged::of(&content);
        if self.judged.as_ref() == Some(&judged) {
            return None;
        }
        self.judge(now, content, judged).unwrap_or_default()
    }

    /// Reads at once, without settling (SIGHUP, `POST /-/reload`, start). `Ok(None)`: the file is what runs already.
    /// One settling time later [`Self::poll`] looks once more, in case the file was being written.
    ///
    /// # Errors
    /// Why the file is refused; what runs stays.
    pub fn force(&mut self, now: Timestamp) -> Result<Option<Arc<PolicySet>>, ConfigErrors> {
        self.seen = self.watched.as_ref().map(Watched::look);
        self.unsettled = Some(Unsettled { first: now, last: now });
        let content = folder::read(&self.dir);
        let judged = Judged::of(&content);
        self.judge(now, content, judged)
    }

    fn judge(
        &mut self,
        now: Timestamp,
        content: Result<Content, String>,
        judged: Judged,
    ) -> Result<Option<Arc<PolicySet>>, ConfigErrors> {
        self.judged = Some(judged);
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
        let again = self.state.status != Status::Active;
        self.change(now, Status::Active, set.revision.clone(), None);
        if !new {
            if again {
                tracing::info!(revision = set.revision, "policy file is good again");
            }
            return None;
        }
        tracing::info!(revision = set.revision, policies = set.policies.len(), "policy file loaded");
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "policy file has a warning");
        }
        Some(set)
    }

    fn refuse(&mut self, now: Timestamp, errors: &ConfigErrors) {
        let nothing_ran = self.state.revision.is_empty();
        let status = if nothing_ran { Status::ObserveOnly } else { Status::LastGood };
        tracing::warn!(file = FILE, %errors, runs = status.name(), "policy file refused");
        self.change(now, status, self.state.revision.clone(), Some(errors.to_string()));
    }

    fn change(&mut self, now: Timestamp, status: Status, revision: String, error: Option<String>) {
        let state = ConfigState { status, revision, error, since: self.state.since };
        if state != self.state {
            self.state = ConfigState { since: now, ..state };
        }
    }
}

impl Judged {
    fn of(content: &Result<Content, String>) -> Self {
        match content {
            Ok(content) => Self::Content(Sha256::digest(&content.bytes).into()),
            Err(why) => Self::Unreadable(why.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
