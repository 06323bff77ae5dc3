//! The formulas by table, the experiment by hand-computed traces, the meter by made-up reports. How they work together is
//! shown by the scenarios in `tests/concurrency_law.rs`.
use std::sync::Arc;

use super::*;
use crate::knob::KnobName;
use crate::knob::{Kind, Knob};
use crate::signal::Signals;
use crate::snapshot::Received;
use crate::totals::{Slice, Totals};
use crate::window::Window;

/// A stationary, saturated window of one second: 400 calls of 25 ms.
fn sample() -> Sample {
    let window = Window {
        seconds: 1.0,
        completed: 400,
        dropped: 0,
        failed: 0,
        rejected: 100,
        mean_latency: Some(0.025),
        cv2: 0.0,
        throughput: 400.0,
        mean_in_flight: 10.0,
        stalled: false,
    };
    let (latency, error) = (0.025, 0.01);
    let (stationary, saturated) = (true, true);
    Sample { window, latency, error, stationary, saturated, peak: 12, peak_recent: 12, standing: 0.025 }
}

fn at_latency(latency: f64, in_flight: f64) -> Sample {
    let window = Window { mean_in_flight: in_flight, mean_latency: Some(latency), ..sample().window };
    Sample { latency, standing: latency, window, ..sample() }
}

#[test]
fn tolerance_widens_with_uncertainty() {
    for (error, tolerance) in [(0.0, 1.25), (0.05, 1.25), (0.10, 1.30), (0.20, 1.50), (5.0, 2.0)] {
        assert!((law::tolerance(error) - tolerance).abs() < 1e-9, "{error}");
    }
}

#[test]
fn zones_need_latency_a_standing_queue_and_a_limit_in_use() {
    let classify = |sample: &Sample| law::classify(sample, sample.latency / 0.025, Duration::from_millis(0));
    assert_eq!(classify(&sample()), Zone::Room);
    assert_eq!(classify(&at_latency(0.030, 12.0)), Zone::Grey, "q = 1.2 is over 1.15");
    assert_eq!(classify(&at_latency(0.050, 20.0)), Zone::Over);
    let burst = Sample { standing: 0.026, ..at_latency(0.050, 20.0) };
    assert_eq!(classify(&burst), Zone::Grey, "some sub-window had no queue: a burst, not a standing queue");
    let burst = Sample { standing: 0.026, ..at_latency(0.200, 20.0) };
    assert_eq!(classify(&burst), Zone::Over, "six times the baseline is over whatever the sub-windows say");
    assert_eq!(classify(&Sample { saturated: false, ..at_latency(0.050, 20.0) }), Zone::Grey);
    let budget = Duration::from_millis(60);
    assert_eq!(law::classify(&at_latency(0.050, 20.0), 2.0, budget), Zone::Grey, "within the latency budget");
}

#[test]
fn a_cut_goes_to_the_knee_and_not_below_a_quarter() {
    let cut = |latency: f64, in_flight: f64, limit: f64| {
        let sample = Sample { peak: in_flight as u64, ..at_latency(latency, in_flight) };
        law::shrunk(limit, &sample, latency / 0.025)
    };
    let kept: f64 = 20.0 * 1.25 / 1.5;
    assert!(
        (cut(0.0375, 20.0, 20.0) - (kept + 0.25 * kept.sqrt())).abs() < 1e-9,
        "tolerance / gradient of what is busy"
    );
    assert!((cut(0.250, 100.0, 100.0) - (25.0 + 0.25 * 5.0)).abs() < 1e-9, "a quarter at the most");
    assert!((cut(0.032, 20.0, 20.0) - 19.6).abs() < 1e-9, "always two per cent");
    assert!(cut(0.050, 20.0, 1000.0) < 22.0, "from what is busy, not from an unused limit");
}

#[test]
fn drops_cut_to_what_got_through() {
    let window = |completed| Window { completed, ..sample().window };
    let cut = |completed| law::after_drops(40.0, 40, &window(completed), Some(0.025));
    assert!((cut(400) - 15.0).abs() < 1e-9, "1.5 X R0");
    assert!((cut(0) - 10.0).abs() < 1e-9, "nothing got through: a quarter");
    assert!((cut(10_000) - 28.0).abs() < 1e-9, "at least 30 % less");
    assert!((law::after_drops(40.0, 40, &window(400), None) - 28.0).abs() < 1e-9, "no baseline known");
}

#[test]
fn growth_speeds_up_when_nothing_went_wrong_for_long() {
    let grown =
        |limit, zone, streak, quiet: u64| law::growth(limit, zone, streak, Some(Duration::from_secs(quiet)));
    assert!((grown(4.0, Zone::Room, 0, 60) - 1.0).abs() < 1e-9, "at least one call");
    assert!((grown(400.0, Zone::Room, 2, 1) - 20.0).abs() < 1e-9, "at most twice right after a decrease");
    assert!((grown(400.0, Zone::Room, 50, 60) - 60.0).abs() < 1e-9, "at most six times");
    assert!((grown(400.0, Zone::Grey, 50, 60) - 5.0).abs() < 1e-9, "half in the grey zone");
}

#[test]
fn a_window_is_ready_by_evidence() {
    let ready = |seconds, completed, error| {
        law::ready(&Window { seconds, completed, ..sample().window }, 0.020, error)
    };
    assert!(!ready(0.09, 1000, 0.01), "never under 100 ms");
    assert!(ready(0.1, 1000, 0.08));
    assert!(!ready(0.5, 1000, 0.09));
    assert!(ready(1.0, 24, 0.20));
    assert!(!ready(2.9, 23, 0.20));
    assert!(ready(3.0, 24, 0.50));
}

#[test]
fn the_baseline_falls_fast_and_rises_only_without_more_calls() {
    let known = Baseline { latency: 0.020, in_flight: 10.0 };
    assert!((known.learn(&at_latency(0.010, 10.0)).latency - 0.0185).abs() < 1e-9);
    let calm = |in_flight| {
        let mut sample = at_latency(0.030, in_flight);
        sample.window.rejected = 0;
        sample
    };
    assert!((known.learn(&calm(8.0)).latency - 0.0205).abs() < 1e-9);
    assert!((known.learn(&calm(8.0)).in_flight - 8.0).abs() < 1e-9);
    assert_eq!(known.learn(&calm(11.0)), known, "more calls in flight: the queue may be our own");
    assert_eq!(known.learn(&at_latency(0.030, 8.0)), known, "rejections: the queue may be our own");
    assert_eq!(known.audited(&at_latency(0.0199, 5.0)), known, "not clearly lower");
    assert!((known.audited(&at_latency(0.015, 5.0)).latency - 0.015).abs() < 1e-9);
    assert_eq!(Baseline::first(&Sample { stationary: false, ..sample() }), None);
}

#[test]
fn an_experiment_tells_a_queue_from_a_moved_floor() {
    let now = |millis| Timestamp::from_millis(millis);
    let begin = || Experiment::begin(now(0), 20.0, &at_latency(0.050, 20.0));
    assert_eq!(begin().observe(now(500), &at_latency(0.049, 17.0), 0.025), Finding::TooEarly);
    assert_eq!(begin().observe(now(500), &at_latency(0.026, 10.0), 0.025), Finding::Queue);
    let Finding::FloorMoved { latency, in_flight } =
        begin().observe(now(500), &at_latency(0.049, 10.0), 0.025)
    else {
        panic!("latency stayed");
    };
    assert!((latency - 0.049).abs() < 1e-9 && (in_flight - 10.0).abs() < 1e-9);
    let unsure = |latency| Sample { error: 0.3, ..at_latency(latency, 10.0) };
    assert_eq!(begin().observe(now(500), &unsure(0.042), 0.025), Finding::Undecided);
    assert_eq!(
        begin().observe(now(10_500), &unsure(0.046), 0.015),
        Finding::FloorMoved { latency: 0.046, in_flight: 10.0 }
    );
    let shaky = Sample { stationary: false, ..at_latency(0.026, 10.0) };
    assert_eq!(
        begin().observe(now(500), &shaky, 0.025),
        Finding::TooEarly,
        "a window out of balance is no evidence"
    );
}

/// Reports of a steady service, one each 100 ms: `calls` of `latency`, the newest in two slices.
fn reports(calls: u64, latency: f64) -> impl Iterator<Item = Arc<Totals>> {
    let nanos = (latency * 1e9) as u64;
    (1u64..).map(move |tick| {
        let (at_nanos, completed) = (tick * 100_000_000, tick * calls);
        let slice = |end_nanos| Slice { end_nanos, completed: calls as u32 / 2, mean_seconds: latency };
        Arc::new(Totals {
            at_nanos,
            admitted: completed,
            completed,
            admit_time_sum: (1..=tick).map(|t| calls * (t * 100_000_000 - nanos)).sum(),
            release_time_sum: (1..=tick).map(|t| calls * t * 100_000_000).sum(),
            latency_sum: completed * nanos,
            success_latency_sum: completed * nanos,
            in_flight_peak: 5,
            slices: vec![slice(at_nanos - 50_000_000), slice(at_nanos)],
            ..Totals::default()
        })
    })
}

#[test]
fn the_same_report_twice_changes_nothing_and_settling_discards() {
    let mut meter = Meter::default();
    let all: Vec<_> = reports(100, 0.020).take(20).collect();
    for (tick, totals) in all.iter().enumerate() {
        meter.observe(Timestamp::from_millis(100 * tick as u64), totals);
        meter.observe(Timestamp::from_millis(100 * tick as u64 + 50), totals);
    }
    let now = Timestamp::from_millis(2000);
    let sample = meter.sample(now, 10.0, None).expect("2 s of 1000 calls/s");
    assert_eq!(sample.window.completed, 1900, "nothing is counted twice");
    assert!((sample.latency - 0.020).abs() < 1e-9 && (sample.standing - 0.020).abs() < 1e-9);
    assert!(!sample.saturated, "a peak of 5 under a limit of 10");
    meter.settle(Timestamp::from_millis(3000));
    assert_eq!(meter.sample(now, 10.0, None), Err(Reason::Settling));
}

#[test]
fn a_stalled_window_proves_nothing() {
    let mut meter = Meter::default();
    for (tick, totals) in reports(100, 0.020).take(20).enumerate() {
        let stall_nanos = if tick >= 10 { 500_000_000 } else { 0 };
        meter.observe(
            Timestamp::from_millis(100 * tick as u64),
            &Arc::new(Totals { stall_nanos, ..(*totals).clone() }),
        );
    }
    assert_eq!(meter.sample(Timestamp::from_millis(2000), 10.0, None), Err(Reason::Stalled));
}

#[test]
fn a_clock_that_jumps_back_does_not_deafen_the_meter() {
    let mut meter = Meter::default();
    let report = |at_nanos: u64, dropped| Arc::new(Totals { at_nanos, dropped, ..Totals::default() });
    let second = 1_000_000_000;
    meter.observe(Timestamp::from_millis(0), &report(1000 * second, 0));
    for (n, dropped) in [(1, 0), (2, 10)] {
        meter.observe(Timestamp::from_millis(n * 1000), &report(n * second, dropped));
    }
    assert_eq!(meter.drops().map(|(window, _)| window.dropped), Some(10));
}

#[test]
fn nothing_above_max_is_ever_wanted_whatever_is_in_force() {
    let name = KnobName::try_new("limit.x").expect("valid");
    let knob = Knob::try_new(name.clone(), Kind::ConcurrencyLimit, 4.0, 2000.0, 50.0).expect("valid");
    let spec = AdaptiveConcurrency::try_new(name, 4.0, 20.0, None, Duration::ZERO).expect("valid");
    let mut policy = AdaptiveConcurrencyPolicy::new(spec);
    for (tick, totals) in reports(100, 0.020).take(50).enumerate() {
        let received = Received { at: Timestamp::from_millis(100 * tick as u64), totals };
        // As after the ten seconds of learning: the baseline is in force, and hardly used.
        let proposal = policy.step(&Seen {
            now: received.at,
            since: Timestamp::ZERO,
            knob: &knob,
            in_force: Value::Concurrency(50.0),
            held_up: false,
            capped: false,
            totals: Some(&received),
            incarnation: 1,
            signals: &Signals::default(),
            node: &Signals::default(),
        });
        assert_eq!(proposal.want, Want::Set(Value::Concurrency(20.0)), "{:?}", proposal.reason);
    }
}
