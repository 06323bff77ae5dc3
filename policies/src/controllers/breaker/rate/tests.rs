use super::*;
use crate::totals::SlowCalls;
use proptest::prelude::*;

const SLOW: Duration = Duration::from_millis(800);

/// The counters of a process, moved on by hand.
#[derive(Debug, Clone, Default)]
struct Process(Totals);

impl Process {
    fn watched() -> Self {
        Self(Totals { slow: vec![SlowCalls { after: SLOW, calls: 0 }], ..Totals::default() })
    }

    /// So many calls come and end, `bad` of them failed or slow, and `millis` pass.
    fn after(&mut self, millis: u64, calls: u64, bad: u64) -> Arc<Totals> {
        let totals = &mut self.0;
        totals.at_nanos += millis * 1_000_000;
        totals.admitted += calls;
        match totals.slow.first_mut() {
            Some(slow) => {
                slow.calls += bad;
                totals.completed += calls;
            }
            None => {
                totals.completed += calls - bad;
                totals.failed += bad;
            }
        }
        Arc::new(self.0.clone())
    }
}

fn seconds(seconds: u64) -> Length {
    Length::Time(Duration::from_secs(seconds))
}

fn rule(above: f64, length: Length, hits: u32, of: u32, slow: bool) -> RateRule {
    let windows = Windows::try_new(length, hits, of).expect("sound");
    let rate = if slow { Rate::slow_calls(above, SLOW, windows) } else { Rate::failures(above, windows) }
        .expect("sound");
    RateRule::new(rate)
}

/// Reports of 100 ms with ten calls each, `bad` of them bad, until it trips; how many.
fn reports_to_trip(rule: &mut RateRule, process: &mut Process, bad: u64, most: u64) -> Option<u64> {
    (1..=most).find(|_| rule.judge(&process.after(100, 10, bad)).is_some())
}

#[test]
fn b1_a_fault_trips_to_the_evaluation_at_which_its_windows_are_above() {
    // 7 of 10 fail from some instant on; a window of 60 s is above 65 % when 65/70 of it are of the fault, so after 55.71 s,
    // and is looked at every 6 s. Three in a row: that, and two whole windows.
    for (hits, of, expected) in [(1, 1, 60_u64), (2, 2, 120), (3, 3, 180), (3, 4, 180)] {
        let (mut rule, mut process) = (rule(0.65, seconds(60), hits, of, false), Process::default());
        assert_eq!(reports_to_trip(&mut rule, &mut process, 0, 3001), None);
        assert_eq!(
            reports_to_trip(&mut rule, &mut process, 7, 10_000),
            Some(10 * expected),
            "{hits} of {of}"
        );
    }
}

#[test]
fn three_of_the_last_four_forgive_a_good_window() {
    let (mut patient, mut strict) =
        (rule(0.65, seconds(10), 3, 4, false), rule(0.65, seconds(10), 3, 3, false));
    let mut process = Process::default();
    let mut tripped = (None, None);
    process.after(0, 0, 0);
    // Two bad windows, one good, one bad.
    for report in 0..=400_u64 {
        let bad = if (200..300).contains(&report) { 0 } else { 9 };
        let totals = process.after(100, 10, bad);
        tripped.0 = tripped.0.or(patient.judge(&totals).map(|_| report));
        tripped.1 = tripped.1.or(strict.judge(&totals).map(|_| report));
    }
    assert_eq!(tripped, (Some(400), None), "with the fourth window");
}

#[test]
fn count_windows_are_of_calls_not_of_time() {
    let (mut rule, mut process) = (rule(0.5, Length::Calls(100), 1, 1, false), Process::default());
    rule.judge(&process.after(100, 0, 0));
    for millis in [1, 100_000] {
        rule.begin(&process.after(millis, 0, 0));
        let calls = (1..).find(|_| rule.judge(&process.after(millis, 1, 1)).is_some());
        assert_eq!(calls, Some(100), "however fast they come");
    }
    rule.begin(&process.after(1, 0, 0));
    let trip = (1..=400).find(|call| rule.judge(&process.after(1, 1, u64::from(*call > 200))).is_some());
    assert_eq!(trip, Some(260), "more than 50 of the newest 100, looked at every ten");
}

#[test]
fn low_traffic_does_not_trip() {
    for (calls, trips) in [(19, false), (20, true)] {
        let (mut rule, mut process) = (rule(0.5, seconds(10), 1, 1, false), Process::default());
        rule.judge(&process.after(100, 0, 0));
        let newest = (0..100).map(|report| {
            let call = u64::from(report < calls);
            rule.judge(&process.after(100, call, call)).is_some()
        });
        assert_eq!(newest.last(), Some(trips), "{calls} calls");
    }
}

#[test]
fn b2_calls_that_hang_count_as_slow_before_they_end() {
    let (mut rule, mut process) = (rule(0.05, seconds(30), 1, 1, true), Process::watched());
    assert_eq!(reports_to_trip(&mut rule, &mut process, 0, 600), None);
    // From now on every call is taken and none is answered: 64 of them, then the limiter is full.
    let mut hung = 0;
    let trip = (1..=600_u64).find(|_| {
        let come = (64 - hung).min(10);
        hung += come;
        let mut totals = (*process.after(100, 0, 0)).clone();
        totals.admitted += come;
        process.0.admitted = totals.admitted;
        rule.judge(&Arc::new(totals)).is_some()
    });
    // 64 that hang are 5 % of 1216 calls that ended, and so many have ended in the newest 12.16 s of quiet times: the window
    // has to be 17.84 s past the fault, and is looked at every 3 s (and a report later, since the fault came after one).
    assert_eq!(trip, Some(181));
    let BreakerReason::SlowCallRate { hanging, .. } =
        rule.judge(&process.after(100, 0, 0)).expect("it tripped")
    else {
        panic!("another rule")
    };
    assert!(hanging > 0);
}

#[test]
fn a_small_pool_that_hangs_is_judged_by_its_calls() {
    let windows = Windows::try_new(seconds(10), 1, 1).expect("sound").with_certainty(3, 0.7).expect("sound");
    let mut rule = RateRule::new(Rate::slow_calls(0.5, SLOW, windows).expect("sound"));
    let mut process = Process::watched();
    rule.judge(&process.after(100, 0, 0));
    process.0.admitted += 4;
    let trip = (1..200).find(|_| rule.judge(&process.after(100, 0, 0)).is_some());
    assert_eq!(trip, Some(100), "with the first whole window");
}

#[test]
fn a_stalled_process_is_not_a_slow_callee() {
    let (mut rule, mut process) = (rule(0.05, seconds(10), 1, 1, true), Process::watched());
    assert_eq!(reports_to_trip(&mut rule, &mut process, 0, 200), None);
    process.0.admitted += 50;
    process.0.stall_nanos += 3_000_000_000;
    assert!(rule.judge(&process.after(3000, 0, 0)).is_none(), "fifty in flight while it stood still");
    process.0.admitted -= 50;
    assert!(rule.judge(&process.after(100, 50, 50)).is_none(), "and slow when it goes on");
    assert_eq!(reports_to_trip(&mut rule, &mut process, 0, 200), None);
    let mut failing = self::rule(0.5, seconds(10), 1, 1, false);
    let mut process = Process::default();
    failing.judge(&process.after(0, 0, 0));
    let trip = (0..200).find(|_| {
        process.0.stall_nanos += 1;
        failing.judge(&process.after(100, 10, 9)).is_some()
    });
    assert!(trip.is_some(), "a failure is one however often it stalls");
}

#[test]
fn what_the_process_does_not_count_trips_nothing_and_is_said() {
    let (mut rule, mut process) = (rule(0.05, seconds(10), 1, 1, true), Process::default());
    assert!(rule.is_counted(), "nothing is known yet");
    for _ in 0..200 {
        assert!(rule.judge(&process.after(100, 10, 5)).is_none());
    }
    assert!(!rule.is_counted());
}

#[test]
fn a_clock_that_jumps_back_does_not_deafen_it() {
    let (mut rule, mut process) = (rule(0.5, seconds(10), 1, 1, false), Process::default());
    rule.judge(&process.after(u64::from(u32::MAX), 0, 0));
    process.0.at_nanos = 0;
    assert_eq!(reports_to_trip(&mut rule, &mut process, 9, 200), Some(101));
}

#[test]
fn a_recovery_needs_ten_calls_to_fail_and_excuses_what_was_in_flight() {
    let (mut rule, mut process) = (rule(0.65, seconds(60), 3, 3, false), Process::default());
    rule.judge(&process.after(100, 0, 0));
    rule.judge(&process.after(100, 9, 9));
    assert!(rule.renewed(0).is_none(), "nine calls");
    rule.judge(&process.after(100, 1, 0));
    assert!(rule.renewed(0).is_some() && rule.renewed(5).is_none());
}

proptest! {
    /// Whatever comes in whatever portions: a window says what a count by hand says.
    #[test]
    fn windows_are_exact_sums(
        reports in prop::collection::vec((50..3000_u64, 0..40_u64, 0..=10_u64), 1..120),
        hits in 1..4_u32, more in 0..3_u32,
    ) {
        let of = hits + more;
        let (mut rule, mut process) = (rule(0.5, seconds(5), hits, of, false), Process::default());
        rule.judge(&process.after(0, 0, 0));
        let mut marks = vec![(0_u64, 0_u64, 0_u64)];
        let (mut calls, mut bad) = (0, 0);
        for (millis, more_calls, tenths) in reports {
            let more_bad = more_calls * tenths / 10;
            let totals = process.after(millis, more_calls, more_bad);
            let tripped = rule.judge(&totals).is_some();
            (calls, bad) = (calls + more_calls, bad + more_bad);
            let now = totals.at_nanos / 1_000_000;
            if now - marks[marks.len() - 1].0 < 500 {
                continue;
            }
            marks.push((now, calls, bad));
            let (mut end, mut found) = (marks.len() - 1, 0);
            for _ in 0..of {
                let Some(start) = (0..end).rev().find(|at| marks[*at].0 + 5000 <= marks[end].0) else { break };
                let (from, to) = (marks[start], marks[end]);
                found += u32::from(Windows::default().counts(to.2 - from.2, to.1 - from.1, 0.5));
                end = start;
            }
            prop_assert_eq!(tripped, found >= hits);
        }
    }

    #[test]
    fn hanging_calls_are_never_more_than_there_are(
        reports in prop::collection::vec((50..400_u64, 0..20_u64, 0..20_u64), 1..100),
    ) {
        // Calls end in the order in which they came, or in the opposite one: both are possible.
        for in_order in [true, false] {
            let (mut rule, mut process) = (rule(0.05, seconds(10), 1, 1, true), Process::watched());
            let mut out = VecDeque::new();
            for (millis, come, go) in &reports {
                process.0.at_nanos += millis * 1_000_000;
                let now = process.0.at_nanos;
                for _ in 0..(*go).min(out.len() as u64) {
                    let since: u64 = if in_order { out.pop_front() } else { out.pop_back() }.expect("there are as many");
                    process.0.completed += 1;
                    process.0.slow[0].calls += u64::from(now - since > nanos(SLOW));
                }
                out.extend((0..*come).map(|_| now));
                process.0.admitted += come;
                rule.judge(&Arc::new(process.0.clone()));
                let hang = out.iter().filter(|since| now - *since >= nanos(SLOW)).count() as u64;
                prop_assert!(rule.now.hanging <= hang, "{} of {hang}", rule.now.hanging);
            }
        }
    }
}
