//! The scoreboard's ground: its scenarios are sound, its oracle is current, and our law does not fall below what it had.
//!
//! The whole board takes minutes (`make scoreboard`); here is one run each of a few scenarios, with bands wide enough for one seed.

use std::path::PathBuf;

use clap::Parser;
use setpoint_integration::scoreboard::laws::{self, OURS};
use setpoint_integration::scoreboard::oracles::Known;
use setpoint_integration::scoreboard::set::{self, Case};
use setpoint_integration::scoreboard::{Args, work};
use setpoint_policies::sim::score::measure::Score;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies/scenarios")
}

fn cases(arguments: &[&str]) -> Vec<Case> {
    let arguments = ["scoreboard"].iter().chain(arguments);
    set::load(&folder(), &Args::parse_from(arguments)).expect("the scenarios are sound")
}

#[test]
fn the_scenarios_are_those_of_the_board_and_the_oracle_knows_them() {
    let cases = cases(&[]);
    let named: Vec<&str> =
        cases.iter().filter(|case| case.named).map(|case| case.scenario.name.as_str()).collect();
    let letters = (b'A'..=b'K').map(|letter| char::from(letter).to_string());
    let expected = letters.chain((1..=19).map(|number| format!("T{number:02}")));
    assert_eq!(named[..30], expected.collect::<Vec<_>>());
    assert_eq!(named.iter().filter(|name| name.starts_with("vector-")).count(), 12);
    for name in ["low-traffic", "priority-mix", "retry-storm", "shared-bottleneck", "diurnal"] {
        assert!(named.contains(&name), "{name}");
    }
    assert_eq!((named.len(), cases.len()), (47, 247));
    let known = Known::read(&folder().join("oracle.json")).unwrap();
    let stale: Vec<&str> = cases
        .iter()
        .map(|case| &case.scenario)
        .filter(|s| known.find(s).is_none())
        .map(|s| s.name.as_str())
        .collect();
    assert!(stale.is_empty(), "run `make scoreboard ARGS=--search`: the scenario has changed for {stale:?}");
}

#[test]
fn our_law_stays_within_its_bands() {
    let roster = laws::all();
    let ours = roster.iter().find(|entry| entry.name == OURS).unwrap();
    let known = Known::read(&folder().join("oracle.json")).unwrap();
    for case in cases(&["--only", "A,B,T01,T12"]) {
        let oracle = known.find(&case.scenario).unwrap();
        let outcome = work::judge(&case, &oracle, &[ours], 1);
        let score: &Score =
            outcome.scores.iter().find_map(|(law, score)| (law == OURS).then_some(score)).unwrap();
        let name = &case.scenario.name;
        assert!(score.goodput_ratio >= 0.93, "{name}: goodput {:.3} of the oracle's", score.goodput_ratio);
        assert!(
            score.false_reject_ratio <= 0.02,
            "{name}: {:.4} rejected under normal load",
            score.false_reject_ratio
        );
        assert!(score.convergence.is_some_and(|seconds| seconds <= 3.0), "{name}: {:?}", score.convergence);
    }
}
