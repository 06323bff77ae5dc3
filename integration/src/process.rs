//! Child processes that cannot be left behind.
//!
//! A demo or a test that ends in a panic, a time-out or Ctrl-C must not leave a sidecar holding a socket. So a [`Process`] is
//! the leader of its own process group, and dropping it kills the whole group and reaps the child, always. Against a SIGKILL
//! of ourselves, which no destructor survives, see [`guarded`].

pub mod guarded;
pub mod sibling;
mod until_told;
pub mod wait;

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::ChildStdout;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

pub use until_told::until_told;

/// A line longer than this is not awaited to its end.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// What can go wrong with a child.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {0}")]
    Spawn(String, #[source] io::Error),
    /// It did not do what was awaited.
    #[error("{name} did not {what} within {within:?}")]
    TimedOut {
        /// Which child.
        name: String,
        /// What it should have done.
        what: &'static str,
        /// How long that was awaited.
        within: Duration,
    },
    /// It ended instead.
    #[error("{0} ended early: {1}")]
    Ended(String, ExitStatus),
    /// The kernel refused.
    #[error("cannot control {0}")]
    Io(String, #[source] io::Error),
}

/// A running child, killed with its whole group and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    exited: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` in a process group of its own. Its standard output is kept for [`Process::line`] when it is piped.
    /// Must be called within a runtime.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self, ProcessError> {
        let program = format!("{name} ({:?})", command.get_program());
        let spawned = command.process_group(0).stdin(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| ProcessError::Spawn(program, error))?;
        let stdout = child.stdout.take().map(ChildStdout::from_std).transpose();
        let mut process = Self { name: name.to_owned(), child, stdout: None, exited: None };
        process.stdout = stdout.map_err(|error| process.io(error))?.map(BufReader::new);
        Ok(process)
    }

    /// Its process id, which is also that of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output, which must have been piped, without the line's end.
    pub async fn line(&mut self, within: Duration) -> Result<String, ProcessError> {
        let name = self.name.clone();
        let Some(stdout) = self.stdout.as_mut() else {
            return Err(ProcessError::Io(name, io::ErrorKind::BrokenPipe.into()));
        };
        let mut line = String::new();
        let mut bounded = stdout.take(MAX_LINE_BYTES);
        let read = timeout(within, bounded.read_line(&mut line)).await;
        match read {
            Ok(Ok(0)) => Err(ProcessError::Ended(name, self.wait(within).await?)),
            Ok(Ok(_)) => Ok(line.trim_end().to_owned()),
            Ok(Err(error)) => Err(self.io(error)),
            Err(_) => Err(ProcessError::TimedOut { name, what: "print a line", within }),
        }
    }

    /// Sends `signal` to the child alone. No effect on a child that has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        if self.has_ended()?.is_some() {
            return Ok(());
        }
        kill_process(self.pid(), signal).map_err(|error| self.io(error.into()))
    }

    /// Freezes it, as a debugger or an overcommitted hypervisor would (SIGSTOP).
    pub fn freeze(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::CONT)
    }

    /// How it ended, if it has. Reaps it.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>, ProcessError> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait().map_err(|error| self.io(error))?;
        }
        Ok(self.exited)
    }

    /// Waits for its end.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        // Listening begins before looking, so an end in between is not missed.
        let mut children = signal(SignalKind::child()).map_err(|error| self.io(error))?;
        let ended = async {
            loop {
                if let Some(status) = self.has_ended()? {
                    return Ok(status);
                }
                children.recv().await;
            }
        };
        let waited = timeout(within, ended).await;
        waited
            .unwrap_or_else(|_| Err(ProcessError::TimedOut { name: self.name.clone(), what: "end", within }))
    }

    /// Asks it to end (SIGTERM) and waits; kills it when it does not.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM)?;
        let waited = self.wait(within).await;
        if waited.is_err() {
            self.kill();
        }
        waited
    }

    /// `kill -9` of its whole group, and reaps it.
    pub fn kill(&mut self) {
        if self.exited.is_none() {
            // Before reaping: until then the group's id cannot belong to anybody else. ESRCH means that it is gone.
            let _ = kill_process_group(self.pid(), Signal::KILL);
            self.exited = self.child.wait().ok();
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn io(&self, error: io::Error) -> ProcessError {
        ProcessError::Io(self.name.clone(), error)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Raises the soft limit of open files to the hard one. A connection is a descriptor, and 1024 is a common soft limit.
///
/// Best effort: with a low hard limit, connections beyond it fail and are counted as failed.
pub fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}

/// Files that may be open at once.
pub fn descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
