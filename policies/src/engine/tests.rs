use super::*;
use crate::controllers::adaptive_concurrency::AdaptiveConcurrency;
use crate::controllers::breaker::{Acts, BreakerSpec, Trip};
use crate::controllers::memory_cap::MemoryCap;
use crate::knob::Kind;
use crate::reason::{PressureReason, Reason};
use crate::signal::{Signal, Signals};
use crate::snapshot::Received;
use crate::spec::{Controller, Mode, PolicySpec};
use crate::totals::Totals;
use crate::value::{Breaker, Value};
use proptest::prelude::*;

fn name(name: &str) -> KnobName {
    KnobName::try_new(name).expect("valid")
}

fn policy(name: &str, controller: Controller) -> PolicySpec {
    PolicySpec { name: name.into(), controller }
}

fn law(max: f64) -> PolicySpec {
    let law = AdaptiveConcurrency::try_new(name("limit.x"), 4.0, max, None, Duration::ZERO).expect("valid");
    policy("law", Controller::AdaptiveConcurrency(law))
}

fn memory() -> PolicySpec {
    let cap = MemoryCap::try_new(name("limit.x"), 0.75, 0.92, 0.3).expect("valid");
    policy("memory", Controller::MemoryCap(cap))
}

fn breaker() -> PolicySpec {
    let trip = Trip { consecutive: Some(5), ..Trip::default() };
    let spec = BreakerSpec::try_new(name("breaker.x"), Acts::Enforce, trip).expect("valid");
    policy("breaker", Controller::Breaker(spec.into()))
}

fn set(policies: Vec<PolicySpec>) -> Arc<PolicySet> {
    Arc::new(PolicySet { mode: Mode::Enforce, policies, ..PolicySet::observe_only() })
}

/// A process with `limit.x` (4 to 400, baseline 64, `in_force` now) and `breaker.x`.
fn snapshot(millis: u64, in_force: f64, totals: Totals, memory: f64) -> Snapshot {
    let at = Timestamp::from_millis(millis);
    let limit = Knob::try_new(name("limit.x"), Kind::ConcurrencyLimit, 4.0, 400.0, 64.0).expect("valid");
    let breaker = Knob::try_new(name("breaker.x"), Kind::Breaker, 0.0, 4.0, 0.0).expect("valid");
    let totals = Totals { at_nanos: at.as_nanos(), ..totals };
    let mut signals = Signals::default();
    signals.set(Signal::MemoryWorkingSetRatio, memory, at);
    let instance = Instance {
        id: InstanceId("one".into()),
        service: "demo".into(),
        incarnation: 1,
        labels: Default::default(),
        knobs: vec![Arc::new(limit), Arc::new(breaker)],
        in_force: BTreeMap::from([(name("limit.x"), Value::Concurrency(in_force))]),
        totals: BTreeMap::from([(name("limit.x"), Received { at, totals: Arc::new(totals) })]),
        signals,
    };
    Snapshot { at, node: Signals::default(), instances: vec![instance] }
}

fn quiet(millis: u64, in_force: f64) -> Snapshot {
    snapshot(millis, in_force, Totals::default(), 0.1)
}

#[test]
fn a_new_engine_moves_nothing_for_ten_seconds_but_protects() {
    let mut engine = Engine::new(set(vec![law(20.0), memory(), breaker()]), Timestamp::ZERO);
    let step = engine.step(&quiet(100, 64.0));
    assert_eq!(
        step.decisions[0].to,
        Value::Concurrency(64.0),
        "over the policy's maximum, and still not moved"
    );
    assert!(matches!(step.decisions[0].reason, Reason::Learning { .. }));
    let failing = Totals { consecutive_failures: 9, ..Totals::default() };
    let step = engine.step(&snapshot(200, 64.0, failing, 0.92));
    assert_eq!(step.decisions[0].to, Value::Concurrency(64.0 * (1.0 - 0.7)), "memory protection acts");
    assert!(matches!(step.decisions[1].to, Value::Breaker(Breaker::Open { .. })), "so does the breaker");
    let step = engine.step(&quiet(10_100, 64.0));
    assert_eq!(step.decisions[0].to, Value::Concurrency(20.0), "after that the policy acts");
}

#[test]
fn the_most_restrictive_wins_and_no_reason_is_lost() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![law(400.0), memory()]), Timestamp::ZERO);
    let step = engine.step(&snapshot(100, 64.0, Totals::default(), 0.92));
    let decision = &step.decisions[0];
    assert_eq!((&*decision.policy, decision.action), ("memory", Action::Decrease));
    assert!(matches!(decision.reason, Reason::Pressure(PressureReason::MemoryPressure { .. })));
    assert_eq!(decision.overruled.len(), 1);
    assert_eq!((&*decision.overruled[0].policy, decision.overruled[0].allows), ("law", Some(64.0)));
    let next = engine.step(&snapshot(200, 19.2, Totals::default(), 0.92));
    assert_eq!(next.decisions[0].overruled[0].reason, Reason::Capped, "the law's integrator is frozen");
    assert_eq!(next.decisions[0].id, decision.id, "a hold carries the id of the change that it holds");
}

#[test]
fn g1_the_budget_of_a_cache_shrinks_while_memory_is_short_and_comes_back() {
    let budget = Knob::try_new(name("memory.cache"), Kind::MemoryLimit, 1e6, 100e6, 80e6).expect("valid");
    let budget = Knob { restrictive: crate::knob::Restrictive::Lower, ..budget };
    let cap = MemoryCap::try_new(name("memory.cache"), 0.75, 0.92, 0.3).expect("valid");
    let policies = set(vec![policy("cache", Controller::MemoryCap(cap))]);
    let mut engine = Engine::learning_for(Duration::ZERO, policies, Timestamp::ZERO);
    let mut to = |millis, bytes, memory| {
        let mut seen = snapshot(millis, 64.0, Totals::default(), memory);
        seen.instances[0].knobs = vec![Arc::new(budget.clone())];
        seen.instances[0].in_force = BTreeMap::from([(name("memory.cache"), Value::Number(bytes))]);
        engine.step(&seen).decisions[0].to.scalar()
    };
    assert_eq!(to(100, 80e6, 0.5), 80e6);
    assert!((to(200, 80e6, 0.92) - 24e6).abs() < 1.0, "30 % of what it had");
    assert_eq!(to(60_000, 24e6, 0.5), 80e6, "no bound any more");
}

#[test]
fn l4_an_edit_acts_in_the_next_step_and_keeps_state() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![law(400.0), breaker()]), Timestamp::ZERO);
    let failing = Totals { consecutive_failures: 9, ..Totals::default() };
    engine.step(&snapshot(100, 64.0, failing, 0.1));
    engine.replace(set(vec![law(30.0), breaker()]));
    let step = engine.step(&quiet(200, 64.0));
    assert_eq!(step.decisions[0].to, Value::Concurrency(30.0));
    assert_eq!(step.decisions[0].reason, Reason::Bounds, "an edit says that it was one");
    assert!(
        matches!(step.decisions[1].to, Value::Breaker(Breaker::Open { .. })),
        "an untouched policy keeps its state"
    );
    engine.replace(set(vec![law(30.0)]));
    assert_eq!(
        engine.step(&quiet(300, 30.0)).decisions.len(),
        1,
        "a knob that no policy names has no decision"
    );
}

#[test]
fn our_own_stop_makes_nobody_else_look_silent() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![breaker()]), Timestamp::ZERO);
    let failing = Totals { consecutive_failures: 9, ..Totals::default() };
    let before = snapshot(100, 64.0, failing, 0.1);
    engine.step(&before);
    let mut to = |millis| {
        engine.step(&Snapshot { at: Timestamp::from_millis(millis), ..before.clone() }).decisions[0].to
    };
    assert!(matches!(to(20_000), Value::Breaker(Breaker::Open { .. })), "held: we were stopped, not they");
    for millis in (20_100..22_000).step_by(100) {
        assert!(matches!(to(millis), Value::Breaker(Breaker::Open { .. })), "{millis}");
    }
    assert_eq!(to(22_100), Value::Breaker(Breaker::Local), "still silent: now it is theirs");
}

#[test]
fn a_restarted_process_starts_afresh() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![breaker()]), Timestamp::ZERO);
    let failing = Totals { consecutive_failures: 9, ..Totals::default() };
    engine.step(&snapshot(100, 64.0, failing, 0.1));
    let mut again = quiet(200, 64.0);
    again.instances[0].incarnation = 2;
    assert_eq!(engine.step(&again).decisions[0].to, Value::Breaker(Breaker::Local));
    assert_eq!(
        engine.step(&Snapshot { at: Timestamp::from_millis(300), ..Snapshot::default() }),
        Step::default()
    );
}

proptest! {
    /// Whatever is reported, the limit is finite and within the bounds of knob and policy.
    #[test]
    fn any_report_gives_a_limit_within_bounds(
        reports in prop::collection::vec(
            (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<f64>(), 1u64..400), 1..60),
    ) {
        let policies = set(vec![law(300.0), memory()]);
        let mut engine = Engine::learning_for(Duration::ZERO, policies, Timestamp::ZERO);
        let (mut at, mut limit) = (0, 64.0);
        for (completed, latency, sums, dropped, memory, wait) in reports {
            at += wait;
            let totals = Totals {
                admitted: completed.wrapping_add(dropped), completed, dropped, success_latency_sum: latency,
                latency_sum: latency, admit_time_sum: sums, release_time_sum: sums, success_latency_sq_sum: sums,
                in_flight_peak: completed, limited: true, ..Totals::default()
            };
            let to = engine.step(&snapshot(at, limit, totals, memory)).decisions[0].to.scalar();
            prop_assert!((4.0..=300.0).contains(&to), "{to}");
            limit = to;
        }
    }

    /// Stepping more often than reports come changes nothing about what is decided.
    #[test]
    fn splitting_a_tick_changes_nothing(extra in prop::collection::vec(1u64..100, 0..3)) {
        let run = |extra: &[u64]| {
            let policies = set(vec![law(300.0)]);
            let mut engine = Engine::learning_for(Duration::ZERO, policies, Timestamp::ZERO);
            let (mut limit, mut limits) = (64.0, Vec::new());
            for tick in 1..200u64 {
                let completed = 40 * tick;
                let totals = Totals {
                    admitted: completed + 60, completed,
                    admit_time_sum: 0, release_time_sum: 0, latency_sum: 0,
                    success_latency_sum: completed * 20_000_000 + tick.saturating_sub(100) * 4_000_000_000,
                    in_flight_peak: 64, limited: true, ..Totals::default()
                };
                let seen = snapshot(100 * tick, limit, totals, 0.1);
                limit = engine.step(&seen).decisions[0].to.scalar();
                limits.push(limit);
                for wait in extra {
                    let again = Snapshot { at: Timestamp::from_millis(100 * tick + wait), ..seen.clone() };
                    engine.step(&again);
                }
            }
            limits
        };
        prop_assert_eq!(run(&[]), run(&extra));
    }
}

/// Steps once with whatever is known at `millis`, and gives the limit decided.
fn limit_at(engine: &mut Engine, seen: &Snapshot) -> f64 {
    engine.step(seen).decisions[0].to.scalar()
}

#[test]
fn reports_that_come_back_after_a_release_do_not_bring_an_old_limit_back() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![law(400.0), breaker()]), Timestamp::ZERO);
    let old = snapshot(100, 4.0, Totals::default(), 0.1);
    assert_eq!(limit_at(&mut engine, &old), 4.0, "seeded from what is in force");
    let silent = |millis, in_force| {
        let mut seen = quiet(millis, in_force);
        seen.instances[0].totals = old.instances[0].totals.clone();
        seen
    };
    for millis in (1000..=10_000).step_by(1000) {
        assert_eq!(limit_at(&mut engine, &silent(millis, 4.0)), 4.0, "held");
    }
    assert_eq!(limit_at(&mut engine, &silent(10_200, 4.0)), 64.0, "released");
    assert_eq!(limit_at(&mut engine, &quiet(20_000, 64.0)), 64.0, "and still there when reports come again");
}

#[test]
fn a_policy_that_comes_back_starts_from_what_is_in_force() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![law(10.0)]), Timestamp::ZERO);
    assert_eq!(limit_at(&mut engine, &quiet(100, 64.0)), 10.0);
    engine.replace(set(vec![breaker()]));
    engine.step(&quiet(200, 64.0));
    engine.replace(set(vec![law(400.0)]));
    let mut paced = quiet(60_000, 64.0);
    let knob = Arc::make_mut(&mut paced.instances[0].knobs[0]);
    knob.max_change_ratio = 0.5;
    assert_eq!(limit_at(&mut engine, &paced), 64.0, "not paced from a limit of long ago");
}

#[test]
fn a_restart_under_memory_pressure_does_not_cap_the_cap() {
    let mut limit = 100.0;
    for restart in 0..5 {
        let mut engine = Engine::new(set(vec![law(400.0), memory()]), Timestamp::ZERO);
        for tick in 1..200 {
            limit = limit_at(&mut engine, &snapshot(100 * tick, limit, Totals::default(), 0.835));
        }
        assert!(limit >= 64.9, "{limit} after restart {restart}");
    }
}

#[test]
fn a_restart_does_not_hold_a_breaker_open() {
    let mut engine = Engine::new(set(vec![breaker()]), Timestamp::ZERO);
    let mut seen = quiet(100, 64.0);
    let open = Value::Breaker(Breaker::Open { retry_after: Duration::ZERO });
    seen.instances[0].in_force.insert(name("breaker.x"), open);
    let to = engine.step(&seen).decisions[0].to;
    assert!(matches!(to, Value::Breaker(Breaker::HalfOpen { .. })), "probes find out at once, not {to:?}");
}

#[test]
fn a_cap_that_lets_go_is_what_explains_the_increase() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![law(400.0), memory()]), Timestamp::ZERO);
    engine.step(&snapshot(100, 64.0, Totals::default(), 0.92));
    let decision = engine.step(&snapshot(1000, 19.2, Totals::default(), 0.1)).decisions.remove(0);
    assert_eq!((decision.to, decision.action), (Value::Concurrency(64.0), Action::Increase));
    assert_eq!(
        (&*decision.policy, decision.reason),
        ("memory", Reason::Calm),
        "not what the law said long ago"
    );
    let decision = engine.step(&snapshot(1100, 64.0, Totals::default(), 0.1)).decisions.remove(0);
    assert_eq!(&*decision.policy, "law");
}

#[test]
fn memory_that_comes_and_goes_does_not_ratchet_the_limit_down() {
    let mut engine = Engine::learning_for(Duration::ZERO, set(vec![law(400.0), memory()]), Timestamp::ZERO);
    let (mut limit, mut lowest) = (64.0_f64, 64.0_f64);
    for tick in 1..600 {
        let ratio = if tick / 10 % 2 == 0 { 0.70 } else { 0.88 };
        let mut seen = snapshot(100 * tick, limit, Totals::default(), ratio);
        let knob = Arc::make_mut(&mut seen.instances[0].knobs[0]);
        (knob.max_change_ratio, knob.min_dwell) = (0.2, Duration::from_secs(1));
        limit = limit_at(&mut engine, &seen);
        lowest = lowest.min(limit);
    }
    assert!(lowest >= 0.46 * 64.0, "{lowest}: the cap for that pressure is 46 % of 64");
}

#[test]
fn what_is_watched_of_a_resource_is_listed_once_and_within_bounds() {
    let mut watched = Vec::new();
    let [limit, breaker, odd] =
        [("limit.x", Kind::ConcurrencyLimit), ("breaker.x", Kind::Breaker), ("odd", Kind::Numeric)]
            .map(|(knob, kind)| Knob::try_new(name(knob), kind, 0.0, 4.0, 0.0).expect("valid"));
    let seconds = |seconds: &[u64]| seconds.iter().copied().map(Duration::from_secs).collect::<Vec<_>>();
    watch(&mut watched, &limit, seconds(&[1, 2]).into_iter());
    watch(&mut watched, &breaker, seconds(&[2, 3, 4, 5]).into_iter());
    watch(&mut watched, &odd, seconds(&[9]).into_iter());
    assert!(watched.iter().all(|watch| &*watch.resource == "x"), "{watched:?}");
    assert_eq!(watched.iter().map(|watch| watch.after).collect::<Vec<_>>(), seconds(&[1, 2, 3, 4]));
}

#[test]
fn an_action_tells_what_happens_to_the_service_and_for_plain_numbers_where_they_go() {
    use crate::envelope::GcTarget;
    let gc = |budget: Option<u64>, percent| {
        let target = budget.map_or(GcTarget::fixed(percent), |mib| GcTarget::budget(mib << 20));
        Value::Gc(GcTarget { percent: Some(percent), ..target })
    };
    let open = Value::Breaker(Breaker::Open { retry_after: Duration::ZERO });
    let (local, limit) = (Value::Breaker(Breaker::Local), Value::Concurrency);
    for (kind, from, to, expected) in [
        (Kind::ConcurrencyLimit, limit(50.0), limit(40.0), Action::Decrease),
        (Kind::ConcurrencyLimit, limit(50.0), limit(60.0), Action::Increase),
        (Kind::Breaker, local, open, Action::Decrease),
        (Kind::GcTarget, gc(None, 100), gc(Some(400), 290), Action::Decrease),
        (Kind::GcTarget, gc(Some(400), 290), gc(Some(500), 200), Action::Increase),
        (Kind::Numeric, Value::Number(5.0), Value::Number(4.0), Action::Decrease),
        (Kind::Numeric, Value::Number(5.0), Value::Number(6.0), Action::Increase),
    ] {
        let knob = Knob::try_new(name("x"), kind, 0.0, 400.0, 0.0).expect("valid");
        let decision = Decision {
            id: 1,
            instance: InstanceId("one".into()),
            knob: knob.name.clone(),
            from,
            to,
            admission: Default::default(),
            action: Action::Increase,
            policy: "p".into(),
            reason: Reason::Calm,
            guarded: None,
            overruled: Vec::new(),
        };
        assert_eq!(actual(&knob, &decision), expected, "{from:?} -> {to:?}");
    }
}
