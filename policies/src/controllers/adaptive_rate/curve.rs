//! The way back after a cut: a cubic that is flat at the rate of the last overload.

use super::AdaptiveRate;

/// See the module.
#[derive(Debug)]
pub(super) struct Curve {
    plateau: f64,
    /// From the plateau down to where the curve begins.
    depth: f64,
    recovery: f64,
    /// Time on it so far, seconds.
    at: f64,
}

impl Curve {
    /// Begins below `plateau`, at `rate`.
    pub(super) fn below(spec: &AdaptiveRate, rate: f64, plateau: f64) -> Self {
        // A cut that `min` has stopped may lie above it.
        let plateau = plateau.max(rate);
        let depth = (plateau - rate).max((1.0 - spec.cut_to) * plateau);
        Self { plateau, depth, recovery: spec.recovery.as_secs_f64(), at: 0.0 }
    }

    /// Begins at its plateau: nothing is known of what lies above.
    pub(super) fn level(spec: &AdaptiveRate, rate: f64) -> Self {
        Self { at: spec.recovery.as_secs_f64(), ..Self::below(spec, rate, rate) }
    }

    /// Goes on for so many seconds; the rate there.
    pub(super) fn grow(&mut self, seconds: f64) -> f64 {
        self.at += seconds;
        let way = (self.at - self.recovery) / self.recovery;
        self.plateau + self.depth * way.powi(3)
    }

    /// Moves to the place of the curve that has this rate.
    pub(super) fn go_on_from(&mut self, rate: f64) {
        self.at = self.recovery * (1.0 + ((rate - self.plateau) / self.depth).cbrt());
    }

    /// The rate of the last overload.
    pub(super) const fn plateau(&self) -> f64 {
        self.plateau
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::KnobName;

    #[test]
    fn c4_the_curve_begins_at_the_cut_is_flat_at_the_plateau_and_rises_beyond() {
        let knob = KnobName::try_new("rate.x").expect("valid");
        let spec = AdaptiveRate::try_new(knob, 1.0, 1e6).expect("valid");
        let at = |seconds: f64| Curve::below(&spec, 70.0, 100.0).grow(seconds);
        for (seconds, rate) in
            [(0.0, 70.0), (2.5, 96.25), (5.0, 100.0), (7.5, 103.75), (10.0, 130.0), (15.0, 340.0)]
        {
            assert!((at(seconds) - rate).abs() < 1e-9, "{} at {seconds} s", at(seconds));
        }
        assert_eq!(Curve::level(&spec, 100.0).grow(5.0), 130.0);
        for rate in [20.0, 70.0, 100.0, 250.0] {
            let mut curve = Curve::below(&spec, 70.0, 100.0);
            curve.go_on_from(rate);
            assert!((curve.grow(0.0) - rate).abs() < 1e-9);
        }
        // As botocore has it, where its constant gives the same way back: 5 s at 167 per second.
        let (w_max, k) = (0.4 * 125.0 / 0.3, 5.0_f64);
        let botocore = |t: f64| 0.4 * (t - k).powi(3) + w_max;
        for seconds in [0.0, 1.0, 4.0, 5.0, 8.0] {
            let ours = Curve::below(&spec, 0.7 * w_max, w_max).grow(seconds);
            assert!((ours - botocore(seconds)).abs() < 1e-9, "{ours} at {seconds} s");
        }
    }
}
