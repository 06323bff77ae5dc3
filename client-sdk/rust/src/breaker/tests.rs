use super::probes::{MAX_PROBES, Probes, Wished};
use setpoint_proto::message::Why;

mod model;
mod outage;

use super::*;
use crate::clock::Hand;
use BreakerSetpoint::{Closed, Disabled, ForcedOpen, HalfOpen, Local, Open, Recovering, Shadow};

const SECOND: u64 = 1_000_000_000;
const RULES: Rules = Rules {
    failures: 7,
    wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(30),
    ramp: Duration::from_secs(10),
};

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

    fn tick(&self) {
        self.machine.tick(self.now);
    }

    /// As many calls as it lets through, up to so many; the share of them.
    fn share(&self, calls: u32) -> f64 {
        f64::from((0..calls).map(|_| u32::from(self.admit().is_ok())).sum::<u32>()) / f64::from(calls)
    }

    /// Until it is closed again: probes succeed, and the ramp passes.
    fn recover(&mut self) {
        (0..8).for_each(|_| self.call(Outcome::Success));
        assert_eq!(self.state(), State::Recovering);
        self.now += 10 * SECOND;
        self.tick();
        assert_eq!(self.state(), State::Closed);
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

fn half_open(round: u32, probe_max: u32, probe_total: u32) -> BreakerSetpoint {
    HalfOpen { round, probe_max, probe_total, deadline: Duration::from_secs(3) }
}

#[test]
fn eight_good_probes_of_ten_recover_and_no_more_than_two_are_out_at_once() {
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
    rig.settle(second, Outcome::Failure);
    rig.settle(rig.admit().unwrap(), Outcome::Dropped);
    (0..6).for_each(|_| rig.call(Outcome::Success));
    assert_eq!(rig.state(), State::HalfOpen, "seven good, two bad");
    rig.call(Outcome::Success);
    assert_eq!(rig.state(), State::Recovering);
}

#[test]
fn a_round_has_ten_probes_and_not_one_more() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    rig.now += crate::clock::nanos(wait);
    for _ in 0..5 {
        let pair = [rig.admit().unwrap(), rig.admit().unwrap()];
        let _ = pair.map(|pass| rig.machine.give_back(pass));
        (0..2).for_each(|_| rig.call(Outcome::Ignore));
        assert!(rig.state() == State::HalfOpen || rig.state() == State::Recovering);
    }
    assert_eq!(rig.state(), State::Recovering, "ten came back, none of them bad");
    assert!(rig.share(100) < 0.2);
}

#[test]
fn probes_that_say_nothing_do_not_keep_it_half_open() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    rig.settle(probe, Outcome::Ignore);
    rig.now += 10 * SECOND - 1_000_000;
    rig.tick();
    assert_eq!(rig.state(), State::HalfOpen, "patience");
    rig.now += 1_000_000;
    rig.tick();
    assert_eq!(rig.state(), State::Recovering, "nothing speaks against it");
    let mut rig = Rig::new();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    rig.settle(probe, Outcome::Ignore);
    rig.now += 11 * SECOND;
    assert!(rig.share(20) > 0.0 && rig.state() == State::Recovering, "the next call sees to it as well");
}

#[test]
fn without_traffic_it_stays_half_open_and_the_first_call_decides() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let probe = rig.probe_after(wait);
    rig.machine.give_back(probe);
    rig.now += 1000 * SECOND;
    rig.tick();
    assert_eq!(rig.state(), State::HalfOpen, "nobody called");
    rig.call(Outcome::Success);
    assert_eq!(rig.state(), State::Recovering);
}

#[test]
fn traffic_comes_back_by_and_by() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    rig.now += crate::clock::nanos(wait);
    (0..8).for_each(|_| rig.call(Outcome::Success));
    for tenths in 0..10 {
        let expected = 0.1 + 0.09 * f64::from(tenths);
        let share = rig.share(1000);
        assert!((share - expected).abs() < 0.01, "{share} after {tenths} s");
        rig.now += SECOND;
    }
    assert_eq!((rig.share(100), rig.state()), (1.0, State::Closed), "a call sees to it where no thread does");
}

#[test]
fn a_relapse_opens_again_and_for_longer() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    rig.now += crate::clock::nanos(wait);
    (0..8).for_each(|_| rig.call(Outcome::Success));
    rig.now += 5 * SECOND;
    let failures = (0..20).filter(|_| rig.admit().map(|pass| rig.settle(pass, Outcome::Failure)).is_ok());
    assert_eq!((failures.count(), rig.state()), (7, State::Open));
    let wait = rig.admit().unwrap_err();
    assert!(about(wait, 2.0), "{wait:?}");
}

#[test]
fn bad_probes_open_again_and_for_longer_up_to_the_longest_wait() {
    let mut rig = Rig::new();
    let mut wait = rig.trip();
    for (outcome, seconds) in
        [(Outcome::Failure, 2.0), (Outcome::Dropped, 4.0), (Outcome::Failure, 8.0), (Outcome::Failure, 16.0)]
    {
        rig.now += crate::clock::nanos(wait);
        (0..3).for_each(|_| rig.call(outcome));
        wait = rig.admit().unwrap_err();
        assert!(about(wait, seconds), "{wait:?} {seconds}");
    }
    for _ in 0..100 {
        rig.now += crate::clock::nanos(wait);
        (0..3).for_each(|_| rig.call(Outcome::Failure));
        wait = rig.admit().unwrap_err();
        assert!(wait >= Duration::from_secs(24) && wait <= RULES.longest_wait, "{wait:?}");
    }
}

#[test]
fn a_callee_that_asks_for_time_gets_it() {
    for (asked, seconds) in [(7, 7), (86_400, 30)] {
        let rig = Rig::new();
        rig.machine.asked(Duration::from_secs(asked), rig.now);
        assert_eq!(rig.machine.retry_after(rig.now), Some(Duration::from_secs(asked.min(3600))));
        assert_eq!(rig.trip(), Duration::from_secs(seconds), "within the longest wait");
        assert_eq!(rig.machine.retry_after(rig.now + 3601 * SECOND), None);
    }
}

#[test]
fn a_clean_stretch_halves_the_wait_and_does_not_forget_it() {
    let mut rig = Rig::new();
    let mut wait = rig.trip();
    for _ in 0..3 {
        rig.now += crate::clock::nanos(wait);
        (0..3).for_each(|_| rig.call(Outcome::Failure));
        wait = rig.admit().unwrap_err();
    }
    assert!(about(wait, 8.0));
    rig.now += crate::clock::nanos(wait);
    rig.recover();
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
    rig.settle(probe, Outcome::Success);
    (0..7).for_each(|_| rig.call(Outcome::Success));
    assert_eq!(rig.state(), State::Recovering);
    stragglers.iter().for_each(|pass| rig.settle(*pass, Outcome::Failure));
    assert_eq!((rig.state(), rig.machine.failures_in_a_row()), (State::Recovering, 0));
    rig.now += 10 * SECOND;
    rig.tick();
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
    assert!(matches!(probes.take(7, 1, 1), Wished::Got(_)));
    assert!(matches!(probes.take(5, 1, 1), Wished::Moved), "whoever asks for 5 is out of date");
    assert!(matches!(probes.take(7, 1, 1), Wished::AllOut));
    assert!(matches!(probes.take(8, 1, 1), Wished::Got(_)), "one of an earlier generation is free");
}

#[test]
fn probes_that_hang_have_failed() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let hung = [rig.probe_after(wait), rig.admit().unwrap()];
    rig.now += 3 * SECOND;
    assert!(rig.admit().is_err());
    assert_eq!(rig.state(), State::HalfOpen, "not yet");
    rig.now += SECOND / 100;
    let late = rig.admit().expect("their places are free");
    assert_eq!(rig.state(), State::HalfOpen, "two of ten");
    let _ = hung.map(|pass| rig.settle(pass, Outcome::Success));
    rig.now += 4 * SECOND;
    rig.settle(late, Outcome::Success);
    assert_eq!(rig.state(), State::Open, "late as well, and the two before it came back too late to count");
    let wait = rig.admit().unwrap_err();
    assert!(about(wait, 2.0), "{wait:?}");
}

#[test]
fn lost_probes_are_given_up_without_any_call() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let _lost = [rig.probe_after(wait), rig.admit().unwrap()];
    for _ in 0..201 {
        rig.now += SECOND / 20;
        rig.tick();
    }
    assert_eq!(rig.state(), State::Open, "two failed and nobody else called: decided after ten seconds");
}

#[test]
fn a_pass_that_is_given_back_unused_frees_its_probe() {
    let mut rig = Rig::new();
    let wait = rig.trip();
    let unused = [rig.probe_after(wait), rig.admit().unwrap()];
    assert!(rig.admit().is_err());
    let _ = unused.map(|pass| rig.machine.give_back(pass));
    rig.recover();
}

#[test]
fn a_pushed_state_overrides_the_local_rules_until_it_is_local_again() {
    let second = Duration::from_secs(1);
    let rig = Rig::new();
    let fail =
        || (0..20).filter(|_| rig.admit().map(|pass| rig.settle(pass, Outcome::Failure)).is_ok()).count();
    for (pushed, passed, state) in [
        (Closed, 20, State::PushedClosed),
        (Disabled, 20, State::Disabled),
        (Shadow { would_reject: true }, 20, State::Shadow),
        (Open { retry_after: second }, 0, State::PushedOpen),
        (ForcedOpen { retry_after: second }, 0, State::ForcedOpen),
        (half_open(1, 8, 5), 5, State::PushedHalfOpen),
        (half_open(2, 0, 5), 0, State::PushedHalfOpen),
        (half_open(3, u32::MAX, u32::MAX), 20, State::PushedHalfOpen),
        (Closed, 20, State::PushedClosed),
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
    rig.push(Recovering { ramp: second });
    assert_eq!(rig.state(), State::Recovering);
    rig.push(Local);
    assert_eq!(rig.state(), State::Recovering, "it is local from there on");
}

#[test]
fn what_rejected_on_another_s_word_is_handed_back_to_probes_if_there_are_rules_to_judge_them() {
    let retry_after = Duration::from_secs(1);
    for pushed in [Open { retry_after }, half_open(1, 2, 10)] {
        let rig = Rig::new();
        rig.push(pushed);
        rig.push(Local);
        assert_eq!(rig.state(), State::HalfOpen, "{pushed:?}");
        let unarmed = Machine::new(3);
        unarmed.push(&pushed, 0);
        unarmed.push(&Local, 0);
        assert_eq!(unarmed.state(), State::Closed, "{pushed:?}");
    }
    let rig = Rig::new();
    rig.push(ForcedOpen { retry_after });
    rig.push(Local);
    assert_eq!(rig.state(), State::Closed, "an operator's word says nothing about the callee");
}

#[test]
fn pushed_probes_are_bounded_counted_and_given_up_when_they_hang() {
    let mut rig = Rig::new();
    for (round, probe_max, out) in [(1, 1, 1), (2, 3, 3), (3, 1000, MAX_PROBES)] {
        rig.push(half_open(round, probe_max, 20));
        let probes: Vec<_> = std::iter::from_fn(|| rig.admit().ok()).collect();
        assert_eq!(probes.len(), out, "{probe_max}");
        rig.now += 4 * SECOND;
        let again: Vec<_> = std::iter::from_fn(|| rig.admit().ok()).collect();
        assert_eq!(again.len(), out, "after the deadline");
        probes.into_iter().for_each(|pass| rig.settle(pass, Outcome::Success));
        assert!(rig.admit().is_err(), "the place belongs to another one now");
        rig.settle(again[0], Outcome::Success);
        let probed = rig.machine.probed().expect("half open by push");
        assert_eq!((probed.round, probed.let_out, probed.failed), (round, 2 * out as u32, out as u32));
        assert_eq!((probed.succeeded, rig.state()), (1, State::PushedHalfOpen), "the sidecar judges");
    }
    rig.push(Closed);
    assert_eq!(rig.machine.probed(), None);
}

#[test]
fn in_shadow_the_rule_is_told_and_not_obeyed() {
    let rig = Rig::new();
    rig.push(Shadow { would_reject: false });
    (0..20).for_each(|_| rig.call(Outcome::Failure));
    assert_eq!((rig.machine.would_have_opened(), rig.state()), (2, State::Shadow), "twice seven");
    assert!(!rig.machine.would_reject());
    rig.push(Shadow { would_reject: true });
    assert!(rig.machine.would_reject() && rig.admit().is_ok());
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
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "its own rules find out");
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
    (0..7).for_each(|_| limiter.try_acquire(crate::Priority::Normal).unwrap().finish(Outcome::Success));
    assert_eq!(breaker.state(), BreakerState::Recovering);
}
