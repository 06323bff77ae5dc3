//! Several policies, one knob: the most restrictive wish wins, and no reason is lost.
//!
//! The alternative, a priority between policies, was not taken: with it a breaker or a memory cap could be overruled by a
//! law that sees only latency. Here adding a policy can only make a knob safer.
//!
//! | wishes for a knob | result |
//! |---|---|
//! | one or more `Set` | the most restrictive of them |
//! | no `Set` | the knob's baseline |
//! | any `AtMost` | the result so far, held at the tightest of them |
//! | `Anything`, `Release` | count for nothing |
//! | `Hold` | the same wish as that policy's last one |

use crate::knob::Knob;
use crate::policy::Want;
use crate::value::Value;

/// Which wish won, by index into the list, and what it comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// The value for the knob, not yet guarded.
    pub value: Value,
    /// The policy that decided; `None`: no policy has a wish, the knob goes to its baseline.
    pub winner: Option<usize>,
    /// Whether an `AtMost` holds the value below what a `Set` asked for.
    pub capped: bool,
}

/// Settles the wishes for one knob.
pub fn settle(knob: &Knob, wishes: impl IntoIterator<Item = Want> + Clone) -> Verdict {
    let mut verdict = Verdict { value: knob.baseline_value(), winner: None, capped: false };
    for (index, want) in wishes.clone().into_iter().enumerate() {
        if let Want::Set(value) = want
            && (verdict.winner.is_none() || tighter(knob, &value, &verdict.value))
        {
            verdict = Verdict { value, winner: Some(index), capped: false };
        }
    }
    for (index, want) in wishes.into_iter().enumerate() {
        if let Want::AtMost(bound) = want {
            let bounded = verdict.value.with_scalar(bound);
            if verdict.value.is_quantity() && tighter(knob, &bounded, &verdict.value) {
                verdict = Verdict { value: bounded, winner: Some(index), capped: true };
            }
        }
    }
    verdict
}

/// Whether `a` is more restrictive than `b` for this knob.
pub fn tighter(knob: &Knob, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Breaker(a), Value::Breaker(b)) => a.severity() > b.severity(),
        (Value::Gc(a), Value::Gc(b)) => a.is_tighter_than(b),
        _ => knob.restrictive.tightens(b.scalar(), a.scalar()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knob::{Kind, KnobName};
    use crate::value::Breaker;
    use std::time::Duration;

    fn knob(kind: Kind) -> Knob {
        Knob::try_new(KnobName::try_new("limit.x").expect("valid"), kind, 0.0, 100.0, 50.0).expect("valid")
    }

    #[test]
    fn the_most_restrictive_wish_wins() {
        let set = |v| Want::Set(Value::Concurrency(v));
        let cases: [(&[Want], f64, Option<usize>, bool); 7] = [
            (&[], 50.0, None, false),
            (&[set(80.0), set(20.0), set(40.0)], 20.0, Some(1), false),
            (&[set(80.0), Want::AtMost(30.0), Want::AtMost(60.0)], 30.0, Some(1), true),
            (&[Want::AtMost(30.0)], 30.0, Some(0), true),
            (&[Want::AtMost(90.0)], 50.0, None, false),
            (&[Want::Anything, Want::Release], 50.0, None, false),
            (&[set(10.0), Want::AtMost(30.0)], 10.0, Some(0), false),
        ];
        for (wishes, value, winner, capped) in cases {
            let verdict = settle(&knob(Kind::ConcurrencyLimit), wishes.iter().copied());
            assert_eq!(verdict, Verdict { value: Value::Concurrency(value), winner, capped }, "{wishes:?}");
        }
    }

    #[test]
    fn an_open_breaker_beats_a_closed_one() {
        let open = Value::Breaker(Breaker::Open { retry_after: Duration::from_secs(1) });
        let closed = Value::Breaker(Breaker::Closed);
        let verdict = settle(&knob(Kind::Breaker), [Want::Set(closed), Want::Set(open), Want::AtMost(0.0)]);
        assert_eq!(verdict, Verdict { value: open, winner: Some(1), capped: false });
    }
}
