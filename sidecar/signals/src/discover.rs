//! From a process, or a cgroup directory, to the directories whose files describe it.
//!
//! Why not just `/sys/fs/cgroup`: that is right in a container on v2 and wrong nearly everywhere else (v1, hybrid, a plain host, a
//! sidecar looking at its neighbour), and being wrong means to steer one service by the memory of another. So the kernel's own
//! statement is followed, `/proc/PID/cgroup` against mountinfo, in this order, per hierarchy:
//!
//! 1. our own mounts show the group: that directory;
//! 2. the target's mounts do, and `/proc/PID/root` lets us in: that directory, if it really lies on the cgroup file system;
//! 3. the target is in the same group as we are, but its path is outside what is mounted (a container without its own namespace): the
//!    mount point, unless that is the hierarchy's root, which would be the whole node;
//! 4. otherwise the hierarchy is absent. A neighbour's group is never replaced by our own.
//!
//! Limits bind from every ancestor, so a [`Group`] lists them up to the mount point.

mod membership;
mod mounts;
mod process;
mod resolve;

use crate::kept::ReadError;
pub(crate) use process::Held;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the kernel's file systems are. Tests use recorded trees, node agents the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// `/proc`; its `self` must be this process.
    pub proc: PathBuf,
    /// `/sys`; mount points below `/sys` are looked for here.
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: PathBuf::from("/proc"), sys: PathBuf::from("/sys") }
    }
}

/// Whose signals are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    process: Option<String>,
    cgroup: Option<PathBuf>,
}

impl Target {
    /// This process and its cgroup.
    pub fn current() -> Self {
        Self { process: Some("self".to_owned()), cgroup: None }
    }

    /// Another process and its cgroup. It is this one incarnation that is meant: once it has been seen and has ended, it stays
    /// absent, whoever gets its number.
    pub fn pid(pid: u32) -> Self {
        Self { process: Some(pid.to_string()), cgroup: None }
    }

    /// A cgroup directory without a process (no run delay): a v2 one, or that of any v1 controller, from which the directories of the
    /// same name in the other hierarchies follow.
    pub fn cgroup(directory: impl Into<PathBuf>) -> Self {
        Self { process: None, cgroup: Some(directory.into()) }
    }

    /// Nobody: the node's own files alone, and no look at any cgroup or thread.
    pub const fn node() -> Self {
        Self { process: None, cgroup: None }
    }

    /// The same process, but the cgroup as given instead of found.
    #[must_use]
    pub fn with_cgroup(self, directory: impl Into<PathBuf>) -> Self {
        Self { cgroup: Some(directory.into()), ..self }
    }

    pub(crate) fn process(&self, roots: &Roots) -> Option<PathBuf> {
        self.process.as_ref().map(|name| roots.proc.join(name))
    }

    pub(crate) const fn has_process(&self) -> bool {
        self.process.is_some()
    }

    /// Whether the cgroup is looked for through the process.
    pub(crate) fn follows_process(&self) -> bool {
        self.cgroup.is_none()
    }
}

/// Which interface a group's files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller, `memory.usage_in_bytes`.
    V1,
    /// One hierarchy, `memory.current`.
    V2,
}

/// A cgroup as a list of directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The interface of its files.
    pub version: Version,
    /// The group itself, then its ancestors up to the mount point. Never empty.
    pub levels: Vec<PathBuf>,
}

impl Group {
    /// The group's own directory.
    pub fn directory(&self) -> &Path {
        &self.levels[0]
    }
}

/// Where the files of one target are. What is `None` has no visible hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Memory files.
    pub memory: Option<Group>,
    /// `cpu.stat` and the quota.
    pub cpu: Option<Group>,
    /// v1 only: `cpuacct.usage`.
    pub cpuacct: Option<Group>,
    /// Pressure files. `None` in the root of the hierarchy as well: there they are the node's, which is another signal.
    pub pressure: Option<PathBuf>,
}

/// Why there is no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoverError {
    /// `/proc/PID` cannot be used.
    Process(ReadError),
    /// `/proc/self/mountinfo` cannot be used.
    Mounts(ReadError),
    /// The given directory is not in a cgroup file system, or does not exist.
    NotACgroup(PathBuf),
}

impl fmt::Display for DiscoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(_) => f.write_str("the process's files in /proc cannot be read"),
            Self::Mounts(_) => f.write_str("/proc/self/mountinfo cannot be read"),
            Self::NotACgroup(directory) => write!(f, "{} is not a cgroup directory", directory.display()),
        }
    }
}

impl std::error::Error for DiscoverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Process(error) | Self::Mounts(error) => Some(error),
            Self::NotACgroup(_) => None,
        }
    }
}

/// Finds the directories of `target` as they are now. Reads two to four files of `/proc`, about 50 us on a small host.
///
/// # Errors
/// When nothing at all can be said. A hierarchy that cannot be found is no error but `None` in the layout.
pub fn discover(roots: &Roots, target: &Target) -> Result<Layout, DiscoverError> {
    let held = target.process(roots).map_or(Err(ReadError::NotFound), |path| Held::open(&path));
    discover_held(roots, target, held.as_ref().map_err(|error| *error))
}

/// As [`discover`], for a process that is already held, or could not be.
pub(crate) fn discover_held(
    roots: &Roots,
    target: &Target,
    held: Result<&Held, ReadError>,
) -> Result<Layout, DiscoverError> {
    match (&target.cgroup, &target.process) {
        (Some(directory), _) => resolve::from_directory(roots, directory),
        (None, Some(_)) => resolve::from_process(roots, held.map_err(DiscoverError::Process)?),
        (None, None) => Ok(Layout::default()),
    }
}
