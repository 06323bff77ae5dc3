//! When a change has settled: pure, over whatever tells one state of a file from another.
//!
//! A writer that truncates and then writes is seen half way, so a change is read only after it stood for [`SETTLE`]. Each
//! further change begins that time anew, but a file that never rests is read after [`PATIENCE`] all the same.

use std::time::Duration;

use setpoint_policies::time::Timestamp;

/// How long a change must stand before it is read.
pub const SETTLE: Duration = Duration::from_millis(100);
/// A file that never rests is read after this long.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What was seen, and since when it waits to be read. `S` is one look at the file.
#[derive(Debug)]
pub(super) struct Settling<S> {
    seen: Option<S>,
    /// The first and the last change since the file was read.
    changes: Option<(Timestamp, Timestamp)>,
}

impl<S: PartialEq> Settling<S> {
    /// Nothing seen yet, so the first look is a change.
    pub(super) const fn new() -> Self {
        Self { seen: None, changes: None }
    }

    /// Takes a look in; whether the file is to be read now.
    pub(super) fn look(&mut self, now: Timestamp, seen: S) -> bool {
        if self.seen.as_ref() != Some(&seen) {
            self.seen = Some(seen);
            let first = self.changes.map_or(now, |(first, _)| first);
            self.changes = Some((first, now));
        }
        self.due().is_some_and(|due| now >= due)
    }

    /// Takes in the look after reading; whether what was read is whole. If not, the next look is a change.
    pub(super) fn is_whole(&mut self, seen: &S) -> bool {
        let whole = self.seen.as_ref() == Some(seen);
        if whole {
            self.changes = None;
        }
        whole
    }

    /// Takes a look in that is read at once; it settles like a change, and is then read once more.
    pub(super) fn force(&mut self, now: Timestamp, seen: S) {
        self.seen = Some(seen);
        self.changes = Some((now, now));
    }

    /// When the next look must come at the latest, if something waits to be read.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.changes.map(|(first, last)| (last + SETTLE).min(first + PATIENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_change_is_read_when_it_stood_and_only_once() {
        let mut file = Settling::new();
        assert_eq!(file.due(), None);
        let looks = [(0, 'a', false), (50, 'a', false), (100, 'a', true)];
        assert_eq!(looks.map(|(now, seen, _)| file.look(at(now), seen)), looks.map(|(.., read)| read));
        assert!(file.is_whole(&'a'));
        assert!(!file.look(at(5_000), 'a'));
        assert_eq!(file.due(), None);
    }

    #[test]
    fn each_change_begins_the_time_anew_until_patience_ends() {
        let mut file = Settling::new();
        for now in (0..1000).step_by(50) {
            assert!(!file.look(at(now), now));
        }
        assert_eq!(file.due(), Some(at(1000)));
        assert!(file.look(at(1000), 1000));
    }

    #[test]
    fn what_changed_while_it_was_read_settles_anew() {
        let mut file = Settling::new();
        file.look(at(0), 'a');
        assert!(file.look(at(100), 'a'));
        assert!(!file.is_whole(&'b'));
        assert!(!file.look(at(150), 'b'));
        assert!(file.look(at(250), 'b'));
        assert!(file.is_whole(&'b'));
    }

    #[test]
    fn a_forced_read_is_followed_by_one_more() {
        let mut file = Settling::new();
        file.force(at(0), 'a');
        assert!(!file.look(at(50), 'a'));
        assert!(file.look(at(100), 'a'));
    }
}
