//! One kernel file through its life: opened when first needed, dropped when the kernel says that it is gone, tried again later.

use crate::kept::{KeptFile, ReadError, Size};
use crate::parse::ParseError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an absent file, a vanished cgroup or a missing process is left alone before the next try.
pub const RETRY: Duration = Duration::from_secs(10);

/// Why a file gave no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It could not be read; tried again after [`RETRY`].
    Read(ReadError),
    /// It was read but makes no sense; tried again at the next reading.
    Parse(ParseError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Parse(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

/// A kernel file that may come and go.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    size: Size,
    file: Option<KeptFile>,
    fault: Option<Fault>,
    retry_at: Duration,
}

impl Source {
    pub(super) fn new(path: PathBuf, size: Size) -> Self {
        Self { path, size, file: None, fault: None, retry_at: Duration::ZERO }
    }

    pub(super) fn small(directory: &Path, name: &str) -> Self {
        Self::new(directory.join(name), Size::Small)
    }

    /// Reads and parses. On a read error the descriptor is dropped and the error repeated until [`RETRY`] has passed.
    pub(super) fn read<T>(
        &mut self,
        now: Duration,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, Fault> {
        let result = self.try_read(now, parse);
        self.fault = result.as_ref().err().copied();
        if matches!(self.fault, Some(Fault::Read(_))) && (self.file.take().is_some() || now >= self.retry_at)
        {
            self.retry_at = now + RETRY;
        }
        result
    }

    fn try_read<T>(
        &mut self,
        now: Duration,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, Fault> {
        if self.file.is_none() {
            if let Some(fault) = self.fault.filter(|_| now < self.retry_at) {
                return Err(fault);
            }
            self.file = Some(KeptFile::open(&self.path, self.size).map_err(Fault::Read)?);
        }
        let file = self.file.as_mut().expect("opened just above when it was not open");
        parse(file.read().map_err(Fault::Read)?).map_err(Fault::Parse)
    }

    /// The file and what was wrong with it at the last reading, if anything.
    pub(super) fn fault(&self) -> Option<(&Path, Fault)> {
        self.fault.map(|fault| (self.path.as_path(), fault))
    }

    /// As [`fault`](Self::fault), for a file that not every level of a hierarchy has.
    pub(super) fn fault_of_level(&self) -> Option<(&Path, Fault)> {
        self.fault().filter(|(_, fault)| *fault != Fault::Read(ReadError::NotFound))
    }
}

/// The smallest bound of a list of levels, own group first: `Ok(None)` when no level has one. A level without the file has none; an
/// ancestor that may not be read does not count, since it is not visible; any other fault makes the result unknown.
pub(super) fn tightest<T: PartialOrd>(
    levels: impl Iterator<Item = Result<Option<T>, Fault>>,
) -> Result<Option<T>, Fault> {
    let mut least = None;
    for (height, level) in levels.enumerate() {
        let bound = match level {
            Ok(bound) => bound,
            Err(Fault::Read(ReadError::NotFound)) => None,
            Err(Fault::Read(ReadError::Denied)) if height > 0 => None,
            Err(fault) => return Err(fault),
        };
        if let Some(bound) = bound
            && least.as_ref().is_none_or(|least| bound < *least)
        {
            least = Some(bound);
        }
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Problem;

    #[test]
    fn the_tightest_bound_is_known_only_when_no_visible_level_is_in_doubt() {
        let absent = || Err(Fault::Read(ReadError::NotFound));
        let denied = || Err(Fault::Read(ReadError::Denied));
        let removed = || Err(Fault::Read(ReadError::Removed));
        let garbled = Fault::Parse(ParseError { field: "memory limit", problem: Problem::Empty });
        let table = [
            (vec![], Ok(None)),
            (vec![Ok(None), Ok(None)], Ok(None)),
            (vec![Ok(Some(3)), Ok(Some(2)), Ok(None)], Ok(Some(2))),
            (vec![absent(), Ok(Some(2)), absent()], Ok(Some(2))),
            (vec![Ok(Some(3)), denied()], Ok(Some(3))),
            (vec![denied(), Ok(Some(2))], denied()),
            (vec![Ok(Some(3)), removed()], removed()),
            (vec![Ok(Some(3)), Err(garbled)], Err(garbled)),
        ];
        for (levels, expected) in table {
            assert_eq!(tightest(levels.clone().into_iter()), expected, "{levels:?}");
        }
    }
}
