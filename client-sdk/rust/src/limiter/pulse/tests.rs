use std::collections::BinaryHeap;

use setpoint_policies::totals::Totals;
use setpoint_policies::window::Window;

use super::series::LONGEST_STEP;
use super::*;
use crate::actuator::{Actuator, Inner};
use crate::clock::Hand;
use crate::limiter::shard::Shard;
use crate::limiter::thresholds::Thresholds;
use crate::limiter::{Limiter, LimiterBuilder};
use crate::outcome::Outcome;
use crate::permit::Permit;
use crate::priority::Priority;
use crate::sync::jitter;

const EVERY: u64 = 8;
const SLICE: u64 = 50_000_000;

/// An admission on that shard, and whether it read the clock.
fn admit(shard: &Shard, slice: u64, now: u64) -> (u64, bool) {
    let claim = shard.begin();
    let sampling = Sampling { slice: AtomicU64::new(slice), every: EVERY, thresholds: Thresholds::new(None) };
    match claim.untimed_admission(&sampling) {
        Some(at) => (at, false),
        None => (claim.timed_admission(&sampling, || now), true),
    }
}

/// So many admissions in each of 20 slices, evenly spread; the share of them that read the clock in the last 18.
fn share_read(in_a_slice: u64) -> f64 {
    let shard = Shard::new();
    let (mut read, mut all) = (0, 0);
    for slice in 1..=20 {
        for n in 0..in_a_slice {
            let now = slice * SLICE + n * (SLICE / in_a_slice);
            let (at, timed) = admit(&shard, slice, now);
            assert!(at.abs_diff(now) <= 15 * LONGEST_STEP / 2, "{at} {now}");
            if slice > 2 {
                read += u32::from(timed);
                all += 1;
            }
        }
    }
    f64::from(read) / f64::from(all)
}

#[test]
fn one_call_in_so_many_reads_the_clock_where_there_are_many() {
    for (in_a_slice, lowest, highest) in
        [(1, 1.0, 1.0), (BUSY - 1, 1.0, 1.0), (BUSY + 1, 0.12, 0.16), (5000, 0.12, 0.13)]
    {
        let share = share_read(in_a_slice);
        assert!((lowest..=highest).contains(&share), "{in_a_slice}: {share}");
    }
}

#[test]
fn a_thread_that_comes_back_after_a_rest_reads_the_clock() {
    let shard = Shard::new();
    for slice in [1, 2, 3, 4] {
        (0..1000).for_each(|n| _ = admit(&shard, slice, slice * SLICE + n * 50_000));
    }
    let back = 4 * SLICE + 600 * 1_000_000_000;
    for slice in [1000, 1002] {
        let times: Vec<_> = (0..20).map(|n| admit(&shard, slice, back + n)).collect();
        assert!(times.iter().enumerate().all(|(n, (at, timed))| *timed && *at == back + n as u64));
    }
}

/// A call in flight: ends at, admitted at. In order of its end.
type InFlight = (std::cmp::Reverse<u64>, u64);

/// A service under a steady load in virtual time, with what it would report and what was true.
struct Plant {
    hand: Hand,
    limiter: Limiter,
    permits: std::collections::HashMap<u64, Permit>,
    in_flight: BinaryHeap<InFlight>,
    lots: u64,
    next_arrival: u64,
    per_second: f64,
    mean_nanos: f64,
    /// Of all calls in flight, call-nanoseconds; and where it was last brought up to date.
    integral: u128,
    now: u64,
    latencies: Vec<f64>,
}

impl Plant {
    fn new(every: u32, per_second: f64, mean_nanos: f64, seed: u64) -> Self {
        let hand = Hand::default();
        // Old enough for a slip of one call's time to stand out from everything else.
        let now = 3_600_000_000_000;
        hand.set(now);
        let inner = Inner::new("test".into(), hand.clock(), 7);
        let builder = LimiterBuilder::new(&inner, "db").bounds(1, 100_000).baseline(100_000);
        Self {
            limiter: builder.sample_clocks(every).register(),
            hand,
            permits: std::collections::HashMap::new(),
            in_flight: BinaryHeap::new(),
            lots: seed << 32,
            next_arrival: now,
            per_second,
            mean_nanos,
            integral: 0,
            now,
            latencies: Vec::new(),
        }
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        self.lots += 1;
        (-(1.0 - jitter(self.lots)).ln() * mean) as u64
    }

    fn move_on(&mut self, to: u64) {
        self.integral += u128::from(to - self.now) * self.in_flight.len() as u128;
        self.now = to;
        self.hand.set(to);
    }

    /// Up to the end of the slice, and what would be reported then.
    fn slice(&mut self) -> Totals {
        let end = self.now - self.now % SLICE + SLICE;
        loop {
            let ends = self.in_flight.peek().map_or(u64::MAX, |(ends, _)| ends.0);
            let next = ends.min(self.next_arrival);
            if next >= end {
                break;
            }
            self.move_on(next);
            if next == ends {
                let (_, admitted_at) = self.in_flight.pop().expect("looked at above");
                self.permits.remove(&admitted_at).expect("still in flight").finish(Outcome::Success);
                self.latencies.push((next - admitted_at) as f64 / 1e9);
            } else {
                let latency = self.exponential(self.mean_nanos);
                self.permits
                    .insert(next, self.limiter.try_acquire(Priority::Normal).expect("no limit in reach"));
                self.in_flight.push((std::cmp::Reverse(next + latency), next));
                self.next_arrival = next + 1 + self.exponential(1e9 / self.per_second);
            }
        }
        self.move_on(end);
        self.limiter.close_slice(end);
        self.limiter.totals(end, 0).expect("a limiter counts")
    }
}

fn relative(is: f64, should: f64) -> f64 {
    (is / should - 1.0).abs()
}

/// What the sidecar makes of the reports, against what was true: windows of 100 ms and all of it.
#[test]
fn the_sidecar_learns_the_truth_from_sampled_clocks() {
    let loads = [
        (20_000.0, 2e6, 1),
        (20_000.0, 20e6, 2),
        (100_000.0, 50e3, 3),
        (4_000.0, 100e6, 4),
        (300.0, 30e6, 5),
    ];
    for (every, (per_second, mean_nanos, seed)) in
        [8, 16].into_iter().flat_map(|n| loads.map(|load| (n, load)))
    {
        let mut plant = Plant::new(every, per_second, mean_nanos, seed);
        (0..20).for_each(|_| _ = plant.slice());
        let first = plant.slice();
        plant.latencies.clear();
        let (integral, mut before) = (plant.integral, (first.clone(), plant.integral));
        let (mut windows, mut worst) = (Vec::new(), 0.0_f64);
        for n in 1..=400 {
            let seen = plant.slice();
            assert_eq!(seen.in_flight(), plant.in_flight.len() as u64, "counts are exact");
            let age: u64 = plant.in_flight.iter().map(|(_, admitted_at)| plant.now - admitted_at).sum();
            let off = (seen.in_flight_age_sum().as_secs_f64() * 1e9 - age as f64).abs();
            // Each of them by the steps between two readings at most, and not more after twenty seconds than after one.
            assert!(
                off <= 2.0 * f64::from(every) * (1.0 + plant.in_flight.len() as f64) * 1e9 / per_second,
                "{n}: {off} of {age}"
            );
            if n % 2 == 0 {
                let window = Window::between(&before.0, &seen).unwrap();
                let truth = (plant.integral - before.1) as f64 / 1e8;
                windows.push(relative(window.mean_in_flight, truth));
                worst = worst.max(relative(window.mean_in_flight, truth));
                before = (seen, plant.integral);
            }
        }
        let all = Window::between(&first, &before.0).unwrap();
        let truth = (plant.integral - integral) as f64 / 20e9;
        let latency = plant.latencies.iter().sum::<f64>() / plant.latencies.len() as f64;
        let square = plant.latencies.iter().map(|l| l * l).sum::<f64>() / plant.latencies.len() as f64;
        let cv2 = square / (latency * latency) - 1.0;
        assert_eq!(all.completed, plant.latencies.len() as u64);
        // A mean of n/every exponential latencies has an error of 1/sqrt(n/every).
        let certain = 4.0 / (all.completed as f64 / f64::from(every)).sqrt();
        let told = all.mean_latency.unwrap();
        assert!(relative(told, latency) < certain, "{per_second}/s: {told} for {latency}");
        assert!((all.cv2 - cv2).abs() < 8.0 * certain, "{per_second}/s: {} for {cv2}", all.cv2);
        // The estimates of one thread may be off by a fraction of what passes from event to event.
        let off = (all.mean_in_flight - truth).abs();
        assert!(off < 0.005 * truth + 0.2, "{per_second}/s: {} for {truth}", all.mean_in_flight);
        let mean_off = windows.iter().sum::<f64>() / windows.len() as f64;
        assert!(mean_off < 0.05 && worst < 0.25, "{per_second}/s in a window: {mean_off}, at worst {worst}");
    }
}
