//! How many calls end per second while so many are in flight, by hypothesis.
//!
//! A hypothesis is a latency floor `s`, a capacity `C` and whether many times the calls that keep the service busy get less
//! done ([`SHAPES`]). Below the knee calls end as `n / s`, above it as `C`, and the corner between is the rounder the fewer
//! calls the service works on at once, because arrivals at random leave a small service idle more often: with
//! `u = ln(n / (C s))` and `p = sqrt(C s)`, from 1 to 8, `ln X = ln C - ln(1 + e^(-p u)) / p`. For one worker (`p = 1`) that
//! is the M/M/1 queue, `X = C n / (n + 1)`.
//!
//! Everything is in natural logarithms and single precision, arithmetic only.

/// How services decline when crowded: calls in flight over busy ones (ln) from which they get less done, and as which power of
/// them. Not at all, gently from twice as many on, steeply from four times.
pub(super) const SHAPES: [(f32, f32); 3] = [(f32::INFINITY, 0.0), (0.693, 0.7), (1.386_294_4, 1.5)];

/// One thing that may be true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hypothesis {
    /// ln of seconds.
    pub(super) floor: f32,
    /// ln of calls per second.
    pub(super) capacity: f32,
    /// How sharp the corner is: [`power`] of the two.
    pub(super) power: f32,
    /// Which of [`SHAPES`].
    pub(super) shape: usize,
}

impl Hypothesis {
    /// ln of the calls that end per second with `calls` (ln) in flight.
    #[inline]
    pub(super) fn throughput(self, calls: f32) -> f32 {
        let use_of = calls - self.floor - self.capacity;
        let (from, decline) = SHAPES[self.shape];
        let over = higher(use_of - from, 0.0);
        self.capacity - corner(use_of - over, self.power) - decline * over
    }
}

/// How sharp the corner is, for so many busy calls (ln).
#[inline]
pub(super) fn power(busy: f32) -> f32 {
    exp((0.5 * busy).clamp(0.0, 2.08))
}

/// `ln(1 + e^(-p u)) / p`.
#[inline]
pub(super) fn corner(use_of: f32, power: f32) -> f32 {
    let at = power * use_of;
    (higher(-at, 0.0) + ln_one_plus_exp_of_minus(at.abs())) / power
}

/// The higher of two numbers: `f32::max` has rules for what is none, and takes several times as long.
#[inline]
pub(super) const fn higher(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The lower one, likewise.
#[inline]
pub(super) const fn lower(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// `ln(1 + e^-a)` for `a >= 0`, within 0.0001 (Abramowitz and Stegun 4.1.43 for the logarithm).
#[inline]
fn ln_one_plus_exp_of_minus(a: f32) -> f32 {
    let e = exp(-a);
    e * (0.999_495_6 + e * (-0.491_909 + e * (0.289_474_8 + e * (-0.136_062_8 + e * 0.032_158_5))))
}

/// `e^x`, within 0.02 %, for `x` from -80 to 80; arithmetic only, so that the compiler can do several at once.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    // Added to a number, it leaves no place for its fraction; what is left in the low bits is the nearest whole number.
    const WHOLE: f32 = 12_582_912.0;
    let scaled = x.clamp(-80.0, 80.0) * std::f32::consts::LOG2_E;
    let shifted = scaled + WHOLE;
    let rest = scaled - (shifted - WHOLE);
    let power =
        1.0 + rest * (std::f32::consts::LN_2 + rest * (0.240_226 + rest * (0.055_504 + 0.009_618 * rest)));
    let exponent = shifted.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127) << 23;
    f32::from_bits(exponent) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn approximations_are_close(x in -60.0_f32..60.0, a in 0.0_f32..30.0) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 2e-4, "{} {}", exp(x), x.exp());
            prop_assert!((ln_one_plus_exp_of_minus(a) - (-a).exp().ln_1p()).abs() < 1e-3);
        }

        #[test]
        fn more_calls_never_get_less_done_unless_they_crowd(
            floor in -8.0_f32..3.0, capacity in -1.0_f32..10.0, calls in -3.0_f32..8.0, more in 0.0_f32..2.0,
        ) {
            let free = Hypothesis { floor, capacity, power: power(floor + capacity), shape: 0 };
            prop_assert!(free.throughput(calls + more) >= free.throughput(calls) - 2e-3);
            prop_assert!(free.throughput(calls) <= capacity.min(calls - floor) + 2e-3, "neither bound is passed");
            let crowded = Hypothesis { shape: 1, ..free };
            prop_assert!(crowded.throughput(calls) <= free.throughput(calls) + 2e-3);
        }
    }

    #[test]
    fn one_worker_is_the_queue_of_the_textbook() {
        let (floor, capacity) = (0.1_f32.ln(), 10.0_f32.ln());
        let one = Hypothesis { floor, capacity, power: power(floor + capacity), shape: 0 };
        for calls in [0.25_f32, 1.0, 4.0, 9.0] {
            let expected = 10.0 * calls / (calls + 1.0);
            let found = one.throughput(calls.ln()).exp();
            assert!((found / expected - 1.0).abs() < 2e-3, "{calls}: {found} for {expected}");
        }
    }
}
