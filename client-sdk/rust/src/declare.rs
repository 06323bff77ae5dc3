//! From what a service asks for to a sound knob.
//!
//! A mistake in a bound must not take a service down, so registration corrects instead of failing, and says once in the
//! log what it made of it. What comes out always passes the checks of [`Knob`].

use std::time::Duration;

use setpoint_policies::knob::{Kind, Knob, KnobName, MAX_NAME_BYTES};

/// What a service asks for.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    name: KnobName,
    pub kind: Kind,
    pub unit: String,
    pub bounds: (f64, f64),
    /// `None`: the default, brought into the bounds.
    pub baseline: Option<f64>,
    pub step: f64,
    pub max_change_ratio: f64,
    pub min_dwell: Duration,
    pub deadline: Option<Duration>,
    default_bounds: (f64, f64),
    default_baseline: f64,
    problems: Vec<&'static str>,
}

impl Declaration {
    /// A knob `PREFIX.NAME` (or `NAME`, where the prefix is empty).
    pub fn new(prefix: &str, name: &str, kind: Kind, bounds: (f64, f64), baseline: f64) -> Self {
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let mut problems = Vec::new();
        let name = KnobName::try_new(&full).unwrap_or_else(|_| {
            problems.push("name: 1 to 128 bytes of a-z A-Z 0-9 . _ - /");
            spelled(&full)
        });
        Self {
            name,
            kind,
            unit: "1".to_owned(),
            bounds,
            baseline: None,
            step: 0.0,
            max_change_ratio: 0.0,
            min_dwell: Duration::ZERO,
            deadline: None,
            default_bounds: bounds,
            default_baseline: baseline,
            problems,
        }
    }

    /// The knob of a breaker, whose number is that of its state.
    pub fn breaker(name: &str) -> Self {
        Self::new("breaker", name, Kind::Breaker, (0.0, 7.0), 0.0)
    }

    /// Its name, corrected if need be.
    pub const fn name(&self) -> &KnobName {
        &self.name
    }

    /// The knob, corrected if need be; logs what was corrected.
    pub fn checked(mut self) -> Knob {
        let baseline = self.correct();
        let Self {
            name, kind, unit, bounds: (min, max), step, max_change_ratio, min_dwell, deadline, ..
        } = self;
        if !self.problems.is_empty() {
            let problems = self.problems.join("; ");
            tracing::error!(knob = %name, min, max, baseline, step, problems, "knob corrected");
        }
        let knob = Knob::try_new(name, kind, min, max, baseline).expect("`correct` left nothing to refuse");
        Knob { unit, step, max_change_ratio, min_dwell, deadline, ..knob }
    }

    /// Corrects everything and returns the baseline.
    fn correct(&mut self) -> f64 {
        let (mut min, mut max) = self.bounds;
        if !(min.is_finite() && max.is_finite()) {
            self.problems.push("bounds: not finite, default taken");
            (min, max) = self.default_bounds;
        }
        if min > max {
            self.problems.push("bounds: swapped");
            (min, max) = (max, min);
        }
        let limit =
            matches!(self.kind, Kind::ConcurrencyLimit | Kind::RateLimit | Kind::QueueLimit | Kind::PoolSize);
        if limit && min < 0.0 {
            self.problems.push("bounds: a limit cannot be negative");
            (min, max) = (0.0, max.max(0.0));
        }
        self.bounds = (min, max);
        for (value, problem) in [
            (&mut self.step, "step: must be finite and at least 0, taken as 0"),
            (&mut self.max_change_ratio, "max_change_ratio: must be finite and at least 0, taken as 0"),
        ] {
            if !(value.is_finite() && *value >= 0.0) {
                self.problems.push(problem);
                *value = 0.0;
            }
        }
        if self.deadline.is_some_and(|deadline| deadline.is_zero()) {
            self.problems.push("deadline: must be above 0, taken as none");
            self.deadline = None;
        }
        match self.baseline {
            Some(asked) if (min..=max).contains(&asked) => asked,
            Some(asked) => {
                self.problems.push("baseline: moved into the bounds");
                if asked.is_nan() { self.default_baseline } else { asked }.clamp(min, max)
            }
            None => self.default_baseline.clamp(min, max),
        }
    }
}

/// The nearest allowed name.
fn spelled(name: &str) -> KnobName {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).take(MAX_NAME_BYTES).collect();
    let name = if name.is_empty() { "unnamed" } else { &name };
    KnobName::try_new(name).expect("1 to 128 characters of the allowed set")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limit(bounds: (f64, f64), baseline: f64) -> Declaration {
        let mut asked = Declaration::new("limit", "db", Kind::ConcurrencyLimit, (4.0, 2000.0), 50.0);
        (asked.bounds, asked.baseline) = (bounds, Some(baseline));
        asked
    }

    #[test]
    fn nonsense_is_corrected_and_counted_as_a_problem() {
        const NAN: f64 = f64::NAN;
        const INF: f64 = f64::INFINITY;
        for (bounds, baseline, expected) in [
            ((4.0, 400.0), 64.0, (4.0, 400.0, 64.0)),
            ((400.0, 4.0), 64.0, (4.0, 400.0, 64.0)),
            ((4.0, 400.0), 1.0, (4.0, 400.0, 4.0)),
            ((4.0, 400.0), NAN, (4.0, 400.0, 50.0)),
            ((4.0, INF), 64.0, (4.0, 2000.0, 64.0)),
            ((NAN, 10.0), -INF, (4.0, 2000.0, 4.0)),
            ((-5.0, 10.0), 3.0, (0.0, 10.0, 3.0)),
            ((-5.0, -1.0), 3.0, (0.0, 0.0, 0.0)),
        ] {
            let mut asked = limit(bounds, baseline);
            let sound = asked.clone().checked();
            assert_eq!((sound.min, sound.max, sound.baseline), expected, "{bounds:?} {baseline}");
            asked.correct();
            assert_eq!(asked.problems.is_empty(), bounds == (4.0, 400.0) && baseline == 64.0);
        }
    }

    #[test]
    fn c7_a_deadline_that_no_call_can_meet_is_none() {
        let mut asked = limit((4.0, 400.0), 64.0);
        asked.deadline = Some(Duration::ZERO);
        assert_eq!(asked.clone().checked().deadline, None);
        asked.deadline = Some(Duration::from_millis(1));
        assert_eq!(asked.checked().deadline, Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_default_baseline_moves_into_the_bounds_without_complaint() {
        let mut asked = Declaration::new("limit", "db", Kind::ConcurrencyLimit, (4.0, 2000.0), 50.0);
        asked.bounds = (2.0, 20.0);
        assert_eq!((asked.correct(), asked.problems.len()), (20.0, 0));
    }

    #[test]
    fn names_are_spelled_in_the_allowed_set() {
        let name = |name: &str| Declaration::new("limit", name, Kind::ConcurrencyLimit, (0.0, 1.0), 0.0).name;
        assert_eq!(name("db").as_str(), "limit.db");
        assert_eq!(name("my db;\u{e4}").as_str(), "limit.my_db__");
        assert_eq!(name(&"x".repeat(500)).as_str().len(), MAX_NAME_BYTES);
        assert_eq!(Declaration::new("", "", Kind::Numeric, (0.0, 1.0), 0.0).name.as_str(), "unnamed");
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_a_sound_knob_comes_out(
            name in ".*", min in any::<f64>(), max in any::<f64>(), baseline in any::<f64>(),
            step in any::<f64>(), ratio in any::<f64>(),
        ) {
            let mut asked = Declaration::new("", &name, Kind::PoolSize, (1.0, 10.0), 1.0);
            (asked.bounds, asked.baseline) = ((min, max), Some(baseline));
            (asked.step, asked.max_change_ratio) = (step, ratio);
            prop_assert!(asked.checked().checked().is_ok());
        }
    }
}
