//! Whether a line is a passing burst or a standing queue.
//!
//! A burst drains by itself: within any [`INTERVAL`] there is a moment at which whoever stands at the head has not waited
//! long. If there was none, more comes in than goes out, and every wait only makes the answer later. That is CoDel's test
//! (Nichols and Jacobson, 2012); what follows from it is simpler than CoDel and is what folly does: while the queue stands,
//! whoever has waited for twice the target is refused.

use std::time::Duration;

/// A head that has waited less than this is no sign of a standing queue.
pub const TARGET: Duration = Duration::from_millis(5);
/// The shortest wait is looked for over this long.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// The test of one line. Times are nanoseconds of one clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Codel {
    /// Shortest wait of the head in this interval.
    shortest: u64,
    /// When this interval ends.
    ends: u64,
    overloaded: bool,
}

const fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

impl Codel {
    /// The head of the line has waited this long; 0 for an empty line. To be called whenever the line moves.
    pub fn observe(&mut self, now: u64, head: u64) {
        if now < self.ends {
            self.shortest = self.shortest.min(head);
            return;
        }
        // Where nothing was seen for longer than an interval, what was seen last has lasted all the while.
        self.overloaded = self.shortest.min(head) > nanos(TARGET);
        (self.shortest, self.ends) = (head, now + nanos(INTERVAL));
    }

    /// Whether the queue stands.
    pub const fn overloaded(&self) -> bool {
        self.overloaded
    }

    /// The longest wait that is worth it now.
    pub const fn longest_wait(&self) -> u64 {
        if self.overloaded { 2 * nanos(TARGET) } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_a_standing_queue_is_one_whose_head_has_always_waited() {
        const MS: u64 = 1_000_000;
        // Waits of the head in milliseconds, every 10 ms; whether the queue stands at the end.
        let burst: Vec<u64> = (0..30).map(|n| n % 8 * 10).collect();
        for (heads, expected, why) in [
            (vec![0; 30], false, "empty"),
            (vec![4; 30], false, "within the target"),
            (vec![6; 30], true, "always above it"),
            (burst, false, "it drains now and then"),
            (vec![50; 9], false, "not for an interval yet"),
            ([vec![50; 30], vec![1; 12]].concat(), false, "over"),
        ] {
            let mut codel = Codel::default();
            codel.observe(MS, 0);
            for (n, head) in (1..).zip(&heads) {
                codel.observe(MS + n * 10 * MS, head * MS);
            }
            // The interval in which it began had a head that had just come.
            assert_eq!(codel.overloaded(), expected, "{why}");
            assert_eq!(codel.longest_wait() == 10 * MS, expected, "{why}");
        }
    }
}
