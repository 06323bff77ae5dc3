//! The unix socket: one owner, never a half-made file, no trouble with what a killed process left behind.
//!
//! The lock file decides who owns the path, not the socket file: that one survives SIGKILL, and probing it by connecting
//! would race with its owner. The owner binds a temporary name, sets its mode and renames it over the path, so a client
//! finds the old socket, or the new one, or none, but never one that it may not use yet.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

mod lock;

use lock::Lock;

/// Owner and group may connect, nobody else.
const MODE: u32 = 0o660;

/// Why the socket is not ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another sidecar owns the path.
    #[error("{} is held by another sidecar{}", path.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Its owner, as far as the lock file tells.
        pid: Option<u32>,
    },
    /// There is something else than a socket at the path; it is left alone.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The owned path. Dropping it gives up the lock and leaves the files, as SIGKILL does; see [`Socket::unlink`] and
/// [`Socket::withdraw`].
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// Device and inode of the file that we made.
    made: (u64, u64),
    lock: Lock,
}

impl Socket {
    /// Takes the lock, and puts a listening socket at `path`. Its directory is made (mode 0750) when it is absent.
    ///
    /// # Errors
    /// [`SocketError::Held`] when another process has the lock; otherwise what the system said.
    pub fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o750).create(parent);
            made.map_err(failed("create directory", parent))?;
        }
        let lock = Lock::take(&suffixed(path, ".lock"))?;
        match place(path) {
            Ok((made, listener)) => Ok((Self { path: path.to_owned(), made, lock }, listener)),
            Err(error) => {
                lock.withdraw();
                Err(error)
            }
        }
    }

    /// Takes back what [`Socket::bind`] made, for a start that fails after it.
    pub fn withdraw(self) {
        self.unlink();
        self.lock.withdraw();
    }

    /// Removes the socket file if it is still the one that we made.
    pub fn unlink(&self) {
        if identity(&self.path).ok() == Some(self.made) {
            // It may vanish in between, which is what we wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Puts a listening socket at a path that is ours by the lock. Gives its device and inode.
fn place(path: &Path) -> Result<((u64, u64), UnixListener), SocketError> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        _ => {}
    }
    // Nobody else uses the temporary name. A killed predecessor may have left it.
    let temporary = suffixed(path, ".new");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&temporary).map_err(failed("bind", &temporary))?;
    let finish = || {
        let mode = Permissions::from_mode(MODE);
        std::fs::set_permissions(&temporary, mode).map_err(failed("set the mode of", &temporary))?;
        let made = identity(&temporary).map_err(failed("inspect", &temporary))?;
        std::fs::rename(&temporary, path).map_err(failed("rename to", path))?;
        Ok(made)
    };
    match finish() {
        Ok(made) => Ok((made, listener)),
        Err(error) => {
            let _ = std::fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Device and inode of what is at `path`, not following links.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|there| (there.dev(), there.ino()))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    let path = path.to_owned();
    move |source| SocketError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn the_second_owner_is_told_who_the_first_is() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        let first = Socket::bind(&path).expect("free");
        let error = Socket::bind(&path).expect_err("held");
        assert!(
            matches!(error, SocketError::Held { pid: Some(pid), .. } if pid == std::process::id()),
            "{error}"
        );
        drop(first);
        Socket::bind(&path).expect("free again, and what the first left behind is no obstacle");
    }

    #[test]
    fn the_mode_is_0660_and_the_file_goes_in_an_orderly_exit() {
        let directory = directory();
        let path = directory.path().join("deep/er/s.sock");
        let (socket, _listener) = Socket::bind(&path).expect("free");
        let mode = std::fs::metadata(&path).expect("bound").permissions().mode();
        assert_eq!(mode & 0o7777, 0o660);
        assert!(!suffixed(&path, ".new").exists());
        socket.unlink();
        assert!(!path.exists());
        socket.unlink();
    }

    #[test]
    fn a_file_that_is_not_ours_any_more_stays() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        let (socket, _listener) = Socket::bind(&path).expect("free");
        // The other file exists before ours is gone, so that it cannot have the same inode.
        let other = directory.path().join("other.sock");
        let _other = UnixListener::bind(&other).expect("bind");
        std::fs::rename(&other, &path).expect("somebody else's");
        socket.unlink();
        assert!(path.exists());
    }

    fn there(directory: &tempfile::TempDir) -> Vec<String> {
        let entries =
            std::fs::read_dir(directory.path()).expect("readable").map(|entry| entry.expect("there"));
        let mut names =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>();
        names.sort();
        names
    }

    #[test]
    fn a_start_that_fails_takes_back_what_it_made_and_only_that() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        let (socket, _listener) = Socket::bind(&path).expect("free");
        socket.withdraw();
        assert_eq!(there(&directory), Vec::<String>::new());
        std::fs::write(suffixed(&path, ".lock"), "").expect("somebody else's");
        let (socket, _listener) = Socket::bind(&path).expect("free");
        socket.withdraw();
        assert_eq!(there(&directory), ["s.sock.lock"]);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let directory = directory();
        let path = directory.path().join("s.sock");
        std::fs::write(&path, "precious").expect("write");
        assert!(matches!(Socket::bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(there(&directory), ["s.sock"], "and no lock is left");
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "precious");
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let directory = directory();
        let (path, target) = (directory.path().join("s.sock"), directory.path().join("target"));
        std::fs::write(&target, "precious").expect("write");
        std::os::unix::fs::symlink(&target, suffixed(&path, ".lock")).expect("link");
        assert!(matches!(Socket::bind(&path), Err(SocketError::Io { action: "open", .. })));
        assert_eq!(std::fs::read_to_string(&target).expect("still there"), "precious");
    }
}
