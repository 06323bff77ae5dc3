use proptest::prelude::*;

use super::probes::{MAX_PROBES, Probes, Wished};
use setpoint_proto::message::Why;

use super::*;
use crate::clock::Hand;
use BreakerSetpoint::{Closed, ForcedOpen, HalfOpen, Local, Open};

const SECOND: u64 = 1_000_000_000;
const RULES: Rules =
    Rules { failures: 7, wait: Duration::from_secs(1), longest_wait: Duration::from_secs(30) };

/// A machine with its clock.
struct Rig {
    machine: Machine,
    now: u64,
}

impl Rig {
    fn new() -> Self {
        let machine = Machine::new(3);
        machine.arm(RULES);
        Self { machine, now: 5 * SECOND }
    }

    fn admit(&self) -> Result<Pass, Duration> {
        self.machine.admit(|| self.now)
    }

    fn settle(&self, pass: Pass, outcome: Outcome) {
        self.machine.settle(pass, outcome, || self.now);
    }

    fn call(&self, outcome: Outcome) {
        self.settle(self.admit().unwrap(), outcome);
    }

    fn push(&self, state: BreakerSetpoint) {
        self.machine.push(&state, self.now);
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    /// Fails until it opens; returns the wait.
    fn trip(&self) -> Duration {
        (0..RULES.failures).for_each(|_| self.call(Outcome::Failure));
        self.admit().unwrap_err()
    }

    /// Waits for the end of the wait and sends a probe.
    fn probe_after(&mut self, wait: Duration) -> Pass {
        self.now += crate::clock::nanos(wait);
        self.admit().unwrap()
    }
}

/// Within a fifth of so many seconds.
fn about(wait: Duration, seconds: f64) -> bool {
    (0.8 * seconds..=1.2 * seconds).contains(&wait.as_secs_f64())
}

#[test]
fn only_hard_failures_in_a_row_trip() {
    use Outcome::{Dropped, Failure, Ignore, Success};
    let six = [Failure; 6];
    for (then, expected) in [
        (&[Failure][..], State::Open),
        (&[Success, Failure], State::Closed),
        (&[Dropped, Dropped, Dropped], State::Closed),
        (&[Ignore, Dropped, Failure], State::Open),
    ] {
        let rig = Rig::new();
        six.iter().chain(then).for_each(|outcome| rig.call(*outcome));
        assert_eq!(rig.state(), expected, "six failures, then {then:?}");
    }
}

#[test]
fn three_good_probes_close_and_no_more_than_two_are_out_at_once() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    assert!(about(wait, 1.0), "{wait:?}");
    rig.now += crate::clock::nanos(wait) - 1_000_000;
    assert_eq!(rig.admit().unwrap_err(), Duration::from_millis(1));
    let first = rig.probe_after(Duration::from_millis(1));
    let second = rig.admit().unwrap();
    assert_eq!(rig.state(), State::HalfOpen);
    assert!(rig.admit().is_err());
    rig.settle(first, Outcome::Success);
    rig.settle(rig.admit().unwrap(), Outcome::Ignore);
    rig.settle(second, Outcome::Success);
    assert_eq!(rig.state(), State::HalfOpen, "a cancelled probe proves nothing");
    rig.call(Outcome::Success);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_bad_probe_opens_again_and_for_longer_up_to_the_longest_wait() {
    let mut rig = Rig::new();
    let mut wait = rig.trip();
    for (outcome, seconds) in
        [(Outcome::Failure, 2.0), (Outcome::Dropped, 4.0), (Outcome::Failure, 8.0), (Outcome::Failure, 16.0)]
    {
        let probe = rig.probe_after(wait);
        rig.settle(probe, outcome);
        wait = rig.admit().unwrap_err();
        assert!(about(wait, seconds), "{wait:?} {seconds}");
    }
    for _ in 0..100 {
        let probe = rig.probe_after(wait);
        rig.settle(probe, Outcome::Failure);
        wait = rig.admit().unwrap_err();
        assert!(wait >= Duration::from_secs(24) && wait <= RULES.longest_wait, "{wait:?}");
    }
}

#[test]
fn a_clean_stretch_halves_the_wait_and_does_not_forget_it() {
    let mut rig = Rig::new();
    let mut wait = rig.trip();
    for _ in 0..3 {
        let probe = rig.probe_after(wait);
        rig.settle(probe, Outcome::Failure);
        wait = rig.admit().unwrap_err();
    }
    assert!(about(wait, 8.0));
    rig.now += crate::clock::nanos(wait);
    (0..3).for_each(|_| rig.call(Outcome::Success));
    rig.now += 21 * SECOND;
    let wait = rig.trip();
    assert!(about(wait, 4.0), "16 s were due, two clean stretches of 10 s: {wait:?}");
}

#[test]
fn a_straggler_of_an_earlier_generation_never_moves_the_state() {
    let mut rig = Rig::new();
    let stragglers: Vec<_> = (0..20).map(|_| rig.admit().unwrap()).collect();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    stragglers[..10].iter().for_each(|pass| rig.settle(*pass, Outcome::Success));
    assert_eq!(rig.state(), State::HalfOpen, "successes from before prove nothing");
    stragglers[10..].iter().for_each(|pass| rig.settle(*pass, Outcome::Failure));
    assert_eq!(rig.state(), State::HalfOpen, "nor do failures");
    assert_eq!(rig.machine.failures_in_a_row(), 10, "but they are counted");
    rig.settle(probe, Outcome::Success);
    (0..2).for_each(|_| rig.call(Outcome::Success));
    assert_eq!(rig.state(), State::Closed);
    (0..6).for_each(|_| rig.call(Outcome::Failure));
    stragglers.iter().for_each(|pass| rig.settle(*pass, Outcome::Failure));
    assert_eq!(rig.state(), State::Closed, "their failures are not the seventh");
    stragglers.iter().for_each(|pass| rig.settle(*pass, Outcome::Success));
    rig.call(Outcome::Failure);
    assert_eq!(rig.state(), State::Open, "and their successes do not interrupt the row");
}

#[test]
fn a_slot_of_a_later_generation_is_never_taken() {
    let probes = Probes::new();
    assert!(matches!(probes.take(7, 1, 0), Wished::Got(_)));
    assert!(matches!(probes.take(5, 1, 0), Wished::Moved), "whoever asks for 5 is out of date");
    assert!(matches!(probes.take(7, 1, 0), Wished::AllOut));
    assert!(matches!(probes.take(8, 1, 0), Wished::Got(_)), "one of an earlier generation is free");
}

#[test]
fn a_probe_that_hangs_has_failed() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let hung = [rig.probe_after(wait), rig.admit().unwrap()];
    rig.now += 3 * SECOND;
    assert!(rig.admit().is_err());
    assert_eq!(rig.state(), State::HalfOpen, "not yet");
    rig.now += SECOND / 100;
    let wait = rig.admit().unwrap_err();
    assert_eq!(rig.state(), State::Open);
    assert!(about(wait, 2.0), "{wait:?}");
    let _ = hung.map(|pass| rig.settle(pass, Outcome::Success));
    assert_eq!(rig.state(), State::Open, "too late");
    let probe = rig.probe_after(wait);
    rig.now += 4 * SECOND;
    rig.settle(probe, Outcome::Success);
    assert_eq!(rig.state(), State::Open, "late as well, if nobody asked meanwhile");
}

#[test]
fn a_pass_that_is_given_back_unused_frees_its_probe() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let unused = [rig.probe_after(wait), rig.admit().unwrap()];
    assert!(rig.admit().is_err());
    let _ = unused.map(|pass| rig.machine.give_back(pass));
    (0..3).for_each(|_| rig.call(Outcome::Success));
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_pushed_state_overrides_the_local_rules_until_it_is_local_again() {
    let second = Duration::from_secs(1);
    let rig = Rig::new();
    let fail =
        || (0..20).filter(|_| rig.admit().map(|pass| rig.settle(pass, Outcome::Failure)).is_ok()).count();
    for (pushed, passed, state) in [
        (Closed, 20, State::PushedClosed),
        (Open { retry_after: second }, 0, State::PushedOpen),
        (ForcedOpen { retry_after: second }, 0, State::ForcedOpen),
        (HalfOpen { probe_ratio: 0.25, probe_max: 8 }, 5, State::PushedHalfOpen),
        (HalfOpen { probe_ratio: 1.0, probe_max: 0 }, 0, State::PushedHalfOpen),
        (HalfOpen { probe_ratio: 7.0, probe_max: u32::MAX }, 20, State::PushedHalfOpen),
        (Local, 7, State::Open),
    ] {
        rig.push(pushed);
        assert_eq!(fail(), passed, "{pushed:?}");
        assert_eq!(rig.state(), state);
    }
    rig.push(Local);
    assert_eq!(rig.state(), State::Open, "a local breaker that is told to be local goes on");
    rig.push(Open { retry_after: second });
    assert_eq!(rig.admit().unwrap_err(), second);
}

#[test]
fn pushed_probes_are_bounded_and_a_hung_one_gives_its_place_up() {
    let mut rig = Rig::new();
    for (probe_max, out) in [(1, 1), (3, 3), (1000, MAX_PROBES)] {
        rig.push(HalfOpen { probe_ratio: 1.0, probe_max });
        let probes: Vec<_> = std::iter::from_fn(|| rig.admit().ok()).collect();
        assert_eq!(probes.len(), out, "{probe_max}");
        rig.now += 4 * SECOND;
        let again: Vec<_> = std::iter::from_fn(|| rig.admit().ok()).collect();
        assert_eq!(again.len(), out, "after the deadline");
        probes.into_iter().for_each(|pass| rig.settle(pass, Outcome::Success));
        assert!(rig.admit().is_err(), "the place belongs to another one now");
        assert_eq!(rig.state(), State::PushedHalfOpen, "the sidecar judges");
    }
}

#[test]
fn an_unarmed_breaker_never_trips_by_itself() {
    let machine = Machine::new(3);
    for _ in 0..100 {
        let pass = machine.admit(|| 0).unwrap();
        machine.settle(pass, Outcome::Failure, || 0);
    }
    assert_eq!((machine.state(), machine.failures_in_a_row()), (State::Closed, 100));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask,
    End(prop::sample::Index, Outcome),
    Push(BreakerSetpoint),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome =
        prop::sample::select(vec![Outcome::Success, Outcome::Ignore, Outcome::Dropped, Outcome::Failure]);
    let retry_after = Duration::from_secs(1);
    let pushed = prop::sample::select(vec![
        Local,
        Closed,
        HalfOpen { probe_ratio: 0.5, probe_max: 2 },
        Open { retry_after },
        ForcedOpen { retry_after },
    ]);
    prop_oneof![
        2 => (0..5 * SECOND).prop_map(Step::Wait),
        8 => Just(Step::Ask),
        6 => (any::<prop::sample::Index>(), outcome).prop_map(|(i, o)| Step::End(i, o)),
        1 => pushed.prop_map(Step::Push),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_is_never_stuck_and_never_lets_a_crowd_through(steps in prop::collection::vec(step(), 0..200)) {
        let mut rig = Rig::new();
        // Calls out, each with the state that it was let through in.
        let mut out = Vec::new();
        for step in steps {
            match step {
                Step::Wait(nanos) => rig.now += nanos,
                Step::Ask => if let Ok(pass) = rig.admit() {
                    out.push(pass);
                    let probes = out.iter().filter(|p| p.generation() == pass.generation()).count();
                    prop_assert!(probes <= 2 || rig.state() != State::HalfOpen, "{} probes", probes);
                },
                Step::End(which, outcome) if !out.is_empty() => {
                    rig.settle(out.swap_remove(which.index(out.len())), outcome);
                }
                Step::End(..) => {}
                Step::Push(state) => rig.push(state),
            }
        }
        rig.push(Local);
        // The calls that are out never come back; the callee is well.
        for _ in 0..10 {
            rig.now += 31 * SECOND;
            while let Ok(pass) = rig.admit() {
                rig.settle(pass, Outcome::Success);
                if rig.state() == State::Closed {
                    break;
                }
            }
        }
        prop_assert_eq!(rig.state(), State::Closed);
    }
}

fn inner(hand: &Hand) -> Inner {
    Inner::new("test".into(), hand.clock(), 3)
}

#[test]
fn b6_a_breaker_on_its_own_counts_panics_as_failures_and_ignores_dropped_permits() {
    let inner = inner(&Hand::default());
    let breaker = BreakerBuilder::new(&inner, "mail").failures(2).register();
    let panicking = || {
        std::thread::spawn(move || {
            let _permit = breaker.try_acquire().unwrap();
            panic!("in the call");
        })
    };
    panicking().join().unwrap_err();
    drop(breaker.try_acquire().unwrap());
    assert_eq!(breaker.state(), BreakerState::Closed);
    panicking().join().unwrap_err();
    assert_eq!(breaker.state(), BreakerState::Open);
    let rejected = breaker.try_acquire().unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("breaker.mail", RejectReason::BreakerOpen));
}

#[test]
fn l3_a_pushed_state_is_in_force_for_the_next_call_and_read_back() {
    let inner = inner(&Hand::default());
    let breaker = BreakerBuilder::new(&inner, "db").register();
    let open = Value::Breaker(Open { retry_after: Duration::from_secs(3) });
    assert_eq!(breaker.apply(&open, &Why::default()), Ok(open));
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Duration::from_secs(3));
    assert!(breaker.apply(&Value::Number(1.0), &Why::default()).is_err());
    breaker.pin(Closed);
    assert!(breaker.try_acquire().is_ok());
    assert_eq!(breaker.apply(&open, &Why::default()), Ok(Value::Breaker(Closed)), "pinned");
    assert_eq!(breaker.pinned(), Some(Value::Breaker(Closed)));
    breaker.unpin();
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.enforce(false);
    assert!(breaker.try_acquire().is_ok(), "the kill switch");
    assert_eq!(breaker.in_force(), Value::Breaker(Local), "nothing that was pushed");
    breaker.enforce(true);
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.apply(&Value::Breaker(Local), &Why::default()), Ok(Value::Breaker(Local)));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_limiter_asks_the_breaker_of_its_name_whichever_came_first() {
    let hand = Hand::default();
    let inner = inner(&hand);
    let limiter = crate::limiter::LimiterBuilder::new(&inner, "db").baseline(10).register();
    let fail = || {
        let calls = (0..7).filter_map(|_| limiter.try_acquire(crate::Priority::Normal).ok());
        calls.map(|permit| permit.finish(Outcome::Failure)).count()
    };
    assert_eq!([fail(), fail()], [7, 7], "its breaker does not act by itself");
    let breaker = BreakerBuilder::new(&inner, "db").failures(3).register();
    assert_eq!(fail(), 3);
    assert_eq!((breaker.state(), limiter.breaker().state()), (BreakerState::Open, BreakerState::Open));
    let rejected = limiter.try_acquire(crate::Priority::Normal).unwrap_err();
    assert_eq!((rejected.limit, rejected.reason), ("breaker.db", RejectReason::BreakerOpen));
    assert_eq!(limiter.in_flight(), 0);
}

#[test]
fn a_call_that_the_limit_rejects_leaves_the_probe_to_another() {
    let hand = Hand::default();
    let inner = inner(&hand);
    let limiter = crate::limiter::LimiterBuilder::new(&inner, "db").bounds(1, 1).register();
    let breaker = BreakerBuilder::new(&inner, "db").failures(1).register();
    limiter.try_acquire(crate::Priority::Normal).unwrap().finish(Outcome::Failure);
    hand.advance(Duration::from_secs(2));
    let probe = limiter.try_acquire(crate::Priority::Normal).unwrap();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    for _ in 0..5 {
        let rejected = limiter.try_acquire(crate::Priority::Normal).unwrap_err();
        assert_eq!(rejected.reason, RejectReason::ConcurrencyLimit);
    }
    probe.finish(Outcome::Success);
    (0..2).for_each(|_| limiter.try_acquire(crate::Priority::Normal).unwrap().finish(Outcome::Success));
    assert_eq!(breaker.state(), BreakerState::Closed);
}
