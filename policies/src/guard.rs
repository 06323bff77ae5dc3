//! How fast a knob may move.
//!
//! A restrictive move may jump: when a service drowns, pace is harm. A permissive move is paced by the knob's own
//! `max_change_ratio` and `min_dwell` and waits out a short cool-down after a restrictive one, so that two policies that
//! disagree cannot make a knob flutter. Changes too small to matter are not pushed at all.

use std::time::Duration;

use crate::arbiter::tighter;
use crate::knob::Knob;
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::value::Value;

/// No permissive move for this long after a restrictive one.
pub const COOL_DOWN: Duration = Duration::from_millis(300);
/// Relative changes below this are not pushed.
pub const DEADBAND_RATIO: f64 = 0.01;

/// When a knob moved last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guard {
    tightened_at: Option<Timestamp>,
    moved_at: Option<Timestamp>,
}

impl Guard {
    /// What the knob is set to when `wish` is asked for and `from` was wanted last, and the rule that changed the wish.
    pub fn pass(&mut self, now: Timestamp, knob: &Knob, from: Value, wish: Value) -> (Value, Option<Reason>) {
        let (to, rule) = self.limited(now, knob, from, wish);
        if to != from {
            self.moved_at = Some(now);
            if tighter(knob, &to, &from) {
                self.tightened_at = Some(now);
            }
        }
        (to, rule)
    }

    fn limited(&self, now: Timestamp, knob: &Knob, from: Value, wish: Value) -> (Value, Option<Reason>) {
        if !wish.is_quantity() || !from.is_quantity() {
            return (wish, None);
        }
        let Some(fitted) = knob.fit(wish.scalar()) else { return (from, Some(Reason::Bounds)) };
        let bounds = (fitted != wish.scalar()).then_some(Reason::Bounds);
        let wish = wish.with_scalar(fitted);
        let change = fitted - from.scalar();
        let at_bound = fitted == knob.min || fitted == knob.max || fitted == knob.baseline;
        if change != 0.0 && !at_bound && change.abs() < DEADBAND_RATIO * from.scalar().abs() {
            return (from, Some(Reason::Deadband));
        }
        if change == 0.0 || tighter(knob, &wish, &from) {
            return (wish, bounds);
        }
        self.paced(now, knob, from, wish).unwrap_or((wish, bounds))
    }

    /// The paced outcome of a permissive move, if pace has a say.
    fn paced(
        &self,
        now: Timestamp,
        knob: &Knob,
        from: Value,
        wish: Value,
    ) -> Option<(Value, Option<Reason>)> {
        let since = |at: Option<Timestamp>| at.map(|at| now.since(at));
        if let Some(passed) = since(self.tightened_at).filter(|passed| *passed < COOL_DOWN) {
            return Some((from, Some(Reason::CoolDown { left: COOL_DOWN.saturating_sub(passed) })));
        }
        if since(self.moved_at).is_some_and(|passed| passed < knob.min_dwell) {
            return Some((from, Some(Reason::Paced)));
        }
        let (old, new) = (from.scalar(), wish.scalar());
        let largest = knob.max_change_ratio * old.abs();
        if largest > 0.0 && (new - old).abs() > largest {
            let step = knob.fit(old + largest.copysign(new - old))?;
            return Some((wish.with_scalar(step), Some(Reason::Paced)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::{Kind, KnobName};
    use proptest::prelude::*;

    fn knob() -> Knob {
        let name = KnobName::try_new("limit.x").expect("valid");
        let mut knob = Knob::try_new(name, Kind::ConcurrencyLimit, 4.0, 400.0, 64.0).expect("valid");
        knob.max_change_ratio = 0.5;
        knob.min_dwell = Duration::from_secs(1);
        knob
    }

    fn pass(guard: &mut Guard, millis: u64, from: f64, wish: f64) -> (f64, Option<&'static str>) {
        let now = Timestamp::from_millis(millis);
        let (to, rule) = guard.pass(now, &knob(), Value::Concurrency(from), Value::Concurrency(wish));
        (to.scalar(), rule.map(|rule| rule.rule()))
    }

    #[test]
    fn restrictive_moves_jump_and_permissive_ones_are_paced() {
        let mut guard = Guard::default();
        assert_eq!(pass(&mut guard, 0, 200.0, 10.0), (10.0, None), "a cut jumps");
        assert_eq!(pass(&mut guard, 100, 10.0, 100.0), (10.0, Some("cool_down")));
        assert_eq!(pass(&mut guard, 500, 10.0, 100.0), (10.0, Some("paced")), "dwell");
        assert_eq!(pass(&mut guard, 1100, 10.0, 100.0), (15.0, Some("paced")), "largest change");
        assert_eq!(pass(&mut guard, 1200, 15.0, 8.0), (8.0, None), "a cut never waits");
    }

    #[test]
    fn small_changes_and_bounds() {
        let mut guard = Guard::default();
        assert_eq!(pass(&mut guard, 0, 200.0, 201.0), (200.0, Some("deadband")));
        assert_eq!(
            pass(&mut guard, 0, 399.0, 1000.0),
            (400.0, Some("bounds")),
            "the bound is reached in spite of it"
        );
        assert_eq!(pass(&mut guard, 0, 200.0, 1.0), (4.0, Some("bounds")));
        assert_eq!(pass(&mut guard, 5000, 200.0, f64::NAN), (200.0, Some("bounds")));
    }

    proptest! {
        #[test]
        fn the_result_is_within_bounds_and_between_from_and_wish(
            moves in prop::collection::vec((0u64..3000, -1e9f64..1e9), 1..50),
        ) {
            let (mut guard, mut at, mut value) = (Guard::default(), 0, 64.0);
            for (wait, wish) in moves {
                at += wait;
                let (to, _) = pass(&mut guard, at, value, wish);
                prop_assert!((4.0..=400.0).contains(&to));
                let fitted = wish.clamp(4.0, 400.0);
                prop_assert!(to >= value.min(fitted) && to <= value.max(fitted));
                if fitted < value { prop_assert!(to == fitted || value - fitted < 0.01 * value); }
                value = to;
            }
        }
    }
}
