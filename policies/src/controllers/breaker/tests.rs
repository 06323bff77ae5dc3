use super::*;
use crate::knob::{Kind, Knob, KnobName};
use crate::probes::{Budget, Probed};
use crate::reason::Reason;
use crate::signal::Signals;
use crate::snapshot::Received;
use crate::totals::Totals;
use crate::value::Value;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// A policy and the process that it looks after.
struct Bench {
    policy: BreakerPolicy,
    totals: Totals,
    in_force: Value,
    knob: Knob,
    incarnation: u64,
    at: u64,
}

fn name() -> KnobName {
    KnobName::try_new("breaker.db").expect("valid")
}

fn consecutive(count: u64) -> Trip {
    Trip { consecutive: Some(count), ..Trip::default() }
}

fn failing(above: f64, window: u64) -> Trip {
    let windows = Windows::try_new(Length::Time(Duration::from_secs(window)), 1, 1).expect("sound");
    Trip { failure_rate: Some(Rate::failures(above, windows).expect("sound")), ..Trip::default() }
}

fn spec(trip: Trip) -> BreakerSpec {
    let wait = Wait::exponential(SECOND, 30 * SECOND, 0.0).expect("sound");
    BreakerSpec::try_new(name(), Acts::Enforce, trip).expect("sound").with_wait(wait)
}

impl Bench {
    fn new(trip: Trip) -> Self {
        Self::of(spec(trip))
    }

    fn of(spec: BreakerSpec) -> Self {
        Self {
            policy: BreakerPolicy::new(spec),
            totals: Totals::default(),
            in_force: Value::Breaker(Breaker::Local),
            knob: Knob::try_new(name(), Kind::Breaker, 0.0, 7.0, 0.0).expect("valid"),
            incarnation: 1,
            at: 0,
        }
    }

    /// `good` and `bad` calls end, `millis` pass, one step.
    fn after(&mut self, millis: u64, good: u64, bad: u64) -> Proposal {
        self.totals.admitted += good + bad;
        self.totals.completed += good;
        self.totals.failed += bad;
        self.totals.consecutive_failures = if good > 0 { 0 } else { self.totals.consecutive_failures + bad };
        self.at += millis;
        self.totals.at_nanos = self.at * 1_000_000;
        self.step(self.at)
    }

    /// Probes of the round end.
    fn probes(&mut self, succeeded: u32, failed: u32, ignored: u32) -> Proposal {
        let probed = self.totals.probed.get_or_insert_default();
        probed.let_out += succeeded + failed + ignored;
        probed.succeeded += succeeded;
        probed.failed += failed;
        probed.ignored += ignored;
        self.after(100, 0, 0)
    }

    fn step(&mut self, reported: u64) -> Proposal {
        let received =
            Received { at: Timestamp::from_millis(reported), totals: Arc::new(self.totals.clone()) };
        let proposal = self.policy.step(&Seen {
            now: Timestamp::from_millis(self.at),
            since: Timestamp::ZERO,
            knob: &self.knob,
            in_force: self.in_force,
            held_up: false,
            capped: false,
            totals: Some(&received),
            incarnation: self.incarnation,
            signals: &Signals::default(),
            node: &Signals::default(),
        });
        if let Want::Set(value) = proposal.want {
            self.in_force = value;
            if let Value::Breaker(Breaker::HalfOpen { round, .. }) = value {
                // The process begins to count for a round that is new.
                let known = self.totals.probed.is_some_and(|probed| probed.round == round);
                self.totals.probed =
                    if known { self.totals.probed } else { Some(Probed { round, ..Probed::default() }) };
            }
        }
        proposal
    }

    /// Waits in open until it probes.
    fn until_half_open(&mut self) -> u64 {
        (1..).find(|_| state(self.after(100, 0, 0)) == "half_open").expect("it probes") * 100
    }
}

fn state(proposal: Proposal) -> &'static str {
    match proposal.want {
        Want::Set(Value::Breaker(breaker)) => breaker.name(),
        Want::Hold => "held",
        _ => "none",
    }
}

#[test]
fn b1_probing_waits_one_two_four_seconds_and_is_capped() {
    let mut bench = Bench::new(consecutive(5));
    assert_eq!(state(bench.after(100, 0, 5)), "open");
    for wait in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        assert_eq!(bench.until_half_open(), wait);
        assert_eq!(state(bench.probes(0, 3, 0)), "open", "eight of ten cannot succeed any more");
    }
}

#[test]
fn probes_let_traffic_back_by_and_by_and_a_clean_while_forgives_one_doubling() {
    let mut bench = Bench::new(consecutive(5));
    bench.after(100, 0, 5);
    bench.until_half_open();
    bench.probes(0, 3, 0);
    bench.until_half_open();
    let probing = bench.probes(7, 2, 0);
    assert_eq!(probing.reason, BreakerReason::Probing { successes: 7, needed: 8, failures: 2 }.into());
    let recovered = bench.probes(1, 0, 0);
    assert_eq!((state(recovered), recovered.reason), ("recovering", BreakerReason::Recovered.into()));
    let left = BreakerReason::Recovering { left: Duration::from_millis(9900) };
    assert_eq!(bench.after(100, 5, 0).reason, left.into());
    for _ in 0..98 {
        assert_eq!(state(bench.after(100, 5, 0)), "recovering");
    }
    assert_eq!(state(bench.after(100, 5, 0)), "local");
    (0..100).for_each(|_| _ = bench.after(100, 10, 0));
    bench.after(100, 0, 5);
    assert_eq!(bench.until_half_open(), 2000, "4 s were due, one clean while");
}

#[test]
fn a_fault_during_the_recovery_opens_again_at_once_and_for_longer() {
    for trip in [consecutive(5), failing(0.65, 60)] {
        let mut bench = Bench::of(spec(Trip { consecutive: Some(5), ..trip }));
        bench.after(100, 0, 5);
        bench.until_half_open();
        assert_eq!(state(bench.probes(8, 0, 0)), "recovering");
        bench.after(100, 10, 0);
        assert_eq!(state(bench.after(100, 1, 9)), "recovering", "nine of twenty, and a success in between");
        let opened =
            if trip.consecutive.is_some() { bench.after(100, 0, 5) } else { bench.after(100, 1, 39) };
        assert_eq!(state(opened), "open", "{}", opened.reason);
        assert_eq!(bench.until_half_open(), 2000);
    }
}

#[test]
fn stragglers_decide_nothing() {
    let mut bench = Bench::new(Trip { consecutive: Some(5), ..failing(0.5, 10) });
    bench.totals.admitted += 60; // sixty calls hang from before
    bench.after(100, 0, 5);
    bench.until_half_open();
    bench.totals.admitted -= 20;
    assert_eq!(state(bench.after(100, 0, 20)), "half_open", "they were no probes");
    assert_eq!(state(bench.probes(8, 0, 0)), "recovering");
    bench.totals.admitted -= 40;
    assert_eq!(state(bench.after(100, 0, 40)), "recovering", "nor do they prove a relapse");
    assert_eq!(state(bench.after(100, 0, 12)), "open", "what came since does");
}

#[test]
fn a_round_ends_whatever_its_probes_say() {
    for (what, probes, expected) in [
        ("ignored", (0, 0, 10), "recovering"),
        ("too few but good", (2, 0, 0), "recovering"),
        ("too few and bad", (1, 1, 0), "open"),
        ("lost: the process counts them as failed at their deadline", (0, 2, 0), "open"),
    ] {
        let mut bench = Bench::new(consecutive(5));
        bench.after(100, 0, 5);
        bench.until_half_open();
        bench.probes(probes.0, probes.1, probes.2);
        let end = (0..100).map(|_| state(bench.after(100, 0, 0))).find(|state| *state != "half_open");
        assert_eq!(end.unwrap_or(state(bench.probes(0, 0, 0))), expected, "{what}");
    }
    let mut bench = Bench::new(consecutive(5));
    bench.after(100, 0, 5);
    bench.until_half_open();
    for _ in 0..1000 {
        assert_eq!(state(bench.after(100, 0, 0)), "half_open", "nobody calls, and nobody is kept waiting");
    }
    assert_eq!(state(bench.probes(1, 0, 0)), "recovering", "the first call tells");
}

#[test]
fn a_process_that_tells_of_no_probes_gets_its_breaker_back() {
    let mut bench = Bench::new(consecutive(5));
    bench.after(100, 0, 5);
    bench.until_half_open();
    bench.totals.probed = None;
    let given_back = (1..).find(|_| {
        let proposal = bench.after(100, 0, 0);
        bench.totals.probed = None;
        state(proposal) == "local"
    });
    assert_eq!(given_back, Some(20));
    assert_eq!(state(bench.after(100, 0, 0)), "local", "the five failures are old news");
    assert_eq!(state(bench.after(100, 0, 5)), "open", "five more are not");
    bench.until_half_open();
    bench.totals.probed = None;
    bench.in_force = Value::Breaker(Breaker::Local); // does not even take the state
    let given_back = (1..).find(|_| {
        let proposal = bench.after(100, 0, 0);
        (bench.in_force, bench.totals.probed) = (Value::Breaker(Breaker::Local), None);
        state(proposal) == "local"
    });
    assert_eq!(given_back, Some(100), "patience with one that is slow to obey");
}

#[test]
fn a_restarted_process_starts_closed_and_silence_gives_the_breaker_back() {
    let mut bench = Bench::new(consecutive(5));
    bench.after(100, 0, 5);
    (bench.incarnation, bench.totals, bench.in_force) =
        (2, Totals::default(), Value::Breaker(Breaker::Local));
    assert_eq!(state(bench.after(100, 0, 0)), "local");
    let last = bench.at;
    bench.at += 5000;
    assert_eq!(bench.step(last).want, Want::Hold);
    bench.at += 6000;
    assert_eq!(bench.step(last).want, Want::Release);
}

#[test]
fn a_wait_that_is_over_while_reports_are_stale_does_not_hurry_the_loop() {
    let mut bench = Bench::new(consecutive(5));
    bench.after(100, 0, 5);
    let due = Timestamp::from_millis(1100);
    assert_eq!(bench.policy.wake_at(), Some(due));
    let last = bench.at;
    bench.at += 4000;
    assert_eq!(bench.step(last).want, Want::Hold, "stale");
    assert_eq!(bench.policy.wake_at(), None, "what is due waits for a report");
    assert_eq!(state(bench.after(100, 0, 0)), "half_open");
}

#[test]
fn what_happened_while_the_breaker_was_given_back_decides_nothing() {
    let mut bench = Bench::new(failing(0.5, 10));
    (0..110).for_each(|_| _ = bench.after(100, 1, 9));
    assert_eq!(bench.in_force.scalar(), 3.0, "open");
    let last = bench.at;
    bench.at += 11_000;
    assert_eq!(bench.step(last).want, Want::Release);
    bench.in_force = Value::Breaker(Breaker::Local);
    assert_eq!(state(bench.after(1000, 10, 990)), "local", "it failed under the local rule");
}

#[test]
fn while_calm_the_local_rule_of_the_sdk_stays_in_charge() {
    let mut bench = Bench::new(failing(0.65, 60));
    let calm = bench.after(100, 10, 0);
    assert_eq!(
        (state(calm), calm.reason),
        ("local", Reason::Calm),
        "`closed` would switch the local rule off"
    );
}

#[test]
fn a_predecessors_word_that_holds_calls_back_stands_until_probes_tell() {
    let retry_after = SECOND;
    for (in_force, expected) in [
        (Breaker::Local, "local"),
        (Breaker::Closed, "local"),
        (Breaker::Shadow { would_reject: true }, "local"),
        (Breaker::Disabled, "local"),
        (Breaker::Recovering { ramp: SECOND }, "recovering"),
        (Breaker::Open { retry_after }, "half_open"),
        (Breaker::ForcedOpen { retry_after }, "half_open"),
        (Breaker::HalfOpen { round: 1, probe_max: 1, probe_total: 1, deadline: SECOND }, "half_open"),
    ] {
        let mut bench = Bench::new(consecutive(5));
        bench.in_force = Value::Breaker(in_force);
        assert_eq!(state(bench.after(100, 0, 0)), expected, "{in_force:?}");
    }
}

#[test]
fn an_operators_word_counts_more_than_any_rule() {
    let of = |acts| Bench::of(BreakerSpec { acts, ..spec(consecutive(5)) });
    let mut disabled = of(Acts::Disabled);
    assert_eq!(state(disabled.after(100, 0, 50)), "disabled");
    let mut forced = of(Acts::ForcedOpen);
    let proposal = forced.after(100, 50, 0);
    assert_eq!((state(proposal), proposal.reason), ("forced_open", BreakerReason::ForcedOpen.into()));
    let released = Controller::Breaker(spec(consecutive(5)).into());
    assert!(forced.policy.respec(&released) && disabled.policy.respec(&released));
    assert_eq!((state(forced.after(100, 0, 0)), state(disabled.after(100, 5, 0))), ("half_open", "local"));
    assert!(BreakerSpec::try_new(name(), Acts::ForcedOpen, Trip::default()).is_ok(), "nothing to judge by");
    assert!(BreakerSpec::try_new(name(), Acts::Shadow, Trip::default()).is_err());
}

#[test]
fn in_shadow_it_tells_what_it_would_do_and_rejects_nothing() {
    let mut bench = Bench::of(BreakerSpec { acts: Acts::Shadow, ..spec(consecutive(5)) });
    let shadow = |would_reject| Want::Set(Value::Breaker(Breaker::Shadow { would_reject }));
    assert_eq!(bench.after(100, 1, 0).want, shadow(false));
    let tripped = bench.after(100, 0, 5);
    assert_eq!(tripped.want, shadow(true));
    assert_eq!(tripped.reason, BreakerReason::ConsecutiveFailures { count: 5, threshold: 5 }.into());
    (0..9).for_each(|_| assert_eq!(bench.after(100, 0, 5).want, Want::Hold));
    assert_eq!(bench.after(100, 0, 5).want, shadow(false), "all calls probe");
    assert_eq!(bench.after(100, 0, 15).want, shadow(true), "and fail");
}

#[test]
fn a_callee_that_asks_for_time_gets_it() {
    let mut bench = Bench::new(consecutive(5));
    bench.totals.retry_after = Some(7 * SECOND);
    let open = Want::Set(Value::Breaker(Breaker::Open { retry_after: 7 * SECOND }));
    assert_eq!(bench.after(100, 0, 5).want, open);
    assert_eq!(bench.until_half_open(), 7000);
}

#[test]
fn in_a_set_a_trip_asks_first() {
    let set = Set::try_new("pay", 0.3).expect("sound");
    let mut bench = Bench::of(spec(consecutive(5)).with_set(Some(set)));
    let peer = |name: &str, open| Standing {
        set: "pay".into(),
        knob: KnobName::try_new(name).expect("valid"),
        open,
        trips: None,
    };
    assert_eq!(bench.after(100, 0, 5).reason, BreakerReason::AsksSet.into());
    let own = bench.policy.standing().expect("in a set");
    assert_eq!((own.open, own.trips), (false, Some(1.0)));
    let full = [own.clone(), peer("a", true), peer("b", false)];
    bench.policy.confer(&full);
    let refused = bench.after(100, 0, 1);
    assert_eq!(
        (state(refused), refused.reason),
        ("local", BreakerReason::SetFull { open: 1, members: 3 }.into())
    );
    bench.policy.confer(&[own, peer("a", false), peer("b", false)]);
    assert_eq!(state(bench.after(100, 0, 1)), "open");
    assert!(bench.policy.standing().expect("in a set").open);
}

/// What a process and its callee may do in a step.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Calls { good: u64, bad: u64, hang: u64 },
    Probes { succeeded: u32, failed: u32, ignored: u32 },
    Stale(u64),
    Restart,
    Disobey,
    ClockBack(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..20_u64).prop_map(|tenths| Event::Pass(tenths * 100)),
        6 => (0..30_u64, 0..30_u64, 0..5_u64).prop_map(|(good, bad, hang)| Event::Calls { good, bad, hang }),
        4 => (0..6_u32, 0..4_u32, 0..4_u32)
            .prop_map(|(succeeded, failed, ignored)| Event::Probes { succeeded, failed, ignored }),
        2 => (100..15_000_u64).prop_map(Event::Stale),
        1 => Just(Event::Restart),
        1 => Just(Event::Disobey),
        1 => (1..100_000_u64).prop_map(Event::ClockBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// From wherever chance has led it, a callee that is well gets its traffic back; on the way no round has more probes than
    /// its budget, a state that rejects has an end, and a wish to be stepped is never in the past.
    #[test]
    fn it_is_never_stuck(events in prop::collection::vec(event(), 0..40), rate in any::<bool>()) {
        let trip = if rate { Trip { consecutive: Some(5), ..failing(0.5, 2) } } else { consecutive(5) };
        let mut bench = Bench::of(spec(trip).with_budget(
            Budget::try_new(2, 5, 4, SECOND, 3 * SECOND).expect("sound")));
        for event in events {
            match event {
                Event::Pass(millis) => _ = bench.after(millis, 0, 0),
                Event::Calls { good, bad, hang } => {
                    bench.totals.admitted += hang;
                    bench.after(100, good, bad);
                }
                Event::Probes { succeeded, failed, ignored } => {
                    // As many as the process may let out.
                    let left = 5 - bench.totals.probed.map_or(0, |probed| probed.let_out).min(5);
                    let succeeded = succeeded.min(left);
                    let failed = failed.min(left - succeeded);
                    bench.probes(succeeded, failed, ignored.min(left - succeeded - failed));
                }
                Event::Stale(millis) => {
                    let last = bench.at;
                    bench.at += millis;
                    if bench.step(last).want == Want::Release {
                        bench.in_force = Value::Breaker(Breaker::Local);
                    }
                }
                Event::Restart => {
                    bench.incarnation += 1;
                    (bench.totals, bench.in_force) = (Totals::default(), Value::Breaker(Breaker::Local));
                }
                Event::Disobey => (bench.in_force, bench.totals.probed) = (Value::Breaker(Breaker::Local), None),
                Event::ClockBack(nanos) => {
                    // The process's clock alone: the engine's is the sidecar's own.
                    bench.totals.at_nanos = bench.totals.at_nanos.saturating_sub(nanos);
                    bench.step(bench.at);
                }
            }
            let now = Timestamp::from_millis(bench.at);
            prop_assert!(bench.policy.wake_at().is_none_or(|at| at > now));
            if let Value::Breaker(Breaker::HalfOpen { probe_max, probe_total, .. }) = bench.in_force {
                prop_assert_eq!((probe_max, probe_total), (2, 5));
            }
        }
        // From now on the callee is well: 36 s of wait at the most, a round, and the ramp.
        let mut last = "";
        for _ in 0..700 {
            last = match bench.in_force {
                Value::Breaker(Breaker::HalfOpen { .. }) if bench.totals.probed.is_some_and(|it| it.let_out < 5) =>
                    state(bench.probes(1, 0, 0)),
                Value::Breaker(Breaker::Open { .. }) => state(bench.after(100, 0, 0)),
                _ => state(bench.after(100, 20, 0)),
            };
        }
        prop_assert_eq!(last, "local");
    }
}
