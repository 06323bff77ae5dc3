//! How long each rule of a breaker takes to trip, against its definition, computed anew from the single calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use setpoint_policies::controllers::breaker::{Acts, BreakerSpec, Length, Rate, Set, Trip, Windows};
use setpoint_policies::engine::Engine;
use setpoint_policies::knob::{Kind, Knob, KnobName};
use setpoint_policies::snapshot::{Instance, InstanceId, Received, Snapshot};
use setpoint_policies::spec::{Controller, PolicySet, PolicySpec};
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::{SlowCalls, Totals};
use setpoint_policies::value::{Breaker, Value};

/// Milliseconds. The fault begins between two reports.
const FAULT: u64 = 40_050;
const END: u64 = 110_000;
const REPORT: u64 = 100;

#[derive(Debug, Clone, Copy)]
struct Call {
    at: u64,
    /// `None`: it hangs.
    end: Option<u64>,
    failed: bool,
}

/// A hundred calls a second of 50 to 110 ms, until the fault changes them.
fn calls(fault: impl Fn(u64, Call) -> Option<Call>) -> Vec<Call> {
    let calls = (0..END / 10)
        .map(|n| (n, Call { at: 10 * n + 5, end: Some(10 * n + 55 + n % 7 * 10), failed: false }));
    calls.filter_map(|(n, call)| if call.at < FAULT { Some(call) } else { fault(n, call) }).collect()
}

/// The counters at each report, as an SDK would have them that counts calls slower than 800 ms.
fn reports(calls: &[Call]) -> Vec<Totals> {
    let after = Duration::from_millis(800);
    let none = Totals { slow: vec![SlowCalls { after, calls: 0 }], ..Totals::default() };
    let mut news = vec![none.clone(); (END / REPORT) as usize];
    let mut ended: Vec<_> = calls.iter().filter_map(|call| Some((call.end?, call.at, call.failed))).collect();
    ended.sort_unstable();
    let mut of = |at: u64, count: &mut dyn FnMut(&mut Totals)| {
        if let Some(totals) = news.get_mut(at.div_ceil(REPORT) as usize) {
            count(totals);
        }
    };
    calls.iter().for_each(|call| of(call.at, &mut |totals| totals.admitted += 1));
    let mut in_a_row = 0;
    for (end, at, failed) in ended {
        in_a_row = if failed { in_a_row + 1 } else { 0 };
        of(end, &mut |totals| {
            *(if failed { &mut totals.failed } else { &mut totals.completed }) += 1;
            totals.slow[0].calls += u64::from(Duration::from_millis(end - at) > after);
            totals.consecutive_failures = in_a_row;
        });
    }
    let mut sum = none;
    for (report, news) in (0..).zip(&mut news) {
        sum.at_nanos = report * REPORT * 1_000_000;
        sum.admitted += news.admitted;
        sum.failed += news.failed;
        sum.completed += news.completed;
        sum.slow[0].calls += news.slow[0].calls;
        let quiet = news.failed + news.completed == 0;
        sum.consecutive_failures = if quiet { sum.consecutive_failures } else { news.consecutive_failures };
        news.clone_from(&sum);
    }
    news
}

fn name(name: &str) -> KnobName {
    KnobName::try_new(name).expect("valid")
}

fn policy(knob: &str, trip: Trip, set: Option<Set>) -> PolicySpec {
    let spec = BreakerSpec::try_new(name(knob), Acts::Enforce, trip).expect("sound").with_set(set);
    PolicySpec { name: knob.into(), controller: Controller::Breaker(Box::new(spec)) }
}

/// One step of an engine over one process with these breakers, each with its counters. What they are to be.
fn step(
    engine: &mut Engine,
    now: u64,
    breakers: &[(&str, Totals, Breaker)],
) -> (Vec<Breaker>, Vec<Duration>) {
    let at = Timestamp::from_millis(now);
    let mut instance = Instance {
        id: InstanceId("demo/1".into()),
        service: "demo".into(),
        incarnation: 7,
        labels: Default::default(),
        knobs: Vec::new(),
        in_force: BTreeMap::new(),
        totals: BTreeMap::new(),
        signals: Default::default(),
    };
    for (resource, totals, in_force) in breakers {
        let knob = name(&format!("breaker.{resource}"));
        instance.in_force.insert(knob.clone(), Value::Breaker(*in_force));
        instance.knobs.push(Arc::new(Knob::try_new(knob, Kind::Breaker, 0.0, 7.0, 0.0).expect("valid")));
        let received = Received { at, totals: Arc::new(totals.clone()) };
        instance.totals.insert(name(&format!("limit.{resource}")), received);
    }
    let step = engine.step(&Snapshot { at, instances: vec![instance], ..Snapshot::default() });
    let breaker =
        |value| if let Value::Breaker(breaker) = value { breaker } else { panic!("of another kind") };
    (
        step.decisions.iter().map(|decision| breaker(decision.to)).collect(),
        step.watched.iter().map(|it| it.1.after).collect(),
    )
}

fn engine(policies: Vec<PolicySpec>) -> Engine {
    let set = PolicySet { policies, ..PolicySet::observe_only() };
    Engine::learning_for(Duration::ZERO, Arc::new(set), Timestamp::ZERO)
}

/// When the engine opens the breaker, in milliseconds.
fn trips_at(trip: Trip, reports: &[Totals]) -> Option<u64> {
    let mut engine = engine(vec![policy("breaker.db", trip, None)]);
    (1..END / REPORT).map(|report| report * REPORT).find(|now| {
        let totals = reports[(now / REPORT) as usize].clone();
        let (decided, watched) = step(&mut engine, *now, &[("db", totals, Breaker::Local)]);
        assert_eq!(watched.len(), usize::from(trip.slow_call_rate.is_some()), "and no more is to be counted");
        matches!(decided[0], Breaker::Open { .. })
    })
}

/// A rate rule as its page defines it.
#[derive(Debug, Clone, Copy)]
struct Definition {
    above: f64,
    window: u64,
    hits: u32,
    of: u32,
    slower_than: Option<u64>,
}

impl Definition {
    fn trip(self) -> Trip {
        let length = Length::Time(Duration::from_millis(self.window));
        // The confidence bound has tests of its own.
        let windows = Windows::try_new(length, self.hits, self.of)
            .and_then(|it| it.with_certainty(20, 0.0))
            .expect("sound");
        match self.slower_than {
            None => Trip {
                failure_rate: Some(Rate::failures(self.above, windows).expect("sound")),
                ..Trip::default()
            },
            Some(after) => {
                let rate = Rate::slow_calls(self.above, Duration::from_millis(after), windows);
                Trip { slow_call_rate: Some(rate.expect("sound")), ..Trip::default() }
            }
        }
    }

    /// Whether the window that ends at `end` is above, call by call.
    fn is_above(self, calls: &[Call], end: u64) -> bool {
        if end < REPORT + self.window {
            return false; // Nobody was there to count all of it.
        }
        let in_window = |call: &&Call| call.end.is_some_and(|it| end - self.window < it && it <= end);
        let is_bad = |call: &&Call| match self.slower_than {
            None => call.failed,
            Some(after) => call.end.is_some_and(|end| end - call.at > after),
        };
        let hangs = |call: &&Call| {
            self.slower_than.is_some_and(|after| call.at + after <= end && call.end.is_none_or(|it| it > end))
        };
        let count = calls.iter().filter(in_window).count();
        let bad = calls.iter().filter(in_window).filter(is_bad).count();
        let hanging = calls.iter().filter(hangs).count();
        count + hanging >= 20 && (bad + hanging) as f64 / (count + hanging) as f64 > self.above
    }

    /// The first look, ten of them per window, at which enough of the newest windows are above.
    fn trips_at(self, calls: &[Call]) -> Option<u64> {
        let looks = (0..).map(|n| REPORT + n * self.window / 10).take_while(|look| *look < END);
        looks.filter(|look| *look > FAULT).find(|look| {
            let ends = (0..u64::from(self.of)).map(|back| look - back * self.window);
            ends.filter(|end| self.is_above(calls, *end)).count() >= self.hits as usize
        })
    }
}

#[test]
fn every_rate_trips_at_the_evaluation_that_its_definition_names() {
    let half_fail = calls(|n, call| Some(Call { failed: n % 2 == 0, ..call }));
    let slow_tail =
        calls(|n, call| Some(if n % 10 == 0 { Call { end: Some(call.at + 900), ..call } } else { call }));
    // 64 are taken and none is answered; then the limiter is full.
    let hung = calls(|n, call| (n < FAULT / 10 + 64).then_some(Call { end: None, ..call }));
    let failures = |above, window, hits, of| Definition { above, window, hits, of, slower_than: None };
    let slow = |above, window, hits, of| Definition { above, window, hits, of, slower_than: Some(800) };
    for (what, calls, rule) in [
        ("50 % fail", &half_fail, failures(0.4, 10_000, 1, 1)),
        ("50 % fail, in a row", &half_fail, failures(0.4, 10_000, 3, 3)),
        ("50 % fail, 3 of 4", &half_fail, failures(0.4, 5_000, 3, 4)),
        ("50 % fail, long windows", &half_fail, failures(0.25, 30_000, 2, 2)),
        ("50 % fail, threshold above", &half_fail, failures(0.65, 10_000, 1, 1)),
        ("p95 of 900 ms", &slow_tail, slow(0.05, 30_000, 2, 2)),
        ("p95 of 900 ms, short windows", &slow_tail, slow(0.05, 2_000, 1, 1)),
        ("p95 of 900 ms, threshold above", &slow_tail, slow(0.2, 10_000, 1, 1)),
        ("hung", &hung, slow(0.05, 30_000, 2, 2)),
        ("hung, half of all calls", &hung, slow(0.5, 10_000, 1, 1)),
        ("hung, only failures are looked at", &hung, failures(0.05, 10_000, 1, 1)),
    ] {
        let (engine, definition) = (trips_at(rule.trip(), &reports(calls)), rule.trips_at(calls));
        // The sums know of calls in flight only how many hang at the least, so a tail of slow calls may need another look.
        let late = engine.zip(definition).map(|(engine, definition)| engine.checked_sub(definition));
        let looks = if rule.slower_than.is_some() { rule.window / 10 } else { 0 };
        match late {
            Some(late) => {
                assert!(late.is_some_and(|late| late <= looks), "{what}: {engine:?}, not {definition:?}");
            }
            None => assert_eq!(engine, definition, "{what}"),
        }
    }
}

#[test]
fn failures_in_a_row_trip_with_the_first_report_that_has_them() {
    let all_fail = calls(|_, call| Some(Call { failed: true, ..call }));
    let trip = Trip { consecutive: Some(7), ..Trip::default() };
    // The first to fail comes at 40,055 and ends 50 to 110 ms later, the others 10 ms after each other, more or less.
    let reports = reports(&all_fail);
    let seventh =
        reports.iter().find(|totals| totals.consecutive_failures >= 7).map(|it| it.at_nanos / 1_000_000);
    assert_eq!(trips_at(trip, &reports), seventh);
    assert!(seventh.is_some_and(|at| at <= FAULT + 300), "{seventh:?}");
}

#[test]
fn at_most_the_share_of_a_set_is_open_and_the_least_bad_stay_closed() {
    let names: Vec<String> = (0..10).map(|n| format!("pay-{n}")).collect();
    let windows = Windows::try_new(Length::Time(Duration::from_secs(1)), 1, 1).expect("sound");
    let trip = Trip { failure_rate: Some(Rate::failures(0.2, windows).expect("sound")), ..Trip::default() };
    let set = || Some(Set::try_new("pay", 0.3).expect("sound"));
    let mut engine = engine(names.iter().map(|it| policy(&format!("breaker.{it}"), trip, set())).collect());
    let mut state = vec![Breaker::Local; 10];
    let mut counted = vec![Totals::default(); 10];
    for report in 1..=30_u64 {
        for (n, totals) in counted.iter_mut().enumerate() {
            // All of them are bad; the higher the number the worse. Who is open has no calls.
            let calls = if state[n] == Breaker::Local { 100 } else { 0 };
            let failed = calls * (30 + 5 * n as u64) / 100;
            totals.at_nanos = report * REPORT * 1_000_000;
            totals.admitted += calls;
            totals.failed += failed;
            totals.completed += calls - failed;
        }
        let breakers: Vec<_> = (0..10).map(|n| (names[n].as_str(), counted[n].clone(), state[n])).collect();
        state = step(&mut engine, report * REPORT, &breakers).0;
        let open: Vec<_> = (0..10).filter(|n| state[*n] != Breaker::Local).collect();
        assert!(open.len() <= 3, "{open:?}");
        if report == 15 {
            assert_eq!(open, [7, 8, 9], "the worst, a step after their rule");
        }
    }
}
