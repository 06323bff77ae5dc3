//! How fast a knob may go where the sidecar wants it.
//!
//! A move that sheds load may jump: it protects. Any other move waits until the last one is `min_dwell` ago, and goes no
//! further than `max_change_ratio` of the present value, because a limit that opens too fast is how an overload comes back.
//! When that cuts a move, the rest follows by itself: the frame said where the knob should be, and will not say so again.

use std::time::Duration;

use setpoint_policies::knob::{Kind, Knob};
use setpoint_policies::value::Value;

/// The shortest time between two steps of a move that was cut.
const WALK: Duration = Duration::from_secs(1);
/// The share of its range that a knob may move from zero, where a ratio of the present value means nothing.
const FROM_ZERO: f64 = 0.01;

/// How far a knob may go now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// All the way.
    Whole,
    /// To this number first.
    Part(f64),
    /// Nowhere yet.
    Wait,
}

/// How far `knob` may go from `from` to `to`, when its last move was `since_moved` ago. `walking` says that this is the
/// rest of a move that was cut.
pub(super) fn pace(
    knob: &Knob,
    from: Value,
    to: Value,
    since_moved: Option<Duration>,
    walking: bool,
) -> Pace {
    if from == to || tightens(knob, from.scalar(), to.scalar()) {
        return Pace::Whole;
    }
    let dwell = if walking { knob.min_dwell.max(WALK) } else { knob.min_dwell };
    if since_moved.is_some_and(|since| since < dwell) {
        return Pace::Wait;
    }
    if knob.max_change_ratio == 0.0 || !to.is_quantity() {
        return Pace::Whole;
    }
    let (from, to) = (from.scalar(), to.scalar());
    let reach = (from.abs() * knob.max_change_ratio).max(knob.step);
    let reach = if reach == 0.0 { (knob.max - knob.min) * FROM_ZERO } else { reach };
    if (to - from).abs() <= reach {
        return Pace::Whole;
    }
    // `fit` fails only for what is not a number, and two finite ones were added.
    knob.fit(from + reach.copysign(to - from)).map_or(Pace::Wait, Pace::Part)
}

fn tightens(knob: &Knob, from: f64, to: f64) -> bool {
    if knob.kind == Kind::Breaker { to > from } else { knob.restrictive.tightens(from, to) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use setpoint_policies::knob::KnobName;
    use setpoint_policies::value::Breaker;

    use super::*;

    fn limit() -> Knob {
        let name = KnobName::try_new("limit.db").expect("sound");
        let knob = Knob::try_new(name, Kind::ConcurrencyLimit, 4.0, 400.0, 64.0).expect("sound");
        Knob { step: 1.0, max_change_ratio: 0.5, min_dwell: Duration::from_secs(2), ..knob }
    }

    #[test]
    fn c1_a_cut_may_jump_and_an_opening_is_paced() {
        let long_ago = Some(Duration::from_secs(9));
        let just_now = Some(Duration::from_secs(1));
        let table = [
            (64.0, 4.0, just_now, Pace::Whole, "sheds load"),
            (64.0, 64.0, just_now, Pace::Whole, "no move"),
            (64.0, 80.0, just_now, Pace::Wait, "the dwell is not over"),
            (64.0, 80.0, long_ago, Pace::Whole, "within the ratio"),
            (64.0, 80.0, None, Pace::Whole, "never moved"),
            (64.0, 400.0, long_ago, Pace::Part(96.0), "half of 64 more"),
            (4.0, 400.0, long_ago, Pace::Part(6.0), "half of 4 more"),
        ];
        for (from, to, since, expected, why) in table {
            let pace = pace(&limit(), Value::Concurrency(from), Value::Concurrency(to), since, false);
            assert_eq!(pace, expected, "{why}");
        }
    }

    #[test]
    fn the_rest_of_a_cut_move_follows_a_second_later() {
        let knob = Knob { min_dwell: Duration::ZERO, ..limit() };
        let at = |millis, walking| {
            let since = Some(Duration::from_millis(millis));
            pace(&knob, Value::Concurrency(64.0), Value::Concurrency(90.0), since, walking)
        };
        assert_eq!((at(50, false), at(50, true), at(1000, true)), (Pace::Whole, Pace::Wait, Pace::Whole));
    }

    #[test]
    fn a_breaker_that_opens_never_waits() {
        let name = KnobName::try_new("breaker.db").expect("sound");
        let knob = Knob::try_new(name, Kind::Breaker, 0.0, 4.0, 0.0).expect("sound");
        let knob = Knob { min_dwell: Duration::from_secs(2), ..knob };
        let open = Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(1) });
        let closed = Value::Breaker(Breaker::Closed);
        let now = Some(Duration::ZERO);
        assert_eq!(pace(&knob, closed, open, now, false), Pace::Whole);
        assert_eq!(pace(&knob, open, closed, now, false), Pace::Wait);
    }

    proptest! {
        #[test]
        fn every_step_leads_closer_and_the_walk_ends(from in 0..=400_u32, to in 0..=400_u32, step in 0..=7_u32, ratio in 0.01..2.0_f64) {
            let knob = Knob { min: 0.0, step: f64::from(step), max_change_ratio: ratio, ..limit() };
            let fit = |number: u32| knob.fit(f64::from(number)).expect("a number");
            let (mut at, to) = (fit(from), fit(to));
            for _ in 0..3000 {
                match pace(&knob, Value::Concurrency(at), Value::Concurrency(to), None, false) {
                    Pace::Whole => return Ok(()),
                    Pace::Part(next) => {
                        prop_assert!((to - next).abs() < (to - at).abs(), "{at} to {next} on the way to {to}");
                        at = next;
                    }
                    Pace::Wait => prop_assert!(false, "nothing to wait for"),
                }
            }
            prop_assert!(false, "no end");
        }
    }
}
