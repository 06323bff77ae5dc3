//! The sidecar of the demo: its directory, its policy file, its life and its deaths.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::DemoError;
use super::poll::{Latest, Poll, seen};
use super::status::Status;
use crate::http::Target;
use crate::process::{Process, guarded, wait};

/// Name under which the demo's service reports, and the knob that is watched.
pub const SERVICE: &str = "demo";
/// The knob that the demo watches.
pub const KNOB: &str = "limit.inbound";
/// What the policy allows unless it is edited.
pub const FREE: Bounds = Bounds { min: 4, max: 500 };

/// The smallest and the largest limit that a policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub min: u32,
    /// The largest.
    pub max: u32,
}

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often its status is looked at, which is also the resolution of what is measured by it.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The policy file with these bounds of the limit.
pub fn policy(Bounds { min, max }: Bounds) -> String {
    format!(
        "version: setpoint/v1
name: demo
defaults: {{mode: enforce, tick: 100ms, lease: {{ttl: 5s, hold: 30s, decay: 60s}}}}
policies:
  - name: inbound
    adaptive_concurrency: {{knob: {KNOB}, min: {min}, max: {max}, initial: {}}}
  - name: memory
    memory_cap: {{knob: {KNOB}}}
  - name: scheduler
    scheduler_cap: {{knob: {KNOB}}}
",
        50.clamp(min, max)
    )
}

/// A sidecar that can be started, killed and started again at the same place.
#[derive(Debug)]
pub struct Sidecar {
    program: PathBuf,
    guard: PathBuf,
    directory: TempDir,
    admin: SocketAddr,
    process: Option<Process>,
    status: Poll<Status>,
}

impl Sidecar {
    /// Prepares a fresh directory with the policy file and starts `program`.
    pub async fn start(program: &Path, guard: &Path) -> Result<Self, DemoError> {
        let directory =
            TempDir::with_prefix("setpoint-demo-").map_err(|e| DemoError::Io("make a directory", e))?;
        for name in ["config", "state"] {
            fs::create_dir(directory.path().join(name)).map_err(|e| DemoError::Io("make a directory", e))?;
        }
        let admin = wait::free_local_address().map_err(|e| DemoError::Io("find a free port", e))?;
        let status = Poll::start(Target::new(admin, "/status"), LOOK_EVERY);
        let (program, guard) = (program.to_owned(), guard.to_owned());
        let mut sidecar = Self { program, guard, directory, admin, process: None, status };
        sidecar.write_policy(FREE)?;
        sidecar.revive().await?;
        Ok(sidecar)
    }

    /// Starts it (again) and waits until it answers.
    pub async fn revive(&mut self) -> Result<(), DemoError> {
        let path = |name: &str| self.directory.path().join(name);
        let log = fs::File::options().create(true).append(true).open(path("log"));
        let log = log.map_err(|e| DemoError::Io("open the sidecar's log", e))?;
        let errors = log.try_clone().map_err(|e| DemoError::Io("open the sidecar's log", e))?;
        let mut command = guarded::command(&self.guard, &self.program);
        command.arg("run").arg("--config").arg(path("config")).arg("--socket").arg(self.socket());
        command.arg("--admin").arg(self.admin.to_string()).arg("--state-dir").arg(path("state"));
        self.process = Some(Process::spawn("setpoint", command.stdout(log).stderr(errors))?);
        self.await_status("its status page", PATIENCE, |_| true).await
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None; // dropping kills and reaps
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
    pub fn write_policy(&self, bounds: Bounds) -> Result<(), DemoError> {
        let config = self.directory.path().join("config");
        let draft = config.join(".policy.yaml.draft");
        fs::write(&draft, policy(bounds))
            .and_then(|()| fs::rename(&draft, config.join("policy.yaml")))
            .map_err(|e| DemoError::Io("write the policy file", e))
    }

    /// Waits until the status page shows `what`.
    pub async fn await_status(
        &self,
        what: &'static str,
        within: Duration,
        is: impl FnMut(&Status) -> bool,
    ) -> Result<(), DemoError> {
        match seen(&mut self.status(), within, is).await {
            Some(_) => Ok(()),
            None => Err(DemoError::NeverSeen { what, within, log: self.end_of_log() }),
        }
    }

    fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_begins_within_its_bounds() {
        let pinned = Bounds { min: 40, max: 40 };
        assert!(policy(pinned).contains("{knob: limit.inbound, min: 40, max: 40, initial: 40}"));
        assert!(policy(FREE).contains("min: 4, max: 500, initial: 50}"));
    }
}
