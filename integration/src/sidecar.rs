//! A real sidecar: its directory, its policy file, its life and its deaths.

pub mod poll;
pub mod status;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::http::Target;
use crate::process::{Process, ProcessError, guarded, wait};
use poll::{Latest, Poll, seen};
use status::Status;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which sidecar, and how it is watched.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The `setpoint` binary.
    pub program: PathBuf,
    /// The executable that passes `guarded` on to this library: normally the running one.
    pub guard: PathBuf,
    /// How often its status is looked at, which is also the resolution of what is measured by it.
    pub look_every: Duration,
    /// More options of `setpoint run`.
    pub more: Vec<OsString>,
}

/// What can go wrong with a sidecar.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The process itself.
    #[error("the sidecar's process failed")]
    Process(#[from] ProcessError),
    /// Files and ports.
    #[error("cannot {0}")]
    Io(&'static str, #[source] io::Error),
    /// A state that never came.
    #[error("the sidecar never showed {what} within {within:?}; its log ends with:\n{log}")]
    NeverSeen {
        /// The state.
        what: &'static str,
        /// How long it was awaited.
        within: Duration,
        /// The last lines of its log.
        log: String,
    },
}

/// A sidecar that can be started, killed and started again at the same place.
#[derive(Debug)]
pub struct Sidecar {
    setup: Setup,
    directory: TempDir,
    admin: SocketAddr,
    process: Option<Process>,
    status: Poll<Status>,
}

impl Sidecar {
    /// Prepares a fresh directory with this policy file, starts and waits until it answers.
    pub async fn start(setup: Setup, policy: &str) -> Result<Self, SidecarError> {
        let directory = TempDir::with_prefix("setpoint-").map_err(io("make a directory"))?;
        for name in ["config", "state"] {
            fs::create_dir(directory.path().join(name)).map_err(io("make a directory"))?;
        }
        let admin = wait::free_local_address().map_err(io("find a free port"))?;
        let status = Poll::start(Target::new(admin, "/status"), setup.look_every);
        let mut sidecar = Self { setup, directory, admin, process: None, status };
        sidecar.write_policy(policy)?;
        sidecar.revive().await?;
        Ok(sidecar)
    }

    /// Starts it (again) and waits until it answers.
    pub async fn revive(&mut self) -> Result<(), SidecarError> {
        let path = |name: &str| self.directory.path().join(name);
        let log = fs::File::options().create(true).append(true).open(self.log());
        let log = log.map_err(io("open the sidecar's log"))?;
        let errors = log.try_clone().map_err(io("open the sidecar's log"))?;
        let mut command = guarded::command(&self.setup.guard, &self.setup.program);
        command.arg("run").arg("--config").arg(path("config")).arg("--socket").arg(self.socket());
        command.arg("--admin").arg(self.admin.to_string()).arg("--state-dir").arg(path("state"));
        command.args(&self.setup.more);
        self.process = Some(Process::spawn("setpoint", command.stdout(log).stderr(errors))?);
        self.await_status("its status page", PATIENCE, |_| true).await
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None; // dropping kills and reaps
    }

    /// Its process id; `None` after [`Sidecar::kill`].
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where SDKs connect.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("setpoint.sock")
    }

    /// What its status page showed last.
    pub fn status(&self) -> Latest<Status> {
        self.status.latest()
    }

    /// Replaces the policy file as a careful editor does: whole, by renaming.
    pub fn write_policy(&self, policy: &str) -> Result<(), SidecarError> {
        let config = self.directory.path().join("config");
        let draft = config.join(".policy.yaml.draft");
        fs::write(&draft, policy)
            .and_then(|()| fs::rename(&draft, config.join("policy.yaml")))
            .map_err(io("write the policy file"))
    }

    /// Waits until the status page shows `what`.
    pub async fn await_status(
        &self,
        what: &'static str,
        within: Duration,
        is: impl FnMut(&Status) -> bool,
    ) -> Result<(), SidecarError> {
        match seen(&mut self.status(), within, is).await {
            Some(_) => Ok(()),
            None => Err(SidecarError::NeverSeen { what, within, log: self.end_of_log() }),
        }
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

fn io(what: &'static str) -> impl FnOnce(io::Error) -> SidecarError {
    move |error| SidecarError::Io(what, error)
}
