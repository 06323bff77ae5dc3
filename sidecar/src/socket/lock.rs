//! The lock file beside the socket: who holds its lock owns the path.
//!
//! It stays when its owner ends, in whatever way: there is nothing to gain from removing it, and removing a lock file is a
//! race in which two processes lock two files of one name. Only a start that fails takes back the file that it made itself. So
//! whoever has got a lock looks whether the file is still the one at the path, and begins anew when it is not.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::{SocketError, failed, identity};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    /// The file was not there before.
    made: bool,
}

impl Lock {
    /// Takes the lock and writes our pid into its file.
    pub(super) fn take(path: &Path) -> Result<Self, SocketError> {
        loop {
            let Some((file, made)) = open(path).map_err(failed("open", path))? else { continue };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    let mut text = String::new();
                    let pid = file.take(16).read_to_string(&mut text).ok();
                    let pid = pid.and_then(|_| text.trim().parse().ok());
                    return Err(SocketError::Held { path: path.to_owned(), pid });
                }
                Err(error) => return Err(failed("lock", path)(error.into())),
            }
            let lock = Self { file, path: path.to_owned(), made };
            if lock.is_in_place() {
                lock.sign().map_err(failed("write", path))?;
                return Ok(lock);
            }
        }
    }

    /// Removes the file if we made it, while the lock is still held.
    pub(super) fn withdraw(&self) {
        if self.made && self.is_in_place() {
            // It may vanish in between, which is what we wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn is_in_place(&self) -> bool {
        let ours = self.file.metadata().map(|ours| (ours.dev(), ours.ino()));
        ours.is_ok_and(|ours| identity(&self.path).is_ok_and(|there| there == ours))
    }

    fn sign(&self) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    }
}

/// The file, and whether it is new; `None` when it was there and is gone.
fn open(path: &Path) -> io::Result<Option<(File, bool)>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    match options.clone().create_new(true).open(path) {
        Ok(file) => return Ok(Some((file, true))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match options.open(path) {
        Ok(file) => Ok(Some((file, false))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_a_file_that_was_taken_back_is_worth_nothing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("s.sock.lock");
        let (early, made) = open(&path).expect("opened").expect("there");
        assert!(made);
        let failed = Lock { file: early, path: path.clone(), made };
        let (late, made) = open(&path).expect("opened").expect("there");
        assert!(!made);
        failed.withdraw();
        assert!(!path.exists());
        assert!(!Lock { file: late, path: path.clone(), made }.is_in_place());
        let lock = Lock::take(&path).expect("free");
        assert!(lock.is_in_place() && lock.made);
    }
}
