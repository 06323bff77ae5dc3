//! Luck: what chance does to a call is the call's own, whatever law stands before the service.
//!
//! Laws are compared on the same calls. If all calls drew from one stream, a law that admits one call more would shift every
//! draw after it, and two laws would differ by luck where they do the same. So each draw has a stream of its own, made of
//! the seed of the run, the number of the call, the attempt, and what the draw is for.

use fastrand::Rng;

use super::calls::Call;

/// What a draw is for.
#[derive(Debug, Clone, Copy)]
pub enum Draw {
    /// A law that rejects at random.
    Admission,
    /// How long the dependency takes.
    Delay,
    /// Work in the second station.
    SecondWork,
    /// Whether the service drops it.
    Drop,
    /// How long the client waits before it tries again.
    Backoff,
}

/// The luck of all calls of a run.
#[derive(Debug, Clone, Copy)]
pub struct Luck(u64);

impl Luck {
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The stream of a draw: the same whenever it is asked for.
    pub fn of(self, call: &Call, draw: Draw) -> Rng {
        let attempt = u64::from(call.attempt) << 8 | draw as u64;
        Rng::with_seed(mix(mix(self.0 ^ call.number).wrapping_add(attempt)))
    }
}

/// Makes neighbours unlike each other (the finaliser of SplitMix64); first draws of generators with neighbouring seeds are
/// alike.
const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, number: u64, attempt: u32, draw: Draw) -> f64 {
        Luck::new(seed).of(&Call { number, attempt, ..Call::default() }, draw).f64()
    }

    #[test]
    fn every_draw_has_its_own_luck_and_keeps_it() {
        let one = draw(1, 7, 0, Draw::Delay);
        assert_eq!(draw(1, 7, 0, Draw::Delay), one);
        for other in [
            draw(2, 7, 0, Draw::Delay),
            draw(1, 8, 0, Draw::Delay),
            draw(1, 7, 1, Draw::Delay),
            draw(1, 7, 0, Draw::Drop),
        ] {
            assert_ne!(other, one);
        }
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        const CALLS: u64 = 100_000;
        let lots = |first, attempt, kind| -> Vec<f64> {
            (first..first + CALLS).map(|number| draw(1, number, attempt, kind)).collect()
        };
        let mut one = lots(0, 0, Draw::Delay);
        for other in [lots(1, 0, Draw::Delay), lots(0, 0, Draw::SecondWork), lots(0, 1, Draw::Delay)] {
            let pairs = one.iter().zip(other);
            let together = pairs.map(|(a, b)| (a - 0.5) * (b - 0.5)).sum::<f64>() / CALLS as f64;
            assert!((together * 12.0).abs() < 0.01, "correlation {together}");
        }
        one.sort_by(f64::total_cmp);
        let off = one.iter().zip(0_u32..).map(|(lot, rank)| (lot - f64::from(rank) / CALLS as f64).abs());
        assert!(off.fold(0.0, f64::max) < 0.01, "not uniform");
    }
}
