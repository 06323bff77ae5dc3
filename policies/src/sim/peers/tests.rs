use super::*;
use crate::sim::distribution::Distribution;
use crate::sim::plant::run;
use crate::sim::run::Run;
use crate::sim::scenario::{Class, Scenario, Steps};

/// 16 workers, 20 ms each, first come first served: 800 calls a second. Deadline 500 ms.
fn scenario(rate: &[(f64, f64)], delay: &[(f64, f64)]) -> Scenario {
    let mut scenario = Scenario::plain(16, Distribution::Exponential(0.02), rate.to_vec());
    scenario.server.delay =
        Steps(delay.iter().map(|(at, mean)| (*at, Distribution::Exponential(*mean))).collect());
    scenario
}

/// Runs each peer and compares a figure with the band of its name; every peer has one.
fn compare(scenario: &Scenario, figure: impl Fn(&Run) -> f64, bands: &[(&[&str], f64, f64)]) {
    for peer in all() {
        let figure = figure(&run(scenario, 1, vec![(peer.new)(scenario)]));
        let band = bands.iter().find(|(names, ..)| names.contains(&peer.name));
        let (_, low, high) = band.unwrap_or_else(|| panic!("no band for {}", peer.name));
        assert!((*low..=*high).contains(&figure), "{}: {figure}", peer.name);
    }
}

#[test]
fn names_are_unique_and_in_kebab_case() {
    let mut names: Vec<&str> = all().iter().map(|peer| peer.name).collect();
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(names.iter().all(|name| name.chars().all(kebab)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().len());
}

/// From half to twice the capacity at 8 s. Laws that look at latency hold the capacity; those that look at a smoothed CPU or
/// at two minutes come too late; brpc grows slowly from the few calls of the calm phase; raw Vegas shrinks to a few calls; AIMD lets the queue stand at the deadline.
#[test]
fn twice_the_capacity() {
    compare(
        &scenario(&[(0.0, 400.0), (8.0, 1600.0)], &[(0.0, 0.0)]),
        |run| run.goodput(12.0, 24.0) / 800.0,
        &[
            (
                &[
                    "gradient2",
                    "gradient2-raw",
                    "vegas-1s",
                    "envoy-gradient",
                    "failsafe-go",
                    "vector-arc",
                    "cinnamon",
                ],
                0.85,
                1.05,
            ),
            (&["brpc"], 0.75, 1.05),
            (&["vegas"], 0.2, 0.5),
            (&["aimd"], 0.3, 0.8),
            (&["none", "aegis-bbr", "go-zero", "sre-throttle"], 0.0, 0.25),
        ],
    );
}

/// A dependency becomes ten times slower at 8 s while the service itself has time: nothing should be rejected. Laws that look
/// at latency reject most calls; those that look at the CPU or at time-outs reject few.
#[test]
fn a_slow_dependency() {
    compare(
        &Scenario {
            classes: vec![Class { deadline: 2.0, ..scenario(&[], &[]).classes.remove(0) }],
            ..scenario(&[(0.0, 400.0)], &[(0.0, 0.04), (8.0, 0.4)])
        },
        |run| run.goodput(12.0, 24.0) / 400.0,
        &[
            (
                &[
                    "gradient2",
                    "gradient2-raw",
                    "vegas",
                    "vegas-1s",
                    "envoy-gradient",
                    "failsafe-go",
                    "brpc",
                    "vector-arc",
                    "cinnamon",
                ],
                0.0,
                0.5,
            ),
            (&["aimd", "none", "aegis-bbr", "go-zero", "sre-throttle"], 0.95, 1.05),
        ],
    );
}
