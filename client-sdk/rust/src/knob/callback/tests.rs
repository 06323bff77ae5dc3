use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use setpoint_policies::value::Value;

use super::super::{KnobBuilder, why};
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::knob::NumericKnob;

/// A knob whose callback says what it is told, and comes back when it may. Above 90 it refuses.
fn slow(patience: Duration) -> (NumericKnob, Receiver<(f64, f64)>, Sender<()>) {
    let mut inner = Inner::new("test".into(), Hand::default().clock(), 1);
    inner.patience = patience;
    let (say, told) = channel();
    let (back, may) = channel();
    let may = Mutex::new(may);
    let knob = KnobBuilder::new(&inner, "pool").bounds(1.0, 100.0).baseline(10.0);
    let knob = knob.on_change(move |old, new, _| {
        say.send((old, new)).expect("the test listens");
        may.lock().unwrap().recv().expect("the test lets go");
        assert!(new <= 90.0, "too large for this service");
    });
    (knob.register(), told, back)
}

fn push(knob: &NumericKnob, value: f64) -> Result<Value, String> {
    knob.apply(&Value::Number(value), &why("because"))
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_callback_that_hangs_is_left_alone_and_told_the_newest_value_when_it_is_back() {
    let (knob, told, back) = slow(SHORT);
    assert_eq!(push(&knob, 20.0), Ok(Value::Number(10.0)), "it has not taken it yet");
    assert_eq!((knob.value(), knob.behind()), (20.0, true), "but the number is in force");
    assert_eq!(push(&knob, 30.0), Ok(Value::Number(10.0)));
    assert_eq!(push(&knob, 40.0), Ok(Value::Number(10.0)));
    assert_eq!(knob.value(), 40.0);
    back.send(()).unwrap();
    back.send(()).unwrap();
    knob.until_told();
    assert_eq!((knob.in_force(), knob.behind()), (Value::Number(40.0), false));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [(10.0, 20.0), (20.0, 40.0)]);
    assert_eq!(knob.take_refusal(), None);
}

#[test]
fn a_refusal_that_comes_late_takes_back_the_value_and_is_told_once() {
    let (knob, told, back) = slow(SHORT);
    assert_eq!(push(&knob, 95.0), Ok(Value::Number(10.0)));
    back.send(()).unwrap();
    knob.until_told();
    assert_eq!((knob.value(), knob.in_force()), (10.0, Value::Number(10.0)));
    assert!(knob.take_refusal().is_some() && knob.take_refusal().is_none());
    // What came meanwhile and is refused goes back to what was taken, past what was never told.
    assert_eq!(push(&knob, 20.0), Ok(Value::Number(10.0)));
    assert_eq!((push(&knob, 50.0).is_ok(), push(&knob, 99.0).is_ok()), (true, true));
    back.send(()).unwrap();
    back.send(()).unwrap();
    knob.until_told();
    assert_eq!((knob.value(), knob.in_force()), (20.0, Value::Number(20.0)));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [(10.0, 95.0), (10.0, 20.0), (20.0, 99.0)]);
}

#[test]
fn one_that_is_quick_answers_at_once() {
    let (knob, _told, back) = slow(LONG);
    back.send(()).unwrap();
    assert_eq!(push(&knob, 20.0), Ok(Value::Number(20.0)));
    back.send(()).unwrap();
    assert_eq!(push(&knob, 99.0), Err("on_change panicked".to_owned()));
    assert_eq!((knob.value(), knob.behind(), knob.take_refusal()), (20.0, false, None));
}

#[test]
fn the_owner_waits_for_a_callback_and_overlaps_with_none() {
    let (knob, told, back) = slow(SHORT);
    assert_eq!(push(&knob, 20.0), Ok(Value::Number(10.0)));
    let knob = Arc::new(knob);
    assert_eq!(knob.pin(50.0), 50.0, "the callback hangs: the pin is told later");
    assert_eq!(told.recv_timeout(LONG), Ok((10.0, 20.0)));
    back.send(()).unwrap();
    assert_eq!(told.recv_timeout(LONG), Ok((20.0, 50.0)));
    back.send(()).unwrap();
    knob.until_told();
    back.send(()).unwrap();
    assert_eq!(knob.pin(99.0), 50.0, "on this thread, and refused");
    assert_eq!(knob.take_refusal(), None, "that is between the owner and the callback");
}
