//! Whatever calls do, and in whatever order: the counters are those of a naive observer who writes each call down.

use proptest::prelude::*;

use super::*;

/// What a naive observer would write down.
#[derive(Debug, Clone)]
struct Seen {
    admitted_at: u64,
    ended: Option<(u64, Outcome)>,
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask(Priority),
    /// Ends one of the calls in flight; `None` drops the permit.
    End(prop::sample::Index, Option<Outcome>),
    Report,
}

fn step() -> impl Strategy<Value = Step> {
    use Priority::{Background, Critical, High, Low, Normal};
    let outcome =
        prop::sample::select(vec![Outcome::Success, Outcome::Ignore, Outcome::Dropped, Outcome::Failure]);
    prop_oneof![
        3 => (0_u64..200_000_000).prop_map(Step::Wait),
        4 => prop::sample::select(vec![Critical, High, Normal, Low, Background]).prop_map(Step::Ask),
        3 => (any::<prop::sample::Index>(), prop::option::of(outcome)).prop_map(|(i, o)| Step::End(i, o)),
        1 => Just(Step::Report),
    ]
}

/// The integral of the calls in flight between two reports, as the sidecar works it out.
fn integral(from: &Totals, to: &Totals) -> u64 {
    let (t1, t2) = (from.at_nanos, to.at_nanos);
    let since = |f: fn(&Totals) -> u64| f(to).wrapping_sub(f(from));
    let entered = t2.wrapping_mul(since(|t| t.admitted)).wrapping_sub(since(|t| t.admit_time_sum));
    let left = t2.wrapping_mul(since(Totals::released)).wrapping_sub(since(|t| t.release_time_sum));
    from.in_flight().wrapping_mul(t2 - t1).wrapping_add(entered).wrapping_sub(left)
}

/// The same, by looking at each call.
fn integral_by_hand(calls: &[Seen], t1: u64, t2: u64) -> u64 {
    let overlap = |call: &Seen| {
        let end = call.ended.map_or(t2, |(at, _)| at).clamp(t1, t2);
        end - call.admitted_at.clamp(t1, end)
    };
    calls.iter().map(overlap).sum()
}

fn check(seen: &Totals, before: &Totals, calls: &[Seen], now: u64) -> Result<(), TestCaseError> {
    let ended = |outcome| calls.iter().filter(|c| c.ended.is_some_and(|(_, o)| o == outcome)).count() as u64;
    prop_assert_eq!(seen.completed, ended(Outcome::Success));
    prop_assert_eq!(seen.dropped, ended(Outcome::Dropped));
    prop_assert_eq!(seen.failed, ended(Outcome::Failure));
    prop_assert_eq!(seen.cancelled, ended(Outcome::Ignore));
    prop_assert_eq!(seen.admitted, calls.len() as u64);
    prop_assert_eq!(seen.arrived, seen.admitted + seen.rejected.iter().sum::<u64>());
    let latencies = |calls: &mut dyn Iterator<Item = &Seen>| -> Vec<u64> {
        calls.filter_map(|c| Some(c.ended?.0 - c.admitted_at)).collect()
    };
    let all = latencies(&mut calls.iter());
    let successes = latencies(&mut calls.iter().filter(|c| matches!(c.ended, Some((_, Outcome::Success)))));
    prop_assert_eq!(seen.latency_sum, all.iter().sum::<u64>());
    prop_assert_eq!(seen.success_latency_sum, successes.iter().sum::<u64>());
    let squares: u64 = successes.iter().map(|l| (l / 1000).pow(2)).sum();
    let squares = squares as f64 / 64.0_f64.powi(2);
    prop_assert!((seen.success_latency_sq_sum as f64 - squares).abs() <= most_shards() + 1.0, "carried");
    let open = calls.iter().filter(|c| c.ended.is_none());
    prop_assert_eq!(seen.in_flight(), open.clone().count() as u64);
    let age: u64 = open.map(|c| now - c.admitted_at).sum();
    prop_assert_eq!(seen.in_flight_age_sum(), Duration::from_nanos(age));
    prop_assert_eq!(integral(before, seen), integral_by_hand(calls, before.at_nanos, now), "exact");
    Ok(())
}

fn most_shards() -> f64 {
    available_parallelism().map_or(4.0, |cores| cores.get().max(4).next_power_of_two() as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn c1_the_counters_agree_with_a_naive_observer(
        steps in prop::collection::vec(step(), 1..120),
        start in prop::sample::select(vec![0, 1_000_000_000, u64::MAX / 5]),
        limit in 1_u32..20,
    ) {
        let hand = Hand::default();
        hand.set(start);
        let limiter = limiter(&hand, 1, limit);
        let (mut calls, mut held, mut rejected) = (Vec::<Seen>::new(), Vec::<(usize, Permit)>::new(), 0);
        let mut before = totals(limiter, start);
        let mut now = start;
        for step in steps.into_iter().chain([Step::Report]) {
            match step {
                Step::Wait(nanos) => {
                    hand.advance(Duration::from_nanos(nanos));
                    now += nanos;
                }
                Step::Ask(priority) => {
                    let cap = f64::from(limit) * Priority::DEFAULT_SHARES[priority.class().unwrap()];
                    match limiter.try_acquire(priority) {
                        Ok(permit) => {
                            held.push((calls.len(), permit));
                            calls.push(Seen { admitted_at: now, ended: None });
                            prop_assert!(held.len() as f64 <= cap.max(1.0));
                        }
                        Err(_) => {
                            rejected += 1;
                            prop_assert!(held.len() as f64 + 1.0 > cap);
                        }
                    }
                }
                Step::End(which, outcome) if !held.is_empty() => {
                    let (call, permit) = held.swap_remove(which.index(held.len()));
                    calls[call].ended = Some((now, outcome.unwrap_or(Outcome::Ignore)));
                    match outcome {
                        Some(outcome) => permit.finish(outcome),
                        None => drop(permit),
                    }
                }
                Step::End(..) => {}
                Step::Report => {
                    let seen = totals(limiter, now);
                    prop_assert_eq!(seen.rejected.iter().sum::<u64>(), rejected);
                    prop_assert_eq!(limiter.in_flight(), held.len() as u64);
                    check(&seen, &before, &calls, now)?;
                    before = seen;
                }
            }
        }
    }
}
