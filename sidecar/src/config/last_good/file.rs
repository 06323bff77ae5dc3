//! The file of the last good policy: written whole or not at all, and believed only when it is ours and sound.
//!
//! It is the policy file as it was, byte for byte, and one line more:
//!
//! ```text
//! # last good policy of "/etc/setpoint", sha256 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
//! ```
//!
//! The line comes last, so that places in error messages are those of the policy file, and a file that was cut short has
//! none. It names the directory of the policy file, because two sidecars that were given one state directory by mistake
//! must not run each other's policies. As it is a comment, the file can be copied back over a policy file that was lost.

use std::fs::{self, DirBuilder};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::super::folder::reason;
use super::super::revision;
use super::Written;
use crate::yaml::{LARGEST, too_large};

/// Its name in the state directory.
pub(super) const FILE: &str = "last-good.yaml";
/// What is being written. Nobody reads it; a killed process may leave it.
const NEW: &str = "last-good.yaml.new";
/// Owner writes, group reads.
const MODE: Mode = Mode::from_raw_mode(0o640);
/// Bytes of the last line: a path has at most 4096, each shown with up to ten.
const LONGEST_MARK: usize = 48 * 1024;

/// Where one sidecar's last good policy is kept.
#[derive(Debug)]
pub(super) struct File {
    dir: PathBuf,
    /// The directory of the policy file, as it stands in the last line.
    of: String,
}

impl File {
    pub(super) fn new(dir: &Path, config: &Path) -> Self {
        // It may not exist, so its links cannot be followed; without a working directory it stays as it was given.
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        // Piece by piece, which drops a slash at the end.
        let config = config.components().collect::<PathBuf>();
        Self { dir: dir.to_owned(), of: format!("{:?}", config.to_string_lossy()) }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// The content that was kept; `None` when there is none.
    ///
    /// # Errors
    /// In words for the operator: why what is there must not be used.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, String> {
        match open(&self.dir) {
            Ok(folder) => self.read_in(&folder),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(format!("cannot open {}: {}", self.dir.display(), reason(errno))),
        }
    }

    fn read_in(&self, folder: &OwnedFd) -> Result<Option<Vec<u8>>, String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(folder, FILE, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err("is a symbolic link".to_owned()),
            Err(errno) => return Err(format!("cannot open it: {}", reason(errno))),
        };
        trusted(&file)?;
        let mut bytes = Vec::new();
        let most = LARGEST + LONGEST_MARK;
        let read = fs::File::from(file).take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("cannot read it: {error}"))?;
        if bytes.len() > most { Err(too_large()) } else { self.unmark(bytes).map(Some) }
    }

    /// Replaces what is kept. After a failure the former content is still there, and whole.
    ///
    /// # Errors
    /// In words for the operator.
    pub(super) fn write(&self, content: &[u8]) -> Result<Written, String> {
        let failed = |action: &'static str| {
            move |errno: Errno| format!("cannot {action} in {}: {}", self.dir.display(), reason(errno))
        };
        let made = DirBuilder::new().recursive(true).mode(0o750).create(&self.dir);
        made.map_err(|error| format!("cannot make the directory {}: {error}", self.dir.display()))?;
        let folder = open(&self.dir).map_err(failed("open files"))?;
        // Another sidecar may have been given the same directory by mistake. The lock ends with the descriptor.
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| format!("another process writes to {}", self.dir.display()))?;
        if self.read_in(&folder).is_ok_and(|kept| kept.as_deref() == Some(content)) {
            return Ok(Written::Unchanged);
        }
        let replaced = self.replace(&folder, content);
        if replaced.is_err() {
            // Half a file takes room and is of no use; it may not even exist.
            let _ = rustix::fs::unlinkat(&folder, NEW, AtFlags::empty());
        }
        replaced.map_err(failed("write")).map(|()| Written::New)
    }

    /// Content and name reach the disk before this returns.
    fn replace(&self, folder: &OwnedFd, content: &[u8]) -> Result<(), Errno> {
        match rustix::fs::unlinkat(folder, NEW, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = fs::File::from(rustix::fs::openat(folder, NEW, flags, MODE)?);
        let mark = self.mark(content);
        let written = file.write_all(content).and_then(|()| file.write_all(mark.as_bytes()));
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        rustix::fs::fsync(&file)?;
        rustix::fs::renameat(folder, NEW, folder, FILE)?;
        rustix::fs::fsync(folder)
    }

    /// The last line, and the end of the line before.
    fn mark(&self, content: &[u8]) -> String {
        format!("\n# last good policy of {}, sha256 {}\n", self.of, revision(content))
    }

    /// The content without its last line, if that is ours and true.
    fn unmark(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let broken = || "is damaged, or was not written by a sidecar".to_owned();
        let line = bytes.strip_suffix(b"\n").ok_or_else(broken)?;
        let start = line.iter().rposition(|byte| *byte == b'\n').ok_or_else(broken)?;
        let mark = std::str::from_utf8(&bytes[start..]).map_err(|_| broken())?;
        let of = mark.strip_prefix("\n# last good policy of ").ok_or_else(broken)?;
        let (of, _) = of.rsplit_once(", sha256 ").ok_or_else(broken)?;
        if of != self.of {
            return Err(format!("is of the policy file in {of}, not of that in {}", self.of));
        }
        if mark != self.mark(&bytes[..start]) {
            return Err("is damaged: its content is not what its last line says".to_owned());
        }
        bytes.truncate(start);
        Ok(bytes)
    }
}

fn open(dir: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, dir, flags, Mode::empty())
}

/// Whether nobody else can have written it. The group may: it may connect, too, and a volume of Kubernetes is made so.
fn trusted(file: &OwnedFd) -> Result<(), String> {
    let stat = rustix::fs::fstat(file).map_err(|errno| format!("cannot read it: {}", reason(errno)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".to_owned());
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&stat.st_uid) {
        return Err(format!("belongs to user {}", stat.st_uid));
    }
    if Mode::from_raw_mode(stat.st_mode).contains(Mode::WOTH) {
        return Err("can be written by everybody".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
