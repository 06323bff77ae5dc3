//! Whatever happens in whatever order: never stuck, never more probes than the budget, stragglers never decide.

use proptest::prelude::*;
use setpoint_policies::probes::Budget;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    ClockBack(u64),
    Ask,
    End(prop::sample::Index, Outcome),
    Unused(prop::sample::Index),
    Tick,
    Push(BreakerSetpoint),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome =
        prop::sample::select(vec![Outcome::Success, Outcome::Ignore, Outcome::Dropped, Outcome::Failure]);
    let retry_after = Duration::from_secs(1);
    let pushed = prop::sample::select(vec![
        Local,
        Local,
        Closed,
        half_open(1, 2, 5),
        half_open(2, 1, 3),
        Open { retry_after },
        ForcedOpen { retry_after },
        Recovering { ramp: Duration::from_secs(2) },
        Disabled,
        Shadow { would_reject: false },
    ]);
    let which = any::<prop::sample::Index>();
    prop_oneof![
        3 => (0..5 * SECOND).prop_map(Step::Wait),
        1 => (0..20 * SECOND).prop_map(Step::ClockBack),
        10 => Just(Step::Ask),
        8 => (which.clone(), outcome).prop_map(|(i, o)| Step::End(i, o)),
        1 => which.prop_map(Step::Unused),
        3 => Just(Step::Tick),
        1 => pushed.prop_map(Step::Push),
    ]
}

/// What the test itself knows of a generation.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    let_out: u64,
    given_back: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn it_is_never_stuck_and_never_lets_a_crowd_through(steps in prop::collection::vec(step(), 0..60)) {
        let mut rig = Rig::new();
        let budget = Budget::default();
        // Calls out; and of each generation what was let out.
        let (mut out, mut known) = (Vec::<Pass>::new(), std::collections::BTreeMap::<u64, Known>::new());
        let mut pushed = (8, 1000);
        // A probe that was given up before the clock jumped back stays given up.
        let mut latest = rig.now;
        for step in steps {
            latest = latest.max(rig.now);
            let (state, generation) = (rig.state(), rig.machine.load().generation);
            match step {
                Step::Wait(nanos) => rig.now += nanos,
                Step::ClockBack(nanos) => rig.now = rig.now.saturating_sub(nanos).max(SECOND),
                Step::Ask => if let Ok(pass) = rig.admit() {
                    let of = known.entry(pass.generation()).or_default();
                    of.let_out += 1;
                    out.push(pass);
                    let bound = match rig.state() {
                        State::HalfOpen => Some((budget.concurrent(), budget.total())),
                        State::PushedHalfOpen => Some(pushed),
                        _ => None,
                    };
                    if let Some((concurrent, total)) = bound {
                        prop_assert!(of.let_out - of.given_back <= u64::from(total), "{:?} of {}", of, total);
                        let at_once = out.iter().filter(|it| {
                            it.generation() == pass.generation() && it.probe().is_some_and(|it| !it.expired(latest / 1_000_000))
                        });
                        prop_assert!(at_once.count() <= concurrent as usize);
                    }
                },
                Step::End(which, outcome) if !out.is_empty() => {
                    let pass = out.swap_remove(which.index(out.len()));
                    rig.settle(pass, outcome);
                    if pass.generation() != generation {
                        prop_assert_eq!((rig.state(), rig.machine.load().generation), (state, generation), "a straggler");
                    }
                }
                Step::Unused(which) if !out.is_empty() => {
                    let pass = out.swap_remove(which.index(out.len()));
                    known.entry(pass.generation()).or_default().given_back += 1;
                    rig.machine.give_back(pass);
                }
                Step::End(..) | Step::Unused(_) => {}
                Step::Tick => rig.tick(),
                Step::Push(state) => {
                    if let HalfOpen { probe_max, probe_total, .. } = state {
                        pushed = (probe_max, probe_total);
                    }
                    rig.push(state);
                }
            }
        }
        // The sidecar is gone. The calls that are out never come back; the callee is well.
        rig.push(Local);
        // A wait that a clock which jumped back has made longer, a round, a ramp.
        let mut asked = 0;
        while rig.state() != State::Closed && asked < 400 {
            asked += 1;
            rig.now += SECOND / 2;
            rig.tick();
            if let Ok(pass) = rig.admit() {
                rig.settle(pass, Outcome::Success);
            }
        }
        prop_assert_eq!(rig.state(), State::Closed, "after {} s", asked / 2);
    }
}
