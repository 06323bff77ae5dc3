//! A kernel file that is opened once and read again and again.
//!
//! Why: `pread` on a kept descriptor costs 0.3-0.9 us where open + read + close costs 2-3 us, and a kept descriptor names one cgroup or
//! one process for good: a path could silently lead to its successor. The price is that the kernel reports the end of the thing
//! by an error on the read, and each subsystem has its own; [`ReadError`] is the closed list.
//!
//! The buffer is sized to the file because `/proc/sys` zeroes a kernel buffer of the *reader's* size. A read that fills the buffer may
//! have been cut, so the buffer doubles (up to [`LARGEST`]) and the file is read again: what [`KeptFile::read`] returns is
//! always whole. Nothing else ever allocates.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The largest file that is read; a longer one is [`ReadError::TooLarge`].
pub const LARGEST: usize = 64 * 1024;

/// How large a file is expected to be, and whether one read returns all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A number or a few short lines: 512 bytes, one read.
    Small,
    /// A table that the kernel prints as one record (`memory.stat`, `meminfo`): 8 KiB, one read.
    Table,
    /// A file of many records, which the kernel hands out piecewise: 8 KiB, read until the kernel returns nothing.
    Records,
}

impl Size {
    const fn bytes(self) -> usize {
        match self {
            Self::Small => 512,
            Self::Table | Self::Records => 8 * 1024,
        }
    }
}

/// Why a kernel file could not be read. All but [`TooLarge`](Self::TooLarge) and [`Other`](Self::Other) are part of normal life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// ENOENT, ENOTDIR: there is no such file (controller not enabled, older kernel, root group).
    NotFound,
    /// ENODEV: the cgroup was removed, or its pressure accounting was switched off.
    Removed,
    /// ESRCH: the process or thread has ended.
    Exited,
    /// EOPNOTSUPP: the kernel has the file but the feature is off (`psi=0`).
    Unsupported,
    /// EACCES, EPERM: not allowed to look.
    Denied,
    /// It is a directory, a pipe or a device, so not a kernel text file.
    NotAFile,
    /// It is longer than [`LARGEST`].
    TooLarge,
    /// Any other error number (0 when the system gave none), for example 24, too many open files.
    Other(i32),
}

const ESRCH: i32 = 3;
const ENODEV: i32 = 19;

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match (error.kind(), error.raw_os_error()) {
            (_, Some(ESRCH)) => Self::Exited,
            (_, Some(ENODEV)) => Self::Removed,
            (io::ErrorKind::NotFound | io::ErrorKind::NotADirectory, _) => Self::NotFound,
            (io::ErrorKind::PermissionDenied, _) => Self::Denied,
            (io::ErrorKind::Unsupported, _) => Self::Unsupported,
            (_, number) => Self::Other(number.unwrap_or(0)),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file"),
            Self::Removed => f.write_str("cgroup removed or accounting switched off"),
            Self::Exited => f.write_str("process has ended"),
            Self::Unsupported => f.write_str("switched off in the kernel"),
            Self::Denied => f.write_str("permission denied"),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::TooLarge => write!(f, "longer than {LARGEST} bytes"),
            Self::Other(number) => write!(f, "system error {number}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// An open kernel file with its own buffer.
#[derive(Debug)]
pub struct KeptFile {
    file: File,
    buffer: Vec<u8>,
    until_empty: bool,
}

impl KeptFile {
    /// Opens `path` for reading and allocates the buffer that all later reads use.
    ///
    /// # Errors
    /// Any [`ReadError`]; something that is not a regular file is refused before it is opened, since opening a pipe could block.
    pub fn open(path: &Path, size: Size) -> Result<Self, ReadError> {
        let file = open_regular(path)?;
        Ok(Self { file, buffer: vec![0; size.bytes()], until_empty: size == Size::Records })
    }

    /// The whole content as it is now. 0.3-0.9 us for a small file; no allocation unless the file has outgrown its buffer.
    ///
    /// # Errors
    /// Any [`ReadError`]. Apart from [`ReadError::TooLarge`] and [`ReadError::Other`] the descriptor is of no further use.
    pub fn read(&mut self) -> Result<&[u8], ReadError> {
        loop {
            let length = self.fill()?;
            if length < self.buffer.len() {
                return Ok(&self.buffer[..length]);
            }
            if self.buffer.len() >= LARGEST {
                return Err(ReadError::TooLarge);
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    fn fill(&mut self) -> Result<usize, ReadError> {
        let mut length = 0;
        loop {
            let more = read_at(&self.file, &mut self.buffer[length..], length as u64)?;
            length += more;
            if more == 0 || !self.until_empty || length == self.buffer.len() {
                return Ok(length);
            }
        }
    }
}

/// Opens a regular file read-only and close-on-exec.
pub(crate) fn open_regular(path: &Path) -> Result<File, ReadError> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    Ok(File::open(path)?)
}

/// One `pread`, repeated when a signal interrupts it.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests;
