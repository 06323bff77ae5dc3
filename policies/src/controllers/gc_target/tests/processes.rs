//! Several processes under one limit, through the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::engine::Engine;
use crate::signal::Signals;
use crate::snapshot::{Instance, InstanceId, Snapshot};
use crate::spec::{PolicySet, PolicySpec};

/// A process with 100 MiB alive that holds 200 and allocates so much, of a working set of 400 in a limit of 512 MiB.
fn process(name: &str, at: Timestamp, group: Option<f64>, allocated: f64) -> Instance {
    let gc = bench();
    let mut signals = Signals::default();
    let seconds = at.as_secs_f64();
    for signal in Signal::ALL {
        signals.set(signal, gc.value(signal), at);
    }
    for (signal, value) in [
        (Signal::MemoryWorkingSetRatio, 400.0 / 512.0),
        (Signal::ProcessAnonBytes, 200.0 * MI),
        (Signal::RuntimeMemoryBytes, 200.0 * MI),
        (Signal::HeapLiveBytes, 100.0 * MI),
        (Signal::HeapAllocatedBytes, allocated * seconds * MI),
        (Signal::GcCycles, seconds.floor()),
        (Signal::GcCpuSeconds, 0.1 * seconds.floor()),
        (Signal::MemoryGroup, group.unwrap_or(f64::NAN)),
    ] {
        signals.set(signal, value, at);
    }
    Instance {
        id: InstanceId(name.into()),
        service: "demo".into(),
        incarnation: 1,
        labels: Default::default(),
        knobs: vec![Arc::new(gc.knob)],
        in_force: BTreeMap::new(),
        totals: BTreeMap::new(),
        signals,
    }
}

/// Budgets in MiB of two processes after a while.
fn budgets(groups: [Option<f64>; 2], allocated: [f64; 2]) -> [f64; 2] {
    let controller = Controller::GcTarget(spec(Rule::Law(GcMode::Throughput)));
    let policies = vec![PolicySpec { name: "heap".into(), controller }];
    let set = PolicySet { policies, ..PolicySet::observe_only() };
    let mut engine = Engine::learning_for(Duration::ZERO, Arc::new(set), Timestamp::ZERO);
    let mut budgets = [f64::NAN; 2];
    for tick in 0..300_u64 {
        let at = Timestamp::from_millis(100 * tick);
        let instances =
            vec![process("a", at, groups[0], allocated[0]), process("b", at, groups[1], allocated[1])];
        let step = engine.step(&Snapshot { at, node: Signals::default(), instances });
        for (place, decision) in step.decisions.iter().enumerate() {
            if let Value::Gc(target) = decision.to {
                budgets[place] = target.budget_bytes.map_or(f64::NAN, |bytes| bytes as f64 / MI);
            }
        }
    }
    budgets
}

#[test]
fn w9_processes_of_one_group_share_the_limit_by_what_room_is_worth() {
    // 512 - 25.6 of margin - nothing external: 486 for both.
    let [a, b] = budgets([Some(7.0), Some(7.0)], [100.0, 100.0]);
    assert!((a - b).abs() < 6.0, "alike: {a} {b}");
    assert!((470.0..=487.0).contains(&(a + b)), "all of it: {a} {b}");
    let [busy, idle] = budgets([Some(7.0), Some(7.0)], [400.0, 40.0]);
    assert!(busy > 1.3 * idle && busy + idle <= 487.0, "{busy} {idle}");
}

#[test]
fn w9_a_process_of_another_group_is_memory_of_others() {
    // 400 - 200 are not its own.
    for groups in [[Some(7.0), Some(8.0)], [None, None]] {
        let [a, b] = budgets(groups, [100.0, 100.0]);
        assert!((280.0..=290.0).contains(&a) && a == b, "{groups:?}: {a} {b}");
    }
}

#[test]
fn g1_a_new_engine_does_not_wait_with_a_budget() {
    let controller = Controller::GcTarget(spec(Rule::Law(GcMode::Throughput)));
    let policies = vec![PolicySpec { name: "heap".into(), controller }];
    let set = PolicySet { policies, ..PolicySet::observe_only() };
    let mut engine = Engine::new(Arc::new(set), Timestamp::ZERO);
    let instances = vec![process("a", Timestamp::ZERO, None, 100.0)];
    let step = engine.step(&Snapshot { at: Timestamp::ZERO, node: Signals::default(), instances });
    assert_eq!(
        mib(match step.decisions[0].to {
            Value::Gc(target) => target.budget_bytes,
            _ => None,
        }),
        286.0,
        "a process can tell it a percentage, which without its limit would be a danger"
    );
}
