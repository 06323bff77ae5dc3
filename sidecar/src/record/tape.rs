//! The file of a recording: bounded, whole lines only, and patient with a disk that fails.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use setpoint_policies::time::Timestamp;

/// A file that could not be written is left alone for this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Whether a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Yes,
    /// No, because nothing is tried so soon after a failure.
    Waiting,
}

#[derive(Debug)]
pub(super) struct Tape {
    path: PathBuf,
    /// Most bytes of one file; there are two.
    most: u64,
    /// The open file and its length.
    file: Option<(File, u64)>,
    /// What an earlier process left was put aside.
    begun: bool,
    retry_at: Timestamp,
}

impl Tape {
    pub(super) const fn new(path: PathBuf, most_bytes: u64) -> Self {
        Self { path, most: most_bytes / 2, file: None, begun: false, retry_at: Timestamp::ZERO }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line.
    pub(super) fn write(&mut self, now: Timestamp, line: &[u8]) -> io::Result<Written> {
        if now < self.retry_at {
            return Ok(Written::Waiting);
        }
        let written = self.try_write(line);
        if written.is_err() {
            self.retry_at = now + RETRY_AFTER;
        }
        written.map(|()| Written::Yes)
    }

    fn try_write(&mut self, line: &[u8]) -> io::Result<()> {
        let size = line.len() as u64;
        if size > self.most {
            return Err(io::Error::other("one snapshot is larger than the recording may be"));
        }
        let (file, length) = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let (mut file, length) = if length + size > self.most {
            self.put_aside()?;
            self.open()?
        } else {
            (file, length)
        };
        if let Err(error) = file.write_all(line) {
            // Half a line would be merged with the next one; if it cannot be cut off either, a reader refuses that line.
            let _ = file.set_len(length);
            return Err(error);
        }
        self.file = Some((file, length + size));
        Ok(())
    }

    fn open(&mut self) -> io::Result<(File, u64)> {
        if !self.begun {
            self.put_aside()?;
            self.begun = true;
        }
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// Makes room: the file becomes `FILE.1`. Only a plain file is moved, so that `/dev/null` stays where it is.
    fn put_aside(&self) -> io::Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(found) if !found.is_file() => Err(io::Error::other("is not a regular file")),
            Ok(found) if found.len() == 0 => Ok(()),
            Ok(_) => std::fs::rename(&self.path, aside(&self.path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// `FILE.1`.
fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn two_files_never_take_more_than_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tape");
        let mut tape = Tape::new(path.clone(), 20);
        for n in 0..10 {
            assert_eq!(tape.write(at(n), format!("{n}..\n").as_bytes()).unwrap(), Written::Yes);
            let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
            assert!(size(&path) + size(&aside(&path)) <= 20);
        }
        assert_eq!((text(&aside(&path)), text(&path)), ("6..\n7..\n".into(), "8..\n9..\n".into()));
        assert!(tape.write(at(10), &[b'x'; 11]).is_err());
    }

    #[test]
    fn what_an_earlier_process_left_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tape");
        std::fs::write(&path, "old\n").unwrap();
        Tape::new(path.clone(), 100).write(at(0), b"new\n").unwrap();
        assert_eq!((text(&aside(&path)), text(&path)), ("old\n".into(), "new\n".into()));
    }

    #[test]
    fn a_failure_is_tried_again_later_and_not_sooner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not-yet").join("tape");
        let mut tape = Tape::new(path.clone(), 100);
        assert!(tape.write(at(0), b"a\n").is_err());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        assert_eq!(tape.write(at(9), b"b\n").unwrap(), Written::Waiting);
        assert_eq!(tape.write(at(10), b"c\n").unwrap(), Written::Yes);
        assert_eq!(text(&path), "c\n");
    }

    #[test]
    fn a_device_is_not_moved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let error = Tape::new(path.clone(), 100).write(at(0), b"a\n").unwrap_err();
        assert_eq!(error.to_string(), "is not a regular file");
        assert!(path.symlink_metadata().unwrap().is_symlink());
    }
}
