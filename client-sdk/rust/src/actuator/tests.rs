use std::time::Duration;

use super::*;
use crate::clock::Hand;
use crate::limiter::LimiterBuilder;
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::setpoint::Setpoint;

fn setpoint() -> (Setpoint, Arc<Inner>) {
    let inner = Arc::new(Inner::new("test".into(), Hand::default().clock(), 9));
    (Setpoint::new(inner.clone()), inner)
}

fn names(inner: &Inner) -> Vec<String> {
    inner.registry.actuators().iter().map(|a| a.knob().name.to_string()).collect()
}

#[test]
fn a_name_is_registered_once_and_the_session_is_woken() {
    let (sp, inner) = setpoint();
    let mut changes = inner.registry.changes();
    let first = sp.limiter("db").bounds(2, 20).baseline(5).register();
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), 2, "the limiter and its breaker");
    let again = sp.limiter("db").bounds(100, 200).register();
    let held = first.try_acquire(Priority::Normal).unwrap();
    assert_eq!((again.in_flight(), again.limit()), (1, 5.0), "the same object, as declared first");
    drop(held);
    drop(sp.layer("db"));
    sp.breaker("db").register();
    assert!(!changes.has_changed().unwrap());
    drop(sp.layer("inbound"));
    sp.rate("egress").register();
    sp.knob("batch.size").register();
    assert_eq!(
        names(&inner),
        ["batch.size", "breaker.db", "breaker.inbound", "limit.db", "limit.inbound", "rate.egress"]
    );
    let inbound = inner.registry.find(&KnobName::try_new("limit.inbound").unwrap()).unwrap().knob();
    assert_eq!((inbound.min, inbound.max, inbound.baseline), (4.0, 2000.0, 50.0));
}

#[test]
fn everything_starts_at_its_baseline_and_reads_back_what_it_was_given() {
    let (sp, inner) = setpoint();
    sp.limiter("a").register();
    sp.rate("a").register();
    sp.knob("a").register();
    for actuator in inner.registry.actuators() {
        let knob = actuator.knob();
        assert_eq!(actuator.in_force(), knob.baseline_value(), "{}", knob.name);
        assert_eq!(actuator.pinned(), None);
        let value = actuator.in_force().with_scalar(77.0);
        assert_eq!(actuator.apply(&value, &Why::default()), Ok(value), "{}", knob.name);
        assert_eq!(actuator.in_force(), value);
        actuator.close_slice(1);
        assert_eq!(actuator.totals(1, 2).is_some(), knob.name.as_str() == "limit.a");
    }
}

#[test]
fn registering_nonsense_gives_a_handle_that_works() {
    let (sp, inner) = setpoint();
    let limiter =
        sp.limiter("my db!").bounds(400, 4).baseline(9999).pace(f64::NAN, Duration::ZERO).register();
    assert_eq!(limiter.limit(), 400.0);
    limiter.try_acquire(Priority::Normal).unwrap().finish(Outcome::Success);
    let rate = sp.rate("").bounds(f64::NAN, -1.0).baseline(f64::INFINITY).register();
    rate.try_acquire().unwrap();
    assert_eq!(sp.knob("k").bounds(f64::NEG_INFINITY, 0.0).step(-1.0).register().value(), 0.0);
    assert_eq!(names(&inner), ["breaker.my_db_", "k", "limit.my_db_", "rate."]);
}

#[test]
fn a_name_of_another_kind_gives_a_handle_that_refuses_nothing() {
    let (sp, inner) = setpoint();
    for name in ["limit.db", "breaker.db", "rate.db"] {
        sp.knob(name).register();
    }
    let limiter = sp.limiter("db").bounds(0, 0).register();
    let breaker = sp.breaker("db").failures(1).register();
    let rate = sp.rate("db").bounds(0.0, 0.0).register();
    for _ in 0..3000 {
        rate.try_acquire().unwrap();
        limiter.try_acquire(Priority::Background).unwrap().finish(Outcome::Failure);
        breaker.try_acquire().unwrap().finish(Outcome::Failure);
    }
    sp.limiter("inbound").register();
    let knob = sp.knob("limit.inbound").bounds(1.0, 2.0).register();
    assert_eq!((knob.value(), knob.pin(2.0)), (1.0, 2.0), "a knob of its own");
    assert_eq!(inner.registry.actuators().len(), 5);
}

#[test]
fn names_without_end_do_not_cost_memory_without_end() {
    let (sp, inner) = setpoint();
    let knobs: Vec<_> = (0..MAX_KNOBS).map(|n| sp.knob(&format!("k{n}")).register()).collect();
    let first = sp.limiter("one too many").register();
    let second = sp.limiter("and another").register();
    let held = first.try_acquire(Priority::Normal).unwrap();
    assert_eq!(second.in_flight(), 1, "one stands in for all");
    drop(held);
    assert_eq!((inner.registry.actuators().len(), knobs.len()), (MAX_KNOBS, MAX_KNOBS));
}

#[test]
fn the_kill_switch_reaches_what_is_there_and_what_comes_later() {
    let (sp, inner) = setpoint();
    let before = sp.limiter("before").bounds(0, 0).register();
    let knob = sp.knob("k").bounds(0.0, 10.0).baseline(3.0).register();
    knob.pin(7.0);
    assert!(before.try_acquire(Priority::Normal).is_err());
    inner.set_disabled(true);
    let after = sp.limiter("after").bounds(0, 0).register();
    sp.knob("late").on_change(|_, _, _| panic!("it was at its baseline all the time")).register();
    let held = [before, after].map(|limiter| limiter.try_acquire(Priority::Normal).unwrap());
    assert_eq!((knob.value(), sp.health(), inner.registry.disabled()), (3.0, Health::Disabled, true));
    inner.set_disabled(true);
    inner.set_disabled(false);
    assert_eq!((knob.value(), sp.health(), inner.registry.disabled()), (7.0, Health::Baseline, false));
    assert!([before, after].iter().all(|limiter| limiter.try_acquire(Priority::Normal).is_err()));
    drop(held);
    assert_eq!(before.in_flight() + after.in_flight(), 0);
}

#[test]
fn a_permit_can_end_on_any_thread() {
    fn movable<T: Send + 'static>() {}
    movable::<crate::Permit>();
    movable::<crate::Limiter>();
    movable::<crate::LimitFuture<std::future::Ready<()>, ()>>();
    let (_, inner) = setpoint();
    let limiter = LimiterBuilder::new(&inner, "db").register();
    let permit = limiter.try_acquire(Priority::Normal).unwrap();
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!(limiter.in_flight(), 0);
}
