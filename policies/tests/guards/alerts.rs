//! Alerts are levels: they move nothing, and end with what they are about.

use std::time::Duration;

use setpoint_policies::controllers::memory_cap::MemoryCap;
use setpoint_policies::controllers::slo::Slo;
use setpoint_policies::knob::KnobName;
use setpoint_policies::signal::Signal;
use setpoint_policies::spec::Controller;
use setpoint_policies::totals::SlowCalls;

use super::world::{World, minutes, name};

const WITHIN: Duration = Duration::from_millis(200);

fn slo() -> Controller {
    Controller::Slo(Slo::try_new(name("limit.inbound"), WITHIN, 0.99).expect("valid"))
}

fn cap() -> Controller {
    let (start, full, floor) = (MemoryCap::START, MemoryCap::FULL, MemoryCap::FLOOR);
    Controller::MemoryCap(MemoryCap::try_new(name("limit.inbound"), start, full, floor).expect("valid"))
}

/// Everything is slow and memory is short.
fn troubled(controllers: impl IntoIterator<Item = Controller>) -> World {
    let mut world = World::new(controllers);
    world.signals.insert(Signal::MemoryWorkingSetRatio, 0.92);
    world.totals.slow = vec![SlowCalls { after: WITHIN, calls: 0 }];
    let until = world.now + minutes(6);
    while world.now < until {
        world.succeed(100);
        world.totals.slow[0].calls += 100;
        world.step();
    }
    world
}

#[test]
fn b7_a_policy_that_only_watches_does_not_change_who_decides() {
    let watched = troubled([slo(), cap()]).newest;
    let alone = troubled([cap()]).newest;
    assert_eq!((watched.alerts.len(), alone.alerts.len()), (1, 0));
    assert_eq!(watched.decisions, alone.decisions, "nobody decides or is overruled who cannot move it");
    assert_eq!((&*watched.decisions[0].policy, watched.decisions[0].overruled.len()), ("memory_cap", 0));
}

#[test]
fn b7_an_edit_keeps_an_alert_and_a_removed_policy_ends_it() {
    let mut world = troubled([slo(), cap()]);
    let since = world.alert().expect("fires").since;
    let Controller::Slo(other) = slo() else { unreachable!() };
    world.replace([cap(), Controller::Slo(other.tolerates(10.0, 5.0, 10).expect("valid"))]);
    world.step();
    assert_eq!(world.alert().map(|firing| firing.since), Some(since), "edited");
    world.replace([cap()]);
    world.step();
    assert_eq!(world.alert(), None);
}

#[test]
fn no_service_can_declare_what_processes_are_watched_by() {
    let process = KnobName::process();
    assert!(process.is_process() && KnobName::try_new(process.as_str()).is_err());
    assert!(!name("process").is_process());
}
