//! Starting the SDK. This is the only place that reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::actuator::Inner;
use crate::clock::Clock;
use crate::dump::{Dump, Hook};
use crate::session;
use crate::setpoint::Setpoint;

/// Where the sidecar listens unless told otherwise.
const DEFAULT_SOCKET: &str = "/run/setpoint/setpoint.sock";

/// What the session needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub socket: PathBuf,
    /// For the whole life of the process; then there is no session.
    pub disabled: bool,
    pub labels: BTreeMap<String, String>,
    /// The runtime that [`Builder::start`] was called in, if any.
    pub runtime: Option<Handle>,
}

impl Options {
    /// The file whose existence is the kill switch of every service that uses the socket.
    pub fn disable_file(&self) -> PathBuf {
        self.socket.parent().unwrap_or(Path::new("/")).join("disable")
    }

    /// Whether the kill switch is on now. Looks for the file: one system call.
    pub fn switched_off(&self) -> bool {
        self.disabled || self.disable_file().exists()
    }
}

/// Starts the SDK. See [`Setpoint::builder`].
#[must_use = "nothing happens before `start`"]
pub struct Builder {
    service: String,
    socket: Option<PathBuf>,
    disabled: Option<bool>,
    labels: BTreeMap<String, String>,
    runtime: Option<Handle>,
    on_dump: Option<Hook>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(service: &str) -> Self {
        // A sidecar refuses who has no name.
        let service = if service.is_empty() { "unnamed" } else { service };
        Self {
            service: service.to_owned(),
            socket: None,
            disabled: None,
            labels: BTreeMap::new(),
            runtime: None,
            on_dump: None,
        }
    }

    /// The sidecar's socket. Default: `SETPOINT_SOCKET`, else `/run/setpoint/setpoint.sock`.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// A label that the sidecar shows with this process, such as its version or zone. A few, and fixed.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Switched off, everything is admitted and there is no session. Default: whether `SETPOINT_DISABLED` is `1`.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = Some(disabled);
        self
    }

    /// The runtime to watch. Default: the one that [`Builder::start`] is called in, if any.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Called with each [`Dump`], on a thread of its own: see [`Setpoint::dump`]. What it writes down beside the log is its own
    /// affair; it may block.
    pub fn on_dump(mut self, call: impl Fn(&Dump) + Send + Sync + 'static) -> Self {
        self.on_dump = Some(Box::new(call));
        self
    }

    /// Starts. This never waits for the sidecar and never fails: without one, everything is at its baseline. The first
    /// start in a process calibrates the clock, which takes about a millisecond.
    pub fn start(self) -> Setpoint {
        let options = Options {
            socket: self
                .socket
                .or_else(|| env("SETPOINT_SOCKET").map(PathBuf::from))
                .unwrap_or_else(|| DEFAULT_SOCKET.into()),
            disabled: self
                .disabled
                .unwrap_or_else(|| env("SETPOINT_DISABLED").is_some_and(|value| value == "1")),
            labels: self.labels,
            runtime: self.runtime.or_else(|| Handle::try_current().ok()),
        };
        let seed = RandomState::new().hash_one(std::process::id());
        let inner = Arc::new(Inner::new(self.service, Clock::start(), seed));
        inner.dumps.set_up(options.runtime.as_ref(), self.on_dump);
        inner.set_disabled(options.switched_off());
        if !options.disabled {
            session::spawn(inner.clone(), options);
        }
        Setpoint::new(inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;

    #[test]
    fn the_disable_file_lies_beside_the_socket() {
        let options = |socket: &str| Options {
            socket: socket.into(),
            disabled: false,
            labels: BTreeMap::new(),
            runtime: None,
        };
        assert_eq!(options(DEFAULT_SOCKET).disable_file(), Path::new("/run/setpoint/disable"));
        assert_eq!(options("x.sock").disable_file(), Path::new("disable"));
        assert_eq!(options("/").disable_file(), Path::new("/disable"));
    }

    #[test]
    fn every_kill_switch_is_heeded_at_the_start() {
        let dir = std::env::temp_dir().join(format!("setpoint-builder-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let start = |disabled| {
            Setpoint::builder("test").socket(dir.join("no.sock")).disabled(disabled).start().health()
        };
        assert_eq!((start(false), start(true)), (Health::Baseline, Health::Disabled));
        std::fs::write(dir.join("disable"), "").unwrap();
        assert_eq!(start(false), Health::Disabled);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
