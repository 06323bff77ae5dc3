//! Memory under the limit that the runtime cannot give back: neighbours, other libraries, the kernel's own.
//!
//! ```text
//! E    = max(0, working set - what the managed runtimes hold)
//! hold = E when it rises, else it follows with 5 s
//! use  = hold + (0.6 s + marking) x slope                         slope: of E, where it rises
//! ```
//!
//! What is pushed is looked ahead by the time until it frees memory: the way there, and a whole marking, which is long where
//! the heap is large or CPUs are few.
//!
//! Working set and heap are read one after the other, so a single sample can be off by what was allocated between; the
//! median of three is taken, except when so little is left that a false alarm is the better mistake.

use crate::time::Timestamp;

const HOLD_SECONDS: f64 = 5.0;
/// Half of a new slope is believed after this long.
const SLOPE_HALF_SECONDS: f64 = 0.2;
/// How far ahead of a rise, besides the time of a marking: three ticks of 200 ms.
const HORIZON_SECONDS: f64 = 0.6;
/// A longer marking is not looked ahead of: by then it is a guess.
const MOST_MARKING_SECONDS: f64 = 1.0;

/// Estimator of external memory, bytes.
#[derive(Debug, Default)]
pub(super) struct External {
    samples: [f64; 3],
    taken: usize,
    last: Option<(Timestamp, f64)>,
    held: f64,
    slope: f64,
}

impl External {
    /// Takes a sample; gives the estimate to reckon with while a marking takes so many seconds.
    pub(super) fn update(&mut self, at: Timestamp, sample: f64, marking: f64, urgent: bool) -> f64 {
        if self.last.is_none_or(|(before, _)| before != at) {
            self.take(at, sample, urgent);
        }
        self.held + (HORIZON_SECONDS + marking.clamp(0.0, MOST_MARKING_SECONDS)) * self.slope
    }

    fn take(&mut self, at: Timestamp, sample: f64, urgent: bool) {
        self.samples[self.taken % 3] = sample;
        self.taken += 1;
        let value = if urgent || self.taken < 3 { sample } else { median(self.samples) };
        if let Some((before, known)) = self.last {
            let seconds = at.since(before).as_secs_f64();
            let rise = if seconds > 0.0 { ((value - known) / seconds).max(0.0) } else { self.slope };
            self.slope += (1.0 - 0.5_f64.powf(seconds / SLOPE_HALF_SECONDS)) * (rise - self.slope);
            let followed = self.held + (value - self.held) * (1.0 - (-seconds / HOLD_SECONDS).exp());
            self.held = if value > self.held { value } else { followed };
        } else {
            self.held = value;
        }
        self.last = Some((at, value));
    }
}

fn median([a, b, c]: [f64; 3]) -> f64 {
    a.max(b).min(a.min(b).max(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(samples: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut external = External::default();
        let each = |(tick, sample): (u64, f64)| {
            external.update(Timestamp::from_millis(100 * tick), sample, 0.0, false)
        };
        (0..).zip(samples).map(each).collect()
    }

    #[test]
    fn a_single_skewed_sample_is_no_memory() {
        let seen = run([100.0, 100.0, 100.0, 900.0, 100.0, 100.0]);
        assert_eq!(seen, [100.0; 6]);
    }

    #[test]
    fn a_rise_is_followed_at_once_and_looked_ahead_of_and_a_fall_slowly() {
        let rising = run((0..20).map(|tick| 100.0 + 10.0 * f64::from(tick)));
        let last = rising[19];
        assert!((335.0..345.0).contains(&last), "280 a sample ago, 60 ahead: {last}");
        let falling = run([500.0; 5].into_iter().chain([100.0; 100]));
        assert!(falling[8] > 450.0, "{}", falling[8]);
        assert!((100.0..170.0).contains(&falling[104]), "{}", falling[104]);
    }

    #[test]
    fn a_rise_is_looked_ahead_of_by_a_whole_marking_too() {
        let ahead = |marking| {
            let mut external = External::default();
            let each = |tick: u32| {
                let at = Timestamp::from_millis(100 * u64::from(tick));
                external.update(at, 10.0 * f64::from(tick), marking, false)
            };
            (0..20).map(each).last().expect("some")
        };
        assert!((49.0..51.0).contains(&(ahead(0.5) - ahead(0.0))), "100 a second");
        assert_eq!(ahead(5.0), ahead(1.0), "a guess has its bounds");
        assert_eq!(ahead(-1.0), ahead(0.0));
    }

    #[test]
    fn when_little_is_left_the_newest_sample_counts() {
        let mut external = External::default();
        for tick in 0..5 {
            external.update(Timestamp::from_millis(100 * tick), 100.0, 0.0, false);
        }
        assert!(external.update(Timestamp::from_millis(500), 300.0, 0.0, true) >= 300.0);
    }

    #[test]
    fn the_middle_one_is_found() {
        for samples in [
            [1.0, 2.0, 3.0],
            [1.0, 3.0, 2.0],
            [2.0, 1.0, 3.0],
            [2.0, 3.0, 1.0],
            [3.0, 1.0, 2.0],
            [3.0, 2.0, 1.0],
        ] {
            assert_eq!(median(samples), 2.0, "{samples:?}");
        }
    }
}
