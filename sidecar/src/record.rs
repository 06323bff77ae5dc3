//! `run --record FILE`: every snapshot of the loop as a line of a file, for `setpoint replay`.
//!
//! Recording must never cost the service anything. So the loop hands its snapshot over to a bounded queue and goes on, a
//! thread of its own writes, what does not fit is dropped and counted, and a disk that is full or gone is told once and
//! tried again later. The file and its predecessor together never grow beyond a bound.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use setpoint_policies::snapshot::Snapshot;
use setpoint_policies::time::Timestamp;

use crate::metrics::Metrics;

pub mod format;
mod tape;

use tape::{Tape, Written};

/// Snapshots that wait to be written: six seconds of the usual tick.
const WAITING: usize = 64;
/// What the end of the process waits for its last lines.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);
/// Bytes that a recording may take when nothing is said.
pub const DEFAULT_MOST_BYTES: u64 = 256 << 20;
/// The least that can be asked for.
pub const LEAST_BYTES: u64 = 1 << 20;

/// What became of a snapshot that was to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the file.
    Written,
    /// The writer was too slow for it.
    Dropped,
    /// It could not be written.
    Failed,
}

impl Fate {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

/// A snapshot, and when its engine started.
type Entry = (Timestamp, Snapshot);

/// Where the loop leaves its snapshots. Dropping it waits half a second at most for what is still to be written.
#[derive(Debug)]
pub struct Recorder {
    queue: Option<SyncSender<Entry>>,
    /// Drops that were not told yet.
    dropped: Arc<AtomicU64>,
    ended: Receiver<()>,
    metrics: Metrics,
}

impl Recorder {
    /// Records to `path` and, when that is full, to `path` with `.1` behind it: `most_bytes` together.
    ///
    /// # Errors
    /// When the system gives no thread. That the file cannot be written is no error but a line in the log.
    pub fn start(path: PathBuf, most_bytes: u64, metrics: Metrics) -> std::io::Result<Self> {
        let (queue, entries) = sync_channel::<Entry>(WAITING);
        let (end, ended) = sync_channel(0);
        let dropped = Arc::<AtomicU64>::default();
        let mut writer = Writer {
            tape: Tape::new(path, most_bytes),
            dropped: Arc::clone(&dropped),
            metrics: metrics.clone(),
            failing: false,
        };
        std::thread::Builder::new().name("record".into()).spawn(move || {
            // Ends with this thread, which ends with the queue.
            let _end = end;
            entries.iter().for_each(|entry| writer.write(&entry));
        })?;
        Ok(Self { queue: Some(queue), dropped, ended, metrics })
    }

    /// Takes a snapshot of an engine that started at `started`. Never waits.
    pub fn offer(&self, started: Timestamp, snapshot: Snapshot) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send((started, snapshot)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.metrics.recorded(Fate::Dropped);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue = None;
        // After the time-out the rest is lost, which is what the time-out is for.
        let _ = self.ended.recv_timeout(FLUSH_WITHIN);
    }
}

struct Writer {
    tape: Tape,
    dropped: Arc<AtomicU64>,
    metrics: Metrics,
    /// Nothing could be written the last time.
    failing: bool,
}

impl Writer {
    fn write(&mut self, (started, snapshot): &Entry) {
        let line = format::write(snapshot, Some(*started));
        let fate = match self.tape.write(snapshot.at, line.as_bytes()) {
            Ok(Written::Yes) => Fate::Written,
            Ok(Written::Waiting) => Fate::Failed,
            Err(error) => {
                if !self.failing {
                    let path = self.tape.path().display();
                    tracing::warn!(%path, %error, "recording fails, snapshots are lost");
                }
                self.failing = true;
                Fate::Failed
            }
        };
        self.metrics.recorded(fate);
        if fate != Fate::Written {
            return;
        }
        if std::mem::take(&mut self.failing) {
            tracing::info!(path = %self.tape.path().display(), "recording works again");
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "recording is too slow, snapshots were dropped");
        }
    }
}

#[cfg(test)]
mod tests;
