//! The service as a process of its own, on a port of its own choice.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::announcement::{Announcement, NotAnnounced};
use crate::http::{HttpError, Target};
use crate::process::{Process, ProcessError, guarded, wait};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A `demo-service` that answers. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    at: SocketAddr,
    process: Process,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process.
    #[error("the service's process failed")]
    Process(#[from] ProcessError),
    /// It printed something else than its address.
    #[error(transparent)]
    Announcement(#[from] NotAnnounced),
    /// It listens and does not answer.
    #[error("/healthz of the service failed")]
    Health(#[source] HttpError),
}

impl Running {
    /// Starts `program` by way of `own` (see [`guarded`]), with the arguments that `arrange` adds and the sidecar's socket, if there
    /// is one, and waits until it answers.
    pub async fn start(
        own: &Path,
        program: &Path,
        socket: Option<&Path>,
        arrange: impl FnOnce(&mut Command),
    ) -> Result<Self, StartError> {
        let mut command = guarded::command(own, program);
        arrange(&mut command);
        command.env("SETPOINT_SOCKET", socket.unwrap_or(Path::new("/nonexistent/setpoint.sock")));
        let mut process = Process::spawn("demo-service", command.stdout(Stdio::piped()))?;
        let at = Announcement::read(&process.line(PATIENCE).await?)?.listening;
        wait::http_ok(&Target::new(at, "/healthz"), PATIENCE).await.map_err(StartError::Health)?;
        Ok(Self { at, process })
    }

    /// One of its routes.
    pub fn target(&self, path: &str) -> Target {
        Target::new(self.at, path)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}
