//! The levels of the last calls, and what level to reject from so that a share of them is.

const PRIORITIES: usize = 5;
const COHORTS: usize = 128;
const CALLS: usize = 1000;

/// How often each level was among the last 1000 calls.
#[derive(Debug)]
pub(super) struct Levels {
    counts: Vec<u32>,
    ring: Vec<usize>,
    oldest: usize,
}

impl Default for Levels {
    fn default() -> Self {
        Self { counts: vec![0; PRIORITIES * COHORTS], ring: Vec::with_capacity(CALLS), oldest: 0 }
    }
}

impl Levels {
    /// The level of a call of this priority (0 = critical) whose cohort is drawn (0 to 1).
    pub(super) fn of(priority: u8, chance: f64) -> usize {
        let cohort = (chance * COHORTS as f64) as usize;
        usize::from(priority).min(PRIORITIES - 1) * COHORTS + cohort.min(COHORTS - 1)
    }

    /// Takes a call in.
    pub(super) fn add(&mut self, level: usize) {
        self.counts[level] += 1;
        if self.ring.len() < CALLS {
            self.ring.push(level);
            return;
        }
        let gone = std::mem::replace(&mut self.ring[self.oldest], level);
        self.counts[gone] -= 1;
        self.oldest = (self.oldest + 1) % CALLS;
    }

    /// The lowest level such that at most this share of the calls is above it.
    pub(super) fn threshold(&self, share: f64) -> usize {
        let most = self.ring.len() as f64 * share;
        let mut above = 0;
        for (level, count) in self.counts.iter().enumerate().rev() {
            above += count;
            if f64::from(above) > most {
                return level;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_the_share_that_matters_least() {
        let mut levels = Levels::default();
        // 1000 old calls of the lowest level are pushed out by 300 critical and 700 background ones
        (0..1000).for_each(|_| levels.add(0));
        (0..300).for_each(|n| levels.add(Levels::of(0, f64::from(n) / 300.0)));
        (0..700).for_each(|n| levels.add(Levels::of(4, f64::from(n) / 700.0)));
        let rejected = |threshold: usize| levels.ring.iter().filter(|level| **level > threshold).count();
        for (share, at_least, at_most) in
            [(0.0, 0, 0), (0.5, 490, 500), (0.7, 690, 700), (0.9, 890, 900), (1.0, 990, 1000)]
        {
            let count = rejected(levels.threshold(share));
            assert!((at_least..=at_most).contains(&count), "{share}: {count}");
        }
        assert!(
            levels.threshold(0.69) >= 4 * COHORTS,
            "critical calls pass as long as others can be rejected"
        );
    }
}
