//! Where the loop leaves a content, and the thread that writes finds it: one place, and the newest wins.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::revision;
use super::Written;
use crate::metrics::Metrics;
use crate::status::{Kept, KeptState};

/// The place.
#[derive(Debug, Default)]
pub(super) struct Desk {
    papers: Mutex<Papers>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Papers {
    /// The newest content, not begun.
    waiting: Option<Arc<[u8]>>,
    /// What could not be written.
    failed: Option<Arc<[u8]>>,
    closed: bool,
    kept: Kept,
}

impl Desk {
    /// Held for the exchange of a pointer, never while something is written.
    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a content to be written; one that waits is forgotten.
    pub(super) fn put(&self, content: Arc<[u8]>) {
        let mut papers = self.lock();
        papers.waiting = Some(content);
        papers.kept = Kept { state: KeptState::Saving, error: None };
        self.changed.notify_one();
    }

    /// How well the newest content is kept.
    pub(super) fn kept(&self) -> Kept {
        self.lock().kept.clone()
    }

    /// Says how it stands before anything was put here.
    pub(super) fn say(&self, state: KeptState, error: Option<String>) {
        self.lock().kept = Kept { state, error };
    }

    /// Nothing comes any more; what waits is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// What to write next, as soon as there is something; `None` at the end.
    fn next(&self, retry_after: Duration) -> Option<Arc<[u8]>> {
        let mut papers = self.lock();
        loop {
            if let Some(content) = papers.waiting.take() {
                papers.failed = None;
                return Some(content);
            }
            if papers.closed {
                return None;
            }
            if papers.failed.is_none() {
                papers = self.changed.wait(papers).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.changed.wait_timeout(papers, retry_after);
            let (back, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            papers = back;
            if waited.timed_out() && papers.waiting.is_none() && !papers.closed {
                return papers.failed.take();
            }
        }
    }

    /// Notes what became of it; what is waiting already says more than how this one went.
    fn done(&self, content: Arc<[u8]>, error: Option<String>) {
        let mut papers = self.lock();
        if papers.waiting.is_some() {
            return;
        }
        let state = if error.is_some() { KeptState::Failed } else { KeptState::Saved };
        papers.failed = error.is_some().then_some(content);
        papers.kept = Kept { state, error };
    }

    /// Writes on a thread of its own until it is closed. What is returned ends with that thread.
    pub(super) fn serve(
        self: Arc<Self>,
        metrics: Metrics,
        retry_after: Duration,
        mut write: impl FnMut(&[u8]) -> Result<Written, String> + Send + 'static,
    ) -> std::io::Result<Receiver<()>> {
        let (end, ended) = sync_channel(0);
        std::thread::Builder::new().name("last-good".into()).spawn(move || {
            let (_end, mut failing) = (end, false);
            while let Some(content) = self.next(retry_after) {
                let written = write(&content);
                metrics.last_good_written(written.as_ref().ok().copied());
                tell(&content, &written, failing);
                failing = written.is_err();
                self.done(content, written.err());
            }
        })?;
        Ok(ended)
    }
}

/// One line for each change: a disk that stays full is told once.
fn tell(content: &[u8], written: &Result<Written, String>, failing: bool) {
    match written {
        Ok(Written::New) => tracing::info!(revision = revision(content), "last good policy saved"),
        Ok(Written::Unchanged) if failing => tracing::info!("the last good policy is saved already"),
        Ok(Written::Unchanged) => {}
        Err(_) if failing => {}
        Err(error) => tracing::warn!(error, "the last good policy cannot be saved"),
    }
}

#[cfg(test)]
mod tests;
