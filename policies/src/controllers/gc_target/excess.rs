//! When a process is asked to give back what it holds above its budget.
//!
//! A lower budget is in force at once and not at once obeyed: a runtime collects when somebody allocates, and gives freed
//! pages back at leisure (Go: at one percent of a CPU). A busy process is over its budget for a collection or two. One that
//! idles stays there, and whoever needs the memory meanwhile is killed.
//!
//! ```text
//! excess = held > budget, and held - overhead - live > margin        garbage and free heap; what is alive cannot go
//! asked  = excess for half a second on end, every 30 s at most
//! ```
//!
//! A collection is asked for only where none came by itself. The wish stands while there is an excess, for 5 s
//! at most, to arrive.

use std::time::Duration;

use super::watch::View;
use crate::time::Timestamp;

const PATIENCE: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_secs(30);
const STANDS: Duration = Duration::from_secs(5);

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Whether it holds more than its budget, with enough in it that could go.
    pub excess: bool,
    /// A collection ended since the last look.
    pub collected: bool,
}

impl Look {
    pub(super) fn of(view: &View) -> Self {
        let spare = view.held - view.heap.overhead - view.live;
        Self { excess: view.held > view.budget && spare > view.margin, collected: view.collected }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked {
    pub collect: bool,
    pub return_memory: bool,
}

/// Remembers since when, and what was asked for last.
#[derive(Debug, Default)]
pub(super) struct Excess {
    since: Option<Timestamp>,
    collected: bool,
    asked: Option<(Timestamp, Asked)>,
}

impl Excess {
    /// What is asked for now.
    pub(super) fn step(&mut self, now: Timestamp, look: Look) -> Asked {
        self.note(now, look);
        let patient = self.since.is_some_and(|since| now.since(since) >= PATIENCE);
        let free = self.asked.is_none_or(|(at, _)| now.since(at) >= EVERY);
        if patient && free {
            self.asked = Some((now, Asked { collect: !self.collected, return_memory: true }));
        }
        self.asked.filter(|(at, _)| now.since(*at) < STANDS).map_or(Asked::default(), |(_, asked)| asked)
    }

    fn note(&mut self, now: Timestamp, look: Look) {
        if !look.excess {
            (self.since, self.collected) = (None, false);
            // Granted, or not needed any more.
            self.asked = self.asked.map(|(at, _)| (at, Asked::default()));
            return;
        }
        self.collected |= self.since.is_some() && look.collected;
        self.since.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Asked = Asked { collect: false, return_memory: false };
    const BOTH: Asked = Asked { collect: true, return_memory: true };
    const OVER: Look = Look { excess: true, collected: false };
    const UNDER: Look = Look { excess: false, collected: false };

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn g1_it_is_asked_for_after_half_a_second_for_five_seconds_and_every_thirty() {
        let mut excess = Excess::default();
        let asked: Vec<u64> =
            (0..700).map(|tick| 100 * tick).filter(|ms| excess.step(at(*ms), OVER) == BOTH).collect();
        let expected: Vec<u64> =
            [500, 30_500, 60_500].into_iter().flat_map(|from| (from..from + 5000).step_by(100)).collect();
        assert_eq!(asked, expected);
    }

    #[test]
    fn g1_who_comes_down_by_itself_is_not_asked() {
        let mut excess = Excess::default();
        for tick in 0..200 {
            let look = if tick % 5 == 4 { UNDER } else { OVER };
            assert_eq!(excess.step(at(100 * tick), look), NOTHING, "tick {tick}");
        }
    }

    #[test]
    fn g1_the_wish_ends_with_the_excess_and_does_not_come_back_at_once() {
        let mut excess = Excess::default();
        let looks = [OVER, OVER, UNDER, OVER, OVER, OVER];
        let asked = [0, 1, 2, 3, 4, 5].map(|i| excess.step(at(500 * i), looks[i as usize]).return_memory);
        assert_eq!(asked, [false, true, false, false, false, false]);
    }

    #[test]
    fn g1_no_collection_is_asked_for_where_one_came() {
        let mut excess = Excess::default();
        excess.step(at(0), Look { collected: true, ..OVER });
        excess.step(at(300), Look { collected: true, ..OVER });
        assert_eq!(excess.step(at(500), OVER), Asked { collect: false, return_memory: true });
        let mut excess = Excess::default();
        excess.step(at(0), Look { collected: true, ..OVER });
        assert_eq!(excess.step(at(500), OVER), BOTH, "the one that had ended before was not enough");
    }
}
