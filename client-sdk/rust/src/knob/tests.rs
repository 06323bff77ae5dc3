use std::sync::Mutex;

use super::*;
use crate::clock::Hand;

fn inner() -> Inner {
    Inner::new("test".into(), Hand::default().clock(), 1)
}

fn push(knob: &NumericKnob, value: f64) -> Result<Value, String> {
    knob.apply(&Value::Number(value), &why("because"))
}

#[test]
fn l2_the_callback_comes_after_the_value_with_old_new_and_why() {
    let inner = inner();
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let slot: Arc<Mutex<Option<NumericKnob>>> = Arc::default();
    let own = slot.clone();
    let knob = KnobBuilder::new(&inner, "batch.size")
        .bounds(1.0, 512.0)
        .baseline(64.0)
        .step(8.0)
        .on_change(move |old, new, why| {
            let in_force = own.lock().unwrap().as_ref().unwrap().value();
            seen.lock().unwrap().push((old, new, in_force, why.text.clone()));
        })
        .register();
    *slot.lock().unwrap() = Some(knob.clone());
    assert_eq!(push(&knob, 99.0), Ok(Value::Number(96.0)), "on the quantum");
    assert_eq!(push(&knob, 97.0), Ok(Value::Number(96.0)), "no change, nothing told");
    assert_eq!(push(&knob, 1e9), Ok(Value::Number(512.0)));
    knob.pin(0.0);
    let told = told.lock().unwrap().clone();
    let text = |t: &str| t.to_owned();
    assert_eq!(
        told,
        [
            (64.0, 96.0, 96.0, text("because")),
            (96.0, 512.0, 512.0, text("because")),
            (512.0, 1.0, 1.0, text("pinned by the service")),
        ]
    );
}

#[test]
fn a_callback_that_panics_refuses_the_value() {
    let inner = inner();
    let knob = KnobBuilder::new(&inner, "pool")
        .bounds(1.0, 100.0)
        .baseline(10.0)
        .on_change(|_, new, _| assert!(new < 50.0, "too large for this service"))
        .register();
    assert_eq!(push(&knob, 20.0), Ok(Value::Number(20.0)));
    assert_eq!(push(&knob, 60.0), Err("on_change panicked".to_owned()));
    assert_eq!((knob.value(), knob.in_force()), (20.0, Value::Number(20.0)), "the previous value stands");
    assert_eq!((knob.pin(70.0), knob.pinned()), (20.0, None));
    assert_eq!(push(&knob, 30.0), Ok(Value::Number(30.0)), "and it still works");
}

#[test]
fn a_callback_may_pin_its_own_knob() {
    let inner = inner();
    let slot: Arc<Mutex<Option<NumericKnob>>> = Arc::default();
    let own = slot.clone();
    let knob = KnobBuilder::new(&inner, "k")
        .bounds(0.0, 100.0)
        .on_change(move |_, new, _| {
            let knob = own.lock().unwrap().clone().unwrap();
            if new > 40.0 {
                knob.pin(40.0); // the owner knows better
            }
        })
        .register();
    *slot.lock().unwrap() = Some(knob.clone());
    assert_eq!(push(&knob, 80.0), Ok(Value::Number(40.0)), "the value read back");
    assert_eq!((knob.value(), knob.pinned()), (40.0, Some(Value::Number(40.0))));
}

#[test]
fn nonsense_is_refused_and_the_kill_switch_goes_back_to_the_baseline() {
    let inner = inner();
    let knob = KnobBuilder::new(&inner, "k").bounds(0.0, 100.0).baseline(10.0).register();
    assert!(push(&knob, f64::NAN).is_err());
    assert!(knob.apply(&Value::Switch(true), &Why::default()).is_err());
    assert_eq!((knob.pin(f64::NAN), knob.pinned()), (10.0, None));
    push(&knob, 50.0).unwrap();
    knob.enforce(false);
    assert_eq!(knob.value(), 10.0);
    knob.enforce(true);
    assert_eq!(knob.value(), 50.0);
    knob.pin(5.0);
    assert_eq!(push(&knob, 60.0), Ok(Value::Number(5.0)), "pinned");
    knob.unpin();
    assert_eq!(knob.value(), 60.0);
}

#[test]
fn g1_the_budget_of_a_cache_is_in_bytes_and_may_jump_down() {
    let inner = inner();
    let held = Arc::new(Mutex::new(100.0));
    let (evicts, reads) = (held.clone(), held.clone());
    let budget = KnobBuilder::memory_budget(&inner, "bodies")
        .bounds(10.0, 1000.0)
        .baseline(500.0)
        .pace(0.5, Duration::from_secs(1))
        .on_change(move |_, bytes, _| {
            let mut held = evicts.lock().unwrap();
            *held = bytes.min(*held);
        })
        .read_back(move || *reads.lock().unwrap())
        .register();
    let knob = budget.knob();
    assert_eq!((knob.name.as_str(), knob.kind, &*knob.unit), ("memory.bodies", Kind::MemoryLimit, "bytes"));
    assert_eq!((knob.step, knob.restrictive), (1.0, Restrictive::Lower));
    assert_eq!(push(&budget, 50.0), Ok(Value::Number(50.0)), "what it holds now");
    assert_eq!(
        (push(&budget, 400.0), budget.value()),
        (Ok(Value::Number(50.0)), 400.0),
        "it has room to fill"
    );
}
