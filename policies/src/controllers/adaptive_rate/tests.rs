use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::knob::{Kind, Knob, KnobName};
use crate::signal::Signals;
use crate::snapshot::Received;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::value::Value;

fn knob() -> Knob {
    let name = KnobName::try_new("rate.api").expect("valid");
    Knob::try_new(name, Kind::RateLimit, 0.0, 1e6, 100.0).expect("valid")
}

fn spec() -> AdaptiveRate {
    AdaptiveRate::try_new(knob().name, 1.0, 10_000.0).expect("valid")
}

/// A policy that is stepped every 100 ms and obeyed at once.
struct Bench {
    policy: AdaptiveRatePolicy,
    now: Timestamp,
    totals: Totals,
    /// Until when the callee wants to be left alone.
    not_before_nanos: u64,
    in_force: f64,
    capped: bool,
    rules: Vec<&'static str>,
}

impl Bench {
    fn at(rate: f64) -> Self {
        let mut bench = Self {
            policy: AdaptiveRatePolicy::new(spec()),
            now: Timestamp::from_millis(1000),
            totals: Totals::default(),
            not_before_nanos: 0,
            in_force: rate,
            capped: false,
            rules: Vec::new(),
        };
        bench.tick(0, 0);
        bench
    }

    /// A tick in which so many calls were completed and refused.
    fn tick(&mut self, completed: u64, dropped: u64) -> Proposal {
        self.now += Duration::from_millis(100);
        self.totals.at_nanos = self.now.as_nanos();
        self.totals.admitted += completed + dropped;
        self.totals.completed += completed;
        self.totals.dropped += dropped;
        let left = self.not_before_nanos.saturating_sub(self.now.as_nanos());
        self.totals.retry_after = (left > 0).then(|| Duration::from_nanos(left));
        let proposal = self.step(Some(self.now));
        if let Want::Set(value) = proposal.want {
            self.in_force = value.scalar();
        }
        proposal
    }

    fn step(&mut self, received: Option<Timestamp>) -> Proposal {
        let received = received.map(|at| Received { at, totals: Arc::new(self.totals.clone()) });
        let proposal = self.policy.step(&Seen {
            now: self.now,
            since: Timestamp::ZERO,
            knob: &knob(),
            in_force: Value::Rate { per_second: self.in_force, burst: None },
            held_up: false,
            capped: self.capped,
            totals: received.as_ref(),
            incarnation: 1,
            signals: &Signals::default(),
            node: &Signals::default(),
        });
        self.rules.push(proposal.reason.rule());
        proposal
    }

    /// So many ticks in which all of the rate is used and this share refused.
    fn run(&mut self, ticks: usize, refused: f64) -> f64 {
        for _ in 0..ticks {
            let calls = (self.in_force / 10.0).round();
            let dropped = (calls * refused).round();
            self.tick((calls - dropped) as u64, dropped as u64);
        }
        self.in_force
    }
}

#[test]
fn c4_the_rate_grows_while_it_is_used_and_nothing_is_refused() {
    let mut bench = Bench::at(100.0);
    assert!((125.0..=135.0).contains(&bench.run(50, 0.0)), "{}", bench.in_force);
    assert!(bench.run(50, 0.0) > 300.0, "faster and faster");
    assert!(bench.rules.contains(&"growing"));
    assert_eq!(bench.run(400, 0.0), 10_000.0, "up to max");
}

#[test]
fn c4_an_overload_cuts_once_and_the_way_back_is_flat_at_the_rate_that_was_accepted() {
    let mut bench = Bench::at(1000.0);
    bench.run(5, 0.05);
    assert_eq!(bench.in_force, 700.0);
    let after = bench.run(9, 0.3);
    assert_eq!(after, 700.0, "what comes back now was sent before");
    assert_eq!(bench.rules.last(), Some(&"cool_down"));
    let back = bench.run(50, 0.0);
    assert!((940.0..=952.0).contains(&back), "the plateau is what was accepted, 950: {back}");
    assert!(bench.run(15, 0.0) < 980.0, "and it stays there for a while");
    assert!(bench.run(50, 0.0) > 1100.0);
}

#[test]
fn c4_a_rate_far_too_high_is_halved_until_it_is_not() {
    let mut bench = Bench::at(8000.0);
    let mut seen = Vec::new();
    for _ in 0..120 {
        let calls = bench.in_force / 10.0;
        let accepted = calls.min(30.0);
        bench.tick(accepted as u64, (calls - accepted) as u64);
        if seen.last() != Some(&bench.in_force) {
            seen.push(bench.in_force);
        }
    }
    assert_eq!(
        seen[..6],
        [8000.0, 4000.0, 2000.0, 1000.0, 500.0, 300.0],
        "as much as is accepted is the least"
    );
}

#[test]
fn c4_no_growth_while_the_rate_is_not_used() {
    let mut bench = Bench::at(1000.0);
    for _ in 0..600 {
        bench.tick(70, 0);
    }
    assert_eq!(bench.in_force, 1000.0, "700 of 1000 are used");
    assert_eq!(bench.rules.last(), Some(&"app_limited"));
    assert!(bench.run(50, 0.0) < 1400.0, "a minute of that is not made up for at once");
}

#[test]
fn c4_stray_refusals_are_borne() {
    let mut bench = Bench::at(1000.0);
    bench.run(100, 0.005);
    assert!(bench.in_force > 1000.0 && !bench.rules.contains(&"overload"));
}

#[test]
fn c4_a_callee_that_says_when_to_come_back_is_not_pressed_before() {
    let mut bench = Bench::at(1000.0);
    bench.not_before_nanos = 11_000_000_000;
    bench.run(5, 0.05);
    assert_eq!(bench.in_force, 700.0);
    bench.run(90, 0.0);
    assert_eq!((bench.in_force, bench.rules.last()), (700.0, Some(&"retry_after")), "held until then");
    assert!(bench.run(20, 0.0) > 700.0);
}

#[test]
fn c4_a_callee_that_refuses_most_calls_is_left_alone_until_it_said() {
    let mut bench = Bench::at(1000.0);
    bench.not_before_nanos = 21_000_000_000;
    bench.run(5, 0.9);
    assert_eq!((bench.in_force, bench.rules.last()), (1.0, Some(&"retry_after")));
    for _ in 0..180 {
        bench.tick(1, 0);
        assert_eq!(bench.in_force, 1.0, "what it accepts at one a second proves nothing");
    }
    bench.run(30, 0.0);
    assert!((500.0..700.0).contains(&bench.in_force), "{}", bench.in_force);
}

#[test]
fn c4_who_asks_for_an_hour_gets_a_minute() {
    let mut bench = Bench::at(1000.0);
    bench.not_before_nanos = 3_600_000_000_000;
    bench.run(5, 0.9);
    let ticks = (0..).take_while(|_| bench.tick(1, 0).reason.rule() != "growing").take(1000).count();
    assert!((590..=610).contains(&ticks), "{ticks}");
}

#[test]
fn c4_a_callee_that_refuses_all_is_asked_at_the_least_rate_and_believed_when_it_is_well() {
    let mut bench = Bench::at(1000.0);
    bench.run(600, 1.0);
    assert!(bench.in_force <= 8.0, "{}", bench.in_force);
    assert!(bench.run(600, 0.0) > 100.0, "{}", bench.in_force);
}

#[test]
fn c4_what_something_else_holds_is_where_it_goes_on_from() {
    let mut bench = Bench::at(1000.0);
    bench.run(20, 0.0);
    for _ in 0..50 {
        bench.in_force = 200.0;
        bench.tick(20, 0);
    }
    let after = bench.run(5, 0.0);
    assert!((200.0..700.0).contains(&after), "not at once back to 1000: {after}");
    bench.capped = true;
    for _ in 0..50 {
        bench.in_force = 150.0;
        let proposal = bench.tick(15, 0);
        assert!(matches!(proposal.want, Want::Set(value) if value.scalar() <= after));
    }
    assert_eq!(bench.rules.last(), Some(&"capped"));
}

#[test]
fn c4_a_missing_signal_holds_and_then_lets_go() {
    let mut bench = Bench::at(100.0);
    bench.run(20, 0.0);
    let last = Some(bench.now);
    let mut said = |millis, received| {
        bench.now += Duration::from_millis(millis);
        let proposal = bench.step(received);
        (proposal.want, proposal.reason.rule())
    };
    assert_eq!(said(5000, last), (Want::Hold, "report_stale"));
    assert_eq!(said(6000, last), (Want::Release, "report_stale"));
    assert_eq!(Bench::at(100.0).step(None).want, Want::Hold);
}

#[test]
fn c4_a_stall_proves_nothing() {
    let mut bench = Bench::at(1000.0);
    bench.totals.stall_nanos = 1;
    bench.run(5, 0.5);
    assert_eq!((bench.in_force, bench.rules.last()), (1000.0, Some(&"stalled")));
}

#[test]
fn c4_the_burst_goes_with_the_rate() {
    let spec = spec().with_burst(Duration::from_millis(100)).expect("valid");
    assert_eq!(spec.value(500.0), Value::Rate { per_second: 500.0, burst: Some(50.0) });
    assert_eq!(spec.value(2.0), Value::Rate { per_second: 2.0, burst: Some(1.0) }, "one call at least");
}

#[test]
fn an_edit_keeps_what_is_known() {
    let mut bench = Bench::at(1000.0);
    bench.run(5, 0.05);
    let other = AdaptiveRate::try_new(knob().name, 1.0, 500.0).expect("valid");
    assert!(bench.policy.respec(&Controller::AdaptiveRate(other)));
    assert_eq!(bench.run(1, 0.0), 500.0);
}

#[test]
fn wrong_parameters_are_named() {
    let made = |min, max| AdaptiveRate::try_new(knob().name, min, max);
    let field = |made: Result<AdaptiveRate, crate::spec::InvalidConfig>| made.expect_err("wrong").field();
    let secs = Duration::from_secs;
    assert_eq!(field(made(0.0, 10.0)), Some("min"));
    assert_eq!(field(made(f64::NAN, 10.0)), Some("min"));
    assert_eq!(field(made(10.0, 9.0)), Some("max"));
    assert_eq!(field(made(10.0, 1e9)), Some("max"));
    assert_eq!(field(spec().with_curve(0.1, secs(5))), Some("cut_to"));
    assert_eq!(field(spec().with_curve(0.7, secs(0))), Some("recovery"));
    assert_eq!(field(spec().with_patience(0.6, secs(1))), Some("tolerate"));
    assert_eq!(field(spec().with_patience(0.1, secs(61))), Some("cool_down"));
    assert_eq!(field(spec().with_burst(Duration::ZERO)), Some("burst"));
}

proptest! {
    /// Whatever happens, the rate is between its bounds and a number; it moves only for a reason that allows it; and when
    /// all is well again, it grows.
    #[test]
    fn c4_always_within_bounds_never_up_in_an_overload_and_never_stuck(
        start in 0.5..20_000.0_f64,
        ticks in prop::collection::vec((0_u64..3000, 0_u64..3000, 0_u64..40, any::<bool>()), 1..300),
    ) {
        let mut bench = Bench::at(start);
        let mut before = spec().bounded(start);
        for (completed, dropped, wait, overload) in ticks {
            let dropped = if overload { dropped } else { 0 };
            if wait > 35 {
                bench.not_before_nanos = bench.now.as_nanos() + wait * 100_000_000;
            }
            let proposal = bench.tick(completed, dropped);
            let Want::Set(Value::Rate { per_second, burst }) = proposal.want else {
                return Err(TestCaseError::fail("it always has a wish"));
            };
            prop_assert!((1.0..=10_000.0).contains(&per_second) && burst >= Some(1.0));
            match proposal.reason.rule() {
                "overload" | "cool_down" => prop_assert!(per_second <= before),
                "app_limited" | "stalled" | "capped" => prop_assert!(per_second == before || per_second == start),
                _ => {}
            }
            before = per_second;
        }
        let low = bench.run(1, 0.0);
        // The longest wait, a cool-down, and the way back from anywhere.
        prop_assert!(bench.run(1500, 0.0) > (2.0 * low).min(9999.0), "{low}");
    }
}
