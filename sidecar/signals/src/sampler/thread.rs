//! One thread of a process, and its two files.

use super::source::Fault;
use crate::kept::{open_regular, read_at};
use crate::parse::{STATE_WITHIN, SchedStat, is_blocked, schedstat};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Three numbers of at most 20 digits.
const LONGEST: usize = 96;

/// A thread that is watched.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) id: u32,
    schedstat: File,
    /// Its `stat`, if its state is looked at.
    stat: Option<File>,
    last: SchedStat,
}

impl Thread {
    /// Opens the files of thread `id`; `with_state`: its state is looked at too, if that can be read. Without it nothing is
    /// lost but whether the thread is stuck.
    pub(super) fn open(task: &Path, id: u32, with_state: bool) -> Result<Self, Fault> {
        let schedstat = open_regular(&task.join(format!("{id}/schedstat"))).map_err(Fault::Read)?;
        let last = counters(&schedstat)?;
        let stat = with_state.then(|| open_regular(&task.join(format!("{id}/stat"))).ok()).flatten();
        Ok(Self { id, schedstat, stat, last })
    }

    pub(super) fn has_state(&self) -> bool {
        self.stat.is_some()
    }

    /// Waits and slices since the last look; `None` where a counter went back.
    pub(super) fn advance(&mut self) -> Result<Option<(Duration, u64)>, Fault> {
        let now = counters(&self.schedstat)?;
        let last = std::mem::replace(&mut self.last, now);
        Ok(now.delay.checked_sub(last.delay).zip(now.slices.checked_sub(last.slices)))
    }

    /// Whether it is stuck in the kernel now, if that can be seen.
    pub(super) fn is_blocked(&self) -> Option<bool> {
        let mut buffer = [0; STATE_WITHIN];
        let length = read_at(self.stat.as_ref()?, &mut buffer, 0).ok()?;
        is_blocked(&buffer[..length]).ok()
    }
}

fn counters(file: &File) -> Result<SchedStat, Fault> {
    let mut buffer = [0; LONGEST];
    let length = read_at(file, &mut buffer, 0).map_err(Fault::Read)?;
    schedstat(&buffer[..length]).map_err(Fault::Parse)
}
