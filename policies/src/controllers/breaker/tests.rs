use super::*;
use crate::knob::{Kind, Knob};
use crate::signal::Signals;
use crate::snapshot::Received;

struct Bench {
    policy: BreakerPolicy,
    totals: Totals,
    knob: Knob,
    incarnation: u64,
    at: u64,
}

impl Bench {
    fn new(failure_rate: Option<FailureRate>, consecutive: Option<u64>) -> Self {
        let name = KnobName::try_new("breaker.db").expect("valid");
        let spec = BreakerSpec::try_new(
            name.clone(),
            failure_rate,
            consecutive,
            Probe::default(),
            BreakerSpec::PROBES,
        );
        Self {
            policy: BreakerPolicy::new(spec.expect("valid")),
            totals: Totals::default(),
            knob: Knob::try_new(name, Kind::Breaker, 0.0, 4.0, 0.0).expect("valid"),
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

    fn step(&mut self, reported: u64) -> Proposal {
        let received =
            Received { at: Timestamp::from_millis(reported), totals: Arc::new(self.totals.clone()) };
        self.policy.step(&Seen {
            now: Timestamp::from_millis(self.at),
            since: Timestamp::ZERO,
            knob: &self.knob,
            in_force: Value::Breaker(Breaker::Local),
            held_up: false,
            capped: false,
            totals: Some(&received),
            incarnation: self.incarnation,
            signals: &Signals::default(),
            node: &Signals::default(),
        })
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
fn b1_failure_rate_over_three_windows_in_a_row_trips() {
    let rule = FailureRate::try_new(0.65, Duration::from_secs(60), 3, 20).expect("valid");
    let mut bench = Bench::new(Some(rule), None);
    assert_eq!(state(bench.after(0, 0, 0)), "local");
    for (good, bad) in [(30, 70), (30, 70), (70, 30), (30, 70), (34, 66)] {
        assert_eq!(state(bench.after(60_000, good, bad)), "local", "{good} {bad}");
    }
    let tripped = bench.after(60_000, 30, 70);
    assert_eq!(state(tripped), "open");
    assert_eq!(tripped.reason, BreakerReason::FailureRate { ratio: 0.7, threshold: 0.65, calls: 100 }.into());
}

#[test]
fn low_traffic_does_not_trip() {
    let rule = FailureRate::try_new(0.5, Duration::from_secs(10), 1, 20).expect("valid");
    let mut bench = Bench::new(Some(rule), None);
    bench.after(0, 0, 0);
    assert_eq!(state(bench.after(10_000, 0, 19)), "local");
    assert_eq!(state(bench.after(10_000, 0, 20)), "open");
}

#[test]
fn b1_probing_waits_one_two_four_seconds_and_is_capped() {
    let mut bench = Bench::new(None, Some(5));
    assert_eq!(state(bench.after(100, 0, 5)), "open");
    for wait in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        assert_eq!(state(bench.after(wait - 1, 0, 0)), "held", "still open within {wait} ms");
        assert_eq!(state(bench.after(1, 0, 0)), "half_open");
        assert_eq!(state(bench.after(100, 0, 1)), "open", "a failed probe opens again");
    }
}

#[test]
fn probes_close_it_and_a_clean_while_forgives_one_failed_probe() {
    let mut bench = Bench::new(None, Some(5));
    bench.after(100, 0, 5);
    bench.after(1000, 0, 0);
    bench.after(100, 0, 1);
    assert_eq!(state(bench.after(2000, 0, 0)), "half_open");
    assert_eq!(state(bench.after(100, 2, 0)), "half_open", "two of three");
    assert_eq!(state(bench.after(100, 1, 0)), "local");
    assert_eq!(bench.policy.failed_probes, 1, "closing alone forgives nothing");
    bench.after(10_000, 10, 0);
    assert_eq!(bench.policy.failed_probes, 0);
}

#[test]
fn stragglers_decide_nothing() {
    let mut bench = Bench::new(None, Some(5));
    bench.totals.admitted += 10; // ten calls hang from before
    bench.after(100, 0, 5);
    assert_eq!(state(bench.after(1000, 0, 0)), "half_open");
    bench.totals.admitted -= 10; // they end now, in failure
    assert_eq!(state(bench.after(100, 0, 10)), "half_open", "they were no probes");
    assert_eq!(state(bench.after(100, 3, 0)), "local");
}

#[test]
fn a_restarted_process_starts_closed_and_silence_gives_the_breaker_back() {
    let mut bench = Bench::new(None, Some(5));
    bench.after(100, 0, 5);
    bench.incarnation = 2;
    bench.totals = Totals::default();
    assert_eq!(state(bench.after(100, 0, 0)), "local");
    let last = bench.at;
    bench.at += 5000;
    assert_eq!(bench.step(last).want, Want::Hold);
    bench.at += 6000;
    assert_eq!(bench.step(last).want, Want::Release);
}

#[test]
fn what_happened_while_the_breaker_was_given_back_decides_nothing() {
    let mut bench = Bench::new(None, Some(5));
    bench.after(100, 0, 5);
    assert_eq!(state(bench.after(1000, 0, 0)), "half_open");
    let last = bench.at;
    bench.at += 11_000;
    assert_eq!(bench.step(last).want, Want::Release);
    assert_eq!(state(bench.after(1000, 990, 10)), "local", "ten of a thousand failed under the local rule");
}

#[test]
fn while_calm_the_local_rule_of_the_sdk_stays_in_charge() {
    let rule = FailureRate::try_new(0.65, Duration::from_secs(60), 3, 20).expect("valid");
    let mut bench = Bench::new(Some(rule), None);
    assert_eq!(
        bench.after(100, 10, 0).want,
        Want::Set(Value::Breaker(Breaker::Local)),
        "a pushed `closed` would switch the local rule off"
    );
}

#[test]
fn a_clock_that_jumps_back_does_not_deafen_the_failure_rate() {
    let rule = FailureRate::try_new(0.5, Duration::from_secs(10), 1, 20).expect("valid");
    let mut bench = Bench::new(Some(rule), None);
    bench.totals.at_nanos = u64::MAX;
    bench.step(0);
    assert_eq!(state(bench.after(1000, 0, 0)), "local");
    assert_eq!(state(bench.after(10_000, 0, 20)), "open");
}
