//! The directory of a policy file: reading it whole and bounded, and seeing cheaply that it changed.
//!
//! A ConfigMap volume is `policy.yaml -> ..data/policy.yaml` with `..data` a link that is swapped; so links are followed.
//! Everything else that could block or flood is refused: only a regular file is read, opened without waiting, and no more
//! of it than [`LARGEST`]. Files are opened below one descriptor of the directory, so that a directory that is replaced
//! meanwhile gives all old or all new.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::FILE;
use crate::yaml::{LARGEST, too_large};

/// Files of a later version: there, and ignored.
const IGNORED: [&str; 2] = ["rollout.yaml", "candidate.yaml"];

/// What reading gave.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Files beside the policy that this version does not read.
    pub(super) ignored: Vec<&'static str>,
}

/// Reads the policy file of `dir`.
///
/// # Errors
/// In words for the operator: which file or directory, and why not.
pub(super) fn read(dir: &Path) -> Result<Content, String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(CWD, dir, flags | OFlags::DIRECTORY, Mode::empty())
        .map_err(|errno| format!("cannot open the directory {}: {}", dir.display(), reason(errno)))?;
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::openat(&folder, FILE, flags, Mode::empty())
        .map_err(|errno| format!("cannot open it in {}: {}", dir.display(), reason(errno)))?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| format!("cannot read it: {}", reason(errno)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("is not a regular file".to_owned());
    }
    let bytes = bounded(File::from(file)).map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() > LARGEST {
        return Err(too_large());
    }
    let there = |name: &&str| rustix::fs::statat(&folder, *name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    Ok(Content { bytes, ignored: IGNORED.into_iter().filter(there).collect() })
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why the system refused, in words.
pub(super) fn reason(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "not found".to_owned(),
        Errno::ACCESS => "permission denied".to_owned(),
        Errno::NOTDIR => "not a directory".to_owned(),
        Errno::LOOP => "too many links".to_owned(),
        other => io::Error::from(other).to_string(),
    }
}

/// Where to look for a change: two system calls and no other cost.
#[derive(Debug)]
pub(super) struct Watched {
    link: PathBuf,
    file: PathBuf,
}

/// What a look saw. Two looks that differ mean a change; a change shows in some part, whichever way it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Where `..data` points to; swapped by an update of a ConfigMap.
    target: Option<CString>,
    file: Result<Identity, i32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Also moves when the time of modification is set by hand.
    changed: (i64, i64),
}

impl Watched {
    pub(super) fn new(dir: &Path) -> Self {
        Self { link: dir.join("..data"), file: dir.join(FILE) }
    }

    pub(super) fn look(&self) -> Stamp {
        let target = rustix::fs::readlink(&self.link, Vec::with_capacity(64)).ok();
        let file = rustix::fs::stat(&self.file).map(identity).map_err(Errno::raw_os_error);
        Stamp { target, file }
    }
}

/// The casts keep every bit that is compared; the fields' types differ between platforms.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn identity(stat: rustix::fs::Stat) -> Identity {
    Identity {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    }
}
