//! Who decides about a knob: the kill switch, then the owner's pin, then what was pushed.
//!
//! Each actuator keeps one slot. All three voices are remembered, so that the one below is in force at once when the one
//! above falls silent: an unpinned knob takes the value that was pushed meanwhile.

use std::mem::discriminant;
use std::sync::{Arc, Mutex};

use setpoint_policies::knob::Knob;
use setpoint_policies::value::Value;

use crate::sync::locked;

/// What is wanted of one knob, by whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wish {
    pushed: Value,
    pinned: Option<Value>,
    enforced: bool,
}

impl Wish {
    /// The value to put in force; `None`: none, act as if there were no Setpoint.
    pub fn effective(&self) -> Option<Value> {
        self.enforced.then(|| self.pinned.unwrap_or(self.pushed))
    }
}

/// A knob and what is wanted of it.
#[derive(Debug)]
pub(crate) struct Slot {
    knob: Arc<Knob>,
    wish: Mutex<Wish>,
}

impl Slot {
    /// A slot at the knob's baseline.
    pub fn new(knob: Knob) -> Self {
        let pushed = knob.baseline_value();
        let wish = Mutex::new(Wish { pushed, pinned: None, enforced: true });
        Self { knob: Arc::new(knob), wish }
    }

    /// What may be tuned, and how far.
    pub fn knob(&self) -> &Arc<Knob> {
        &self.knob
    }

    /// The value in force, as read back. While nothing is enforced, that is the baseline: neither the push nor the pin is.
    pub fn value(&self) -> Value {
        locked(&self.wish).effective().unwrap_or_else(|| self.knob.baseline_value())
    }

    /// The value that the owner holds the knob at.
    pub fn pinned(&self) -> Option<Value> {
        locked(&self.wish).pinned
    }

    /// Takes a pushed value; `put` is called with what is in force from now on, if that changes. Returns the wish before.
    pub fn push(&self, value: &Value, put: impl FnOnce(Option<Value>)) -> Result<Wish, String> {
        let fitted = fit(&self.knob, value)?;
        Ok(self.change(|wish| wish.pushed = fitted, put))
    }

    /// Holds the knob at a value, or lets it go.
    pub fn pin(&self, value: Option<Value>, put: impl FnOnce(Option<Value>)) -> Result<Wish, String> {
        let fitted = value.map(|value| fit(&self.knob, &value)).transpose()?;
        Ok(self.change(|wish| wish.pinned = fitted, put))
    }

    /// Turns enforcement off or on.
    pub fn enforce(&self, on: bool, put: impl FnOnce(Option<Value>)) -> Wish {
        self.change(|wish| wish.enforced = on, put)
    }

    /// Goes back to the wish `before`, unless something else than `refused` is in force by now.
    pub fn restore(&self, before: Wish, refused: Option<Value>, put: impl FnOnce(Option<Value>)) {
        self.change(
            |wish| {
                if wish.effective() == refused {
                    *wish = before;
                }
            },
            put,
        );
    }

    fn change(&self, edit: impl FnOnce(&mut Wish), put: impl FnOnce(Option<Value>)) -> Wish {
        let mut wish = locked(&self.wish);
        let before = *wish;
        edit(&mut wish);
        if wish.effective() != before.effective() {
            put(wish.effective());
        }
        before
    }
}

/// `value` within the hard bounds of `knob`, which hold whoever asks.
fn fit(knob: &Knob, value: &Value) -> Result<Value, String> {
    if discriminant(&knob.baseline_value()) != discriminant(value) {
        return Err(format!("a value of another kind: {value:?}"));
    }
    if !value.is_quantity() {
        return Ok(*value);
    }
    let scalar = knob.fit(value.scalar()).ok_or("not a number")?;
    match value.with_scalar(scalar) {
        Value::Rate { burst: Some(burst), .. } if !(burst.is_finite() && burst >= 1.0) => {
            Err(format!("a burst of {burst} calls"))
        }
        fitted => Ok(fitted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use setpoint_policies::knob::{Kind, KnobName};

    fn slot(kind: Kind) -> Slot {
        Slot::new(Knob::try_new(KnobName::try_new("k").unwrap(), kind, 1.0, 100.0, 10.0).unwrap())
    }

    #[test]
    fn the_kill_switch_beats_the_pin_and_the_pin_beats_the_push() {
        use Value::Number;
        let slot = slot(Kind::Numeric);
        let in_force = std::cell::Cell::new(Some(Number(10.0)));
        let put = |value| in_force.set(value);
        slot.push(&Number(500.0), put).unwrap();
        assert_eq!(in_force.get(), Some(Number(100.0)), "within the bounds, whoever asks");
        slot.pin(Some(Number(7.0)), put).unwrap();
        slot.push(&Number(50.0), put).unwrap();
        assert_eq!((in_force.get(), slot.pinned()), (Some(Number(7.0)), Some(Number(7.0))));
        slot.enforce(false, put);
        assert_eq!((in_force.get(), slot.value()), (None, Number(10.0)));
        slot.enforce(true, put);
        assert_eq!(in_force.get(), Some(Number(7.0)));
        slot.pin(None, put).unwrap();
        assert_eq!(in_force.get(), Some(Number(50.0)), "what was pushed meanwhile");
    }

    #[test]
    fn what_changes_nothing_is_not_put_in_force_again() {
        let slot = slot(Kind::Breaker);
        slot.push(&slot.value(), |_| panic!("nothing changed")).unwrap();
        slot.enforce(true, |_| panic!("nothing changed"));
    }

    #[test]
    fn nonsense_is_refused_and_the_previous_value_stands() {
        for (kind, value) in [
            (Kind::Numeric, Value::Number(f64::NAN)),
            (Kind::Numeric, Value::Concurrency(5.0)),
            (Kind::ConcurrencyLimit, Value::Number(5.0)),
            (Kind::RateLimit, Value::Rate { per_second: 5.0, burst: Some(0.0) }),
            (Kind::RateLimit, Value::Rate { per_second: 5.0, burst: Some(f64::INFINITY) }),
            (Kind::Breaker, Value::Switch(true)),
        ] {
            let slot = slot(kind);
            let before = slot.value();
            assert!(slot.push(&value, |_| panic!("refused")).is_err(), "{value:?}");
            assert!(slot.pin(Some(value), |_| panic!("refused")).is_err(), "{value:?}");
            assert_eq!(slot.value(), before);
        }
    }
}
