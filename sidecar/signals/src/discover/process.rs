//! A process held by its directory in `/proc`, so that a reused process id is never mistaken for it.
//!
//! The directory stays open and everything is reached through `/proc/self/fd/N/...`. When the process ends, the kernel refuses
//! every look-up below that descriptor for good; a path with the number in it would one day show somebody else's process.

use crate::kept::ReadError;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// An open `/proc/PID`.
#[derive(Debug)]
pub(crate) struct Held {
    /// Keeps the number in `base` ours.
    _directory: File,
    base: PathBuf,
    name: PathBuf,
}

impl Held {
    pub(crate) fn open(name: &Path) -> Result<Self, ReadError> {
        if !std::fs::metadata(name)?.is_dir() {
            return Err(ReadError::NotFound);
        }
        let directory = File::open(name)?;
        let base = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        Ok(Self { _directory: directory, base, name: name.to_owned() })
    }

    /// The directory as it was asked for, to be shown to people.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The path of something below the process's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }
}
