//! The last good policy, kept in the state directory: with it a restart with a bad, empty or missing policy file goes on
//! where the sidecar was, instead of only looking on.
//!
//! Keeping must never cost a decision. So the loop leaves the content that came into force and goes on; a thread of its own
//! writes. There is room for one content: the newest wins, since nobody wants to restart with an older one. A disk that is
//! full, read-only or gone is told once, counted, shown in `/status`, and tried again; the sidecar works on without.
//!
//! Reading happens once, at the start, and only when the policy file is of no use. What is read went through the parser when
//! it came into force and goes through it again: a newer sidecar may know better.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::{Loaded, parse_as};
use crate::metrics::Metrics;
use crate::status::{Kept, KeptState};

mod desk;
mod file;

use desk::Desk;
use file::{FILE, File};

/// What could not be written is tried again after this long, or at once when something newer comes.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// What the end of the process waits for a write.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// What became of a content that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is on the disk.
    New,
    /// It was there already.
    Unchanged,
}

/// Keeps the newest policy that came into force. Dropping it waits half a second at most for what is still to be written.
#[derive(Debug)]
pub struct LastGood {
    file: Arc<File>,
    desk: Arc<Desk>,
    ended: Receiver<()>,
}

impl LastGood {
    /// Keeps in the directory `state`, made when it is first needed, what the policy file of the directory `config` said.
    ///
    /// # Errors
    /// When the system gives no thread. That nothing can be written is no error but a line in the log.
    pub fn start(state: &Path, config: &Path, metrics: Metrics) -> std::io::Result<Self> {
        let file = Arc::new(File::new(state, config));
        let (desk, target) = (Arc::<Desk>::default(), Arc::clone(&file));
        let ended = Arc::clone(&desk).serve(metrics, RETRY_AFTER, move |content| target.write(content))?;
        Ok(Self { file, desk, ended })
    }

    /// Takes a content that has come into force. Never waits for the disk.
    pub fn keep(&self, content: Arc<[u8]>) {
        self.desk.put(content);
    }

    /// How well the last good policy is kept.
    pub fn kept(&self) -> Kept {
        self.desk.kept()
    }

    /// What an earlier sidecar kept, if it is there and good. Blocks for the time of reading one small local file.
    pub fn restore(&self) -> Option<Loaded> {
        let parsed = |content: Vec<u8>| parse_as(FILE.into(), &content).map_err(|errors| errors.to_string());
        match self.file.read().and_then(|content| content.map(parsed).transpose()) {
            Ok(Some(loaded)) => return Some(loaded),
            Ok(None) => tracing::info!(path = %self.file.path().display(), "no last good policy is kept"),
            Err(error) => {
                tracing::warn!(path = %self.file.path().display(), error, "the last good policy that was kept is of no use");
                self.desk.say(KeptState::Refused, Some(error));
            }
        }
        None
    }
}

impl Drop for LastGood {
    fn drop(&mut self) {
        self.desk.close();
        // After the time-out the rest is lost, which is what the time-out is for.
        let _ = self.ended.recv_timeout(FLUSH_WITHIN);
    }
}
