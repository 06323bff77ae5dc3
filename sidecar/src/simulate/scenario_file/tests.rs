use setpoint_policies::sim::distribution::Distribution;
use setpoint_policies::sim::scenario::{
    Accepts, Bounds, Bursts, Class, Clients, Contention, Discipline, Link, Modulation, Pauses, Phase, Rate,
    Retries, Server, Station, Steps,
};

use super::*;
use crate::yaml::lines;

mod mistakes;
mod mutation;

const FULL: &str = include_str!("tests/full.yaml");

/// As short as a scenario can be; `duration` is on line 4, `server` on line 7.
const SHORT: &str = "\
version: setpoint/v1
kind: Scenario
name: a
duration: 40s
clients: {rate: 100}
deadline: 100ms
server: {workers: 4, work: {exponential: 10ms}}
";

fn refusal(file: &str) -> String {
    match parse("a.yaml", file.as_bytes()) {
        Ok(scenario) => format!("accepted: {scenario:?}"),
        Err(problems) => problems.to_string().replace("a.yaml:", ""),
    }
}

fn class(name: &str, share: f64, priority: u8, deadline: f64, work: f64) -> Class {
    Class { name: name.to_owned(), share, priority, deadline, work }
}

fn phase(at: f64, overload: bool, kind: Option<u8>) -> Phase {
    Phase { at, overload, kind }
}

#[test]
fn every_field_is_read() {
    let mixture =
        Distribution::Mixture(vec![(0.9, Distribution::Fixed(0.001)), (0.1, Distribution::Exponential(0.1))]);
    let expected = Scenario {
        name: "T01".to_owned(),
        about: "every field once".to_owned(),
        seconds: 40.0,
        warm_up: 8.0,
        phases: vec![phase(0.0, false, None), phase(10.0, true, Some(3)), phase(30.0, false, None)],
        clients: Clients {
            rate: Rate {
                points: vec![(0.0, 960.0), (10.0, 2400.0), (30.0, 960.0)],
                linear: true,
                bursts: Some(Bursts { from: 10.0, every: 5.0, length: 0.3, rate: 8000.0 }),
                modulation: Some(Modulation { factor: 2.0, high: 1.0, low: 5.0 }),
            },
            batch: 1.5,
            even: true,
            retries: Some(Retries { attempts: 3, backoff: 0.05 }),
        },
        classes: vec![class("checkout", 0.3, 0, 0.1, 2.0), class("search", 0.7, 2, 1.0, 1.0)],
        server: Server {
            station: Station {
                workers: Steps(vec![(0.0, 16), (20.0, 8)]),
                discipline: Discipline::Usl { sigma: 0.02, kappa: 0.0005 },
                contention: Some(Contention { from: 64.0, slope: 0.5, worst: 2.0 }),
            },
            work: Steps(vec![
                (0.0, Distribution::Erlang { shape: 4, mean: 0.01 }),
                (5.0, Distribution::Lognormal { mean: 0.01, sigma: 1.5 }),
                (15.0, mixture),
            ]),
            speed: Steps(vec![(0.0, 1.0), (1.0, 0.5)]),
            pauses: Some(Pauses { length: 0.08, every: 1.0, random: true }),
            delay: Steps::constant(Distribution::Fixed(0.005)),
            second: Some((Steps::constant(24), Distribution::Exponential(0.01))),
            reject_cost: 0.0001,
            drop_ratio: Steps(vec![(0.0, 0.0), (30.0, 0.05)]),
            accepts: Some(Accepts {
                in_flight: Some(40),
                rate: Some(100.0),
                refused_after: 0.01,
                silent: false,
            }),
        },
        instances: vec![0.25, 0.75],
        link: Link { interval: 0.05, delay: 0.002, jitter: 0.003, loss: 0.2 },
        limit: Bounds { min: 2.0, max: 500.0, initial: 20.0 },
        deadline_known: true,
    };
    assert_eq!(parse("full.yaml", FULL.as_bytes()), Ok(expected));
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = parse("a.yaml", SHORT.as_bytes()).unwrap();
    assert_eq!(scenario.phases, [phase(0.0, false, None)]);
    assert_eq!(scenario.classes, [class("all", 1.0, 2, 0.1, 1.0)]);
    assert_eq!((scenario.link, scenario.limit), (Link::default(), Bounds::default()));
    assert_eq!((scenario.instances, scenario.deadline_known), (vec![1.0], false));
    assert_eq!(scenario.server.station.discipline, Discipline::Fifo);
    let lower = parse("a.yaml", format!("{SHORT}limit: {{max: 20}}").as_bytes()).unwrap();
    assert_eq!(lower.limit, Bounds { min: 1.0, max: 20.0, initial: 20.0 });
}

#[test]
fn p1_a_recorded_trace_is_a_rate_for_each_stretch() {
    let read =
        |rate: &str| parse("a.yaml", SHORT.replace("rate: 100", rate).as_bytes()).unwrap().clients.rate;
    let steps = read("rate: [{at: 0s, value: 5}, {at: 15s, value: 0}, {at: 30s, value: 7.5}]");
    assert_eq!(read("rate: {every: 15s, values: [5, 0, 7.5]}"), steps);
    let lines = read("rate: {every: 20s, values: [5, 6]}, linear: true");
    assert_eq!((lines.points, lines.linear), (vec![(0.0, 5.0), (20.0, 6.0)], true));
    let long = vec!["1"; 4000].join(", ");
    assert_eq!(read(&format!("rate: {{every: 10ms, values: [{long}]}}")).points.len(), 4000);
}

#[test]
fn the_reference_is_right() {
    let reference = include_str!("../../../../docs/simulator.md");
    let (_, example) = reference.split_once("```yaml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    assert_eq!(parse("example.yaml", example.as_bytes()).expect("sound").name, "checkout");
    let word = |c: char| !(c.is_ascii_lowercase() || c == '_');
    let fields = FULL.match_indices(':').map(|(at, _)| FULL[..at].rsplit(word).next().unwrap_or_default());
    for field in fields.filter(|field| !field.is_empty()) {
        let spans = reference.split('`').skip(1).step_by(2);
        assert!(
            spans.flat_map(|span| span.split(word)).any(|known| known == field),
            "`{field}` is not described"
        );
    }
}

/// Each way of writing a piece of the plant in the reference is tried in the example's place, and each scenario that it names is there.
#[test]
fn the_pieces_of_the_reference_can_be_played() {
    let reference = include_str!("../../../../docs/simulator.md");
    let example = reference.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let plain = parse("example.yaml", example.as_bytes()).expect("sound");
    let table = reference.split_once("## What can be played").unwrap().1.split_once("\n## ").unwrap().0;
    let mut pieces = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<_> = row.split(" | ").collect();
        let [_, piece, names] = cells[..] else { panic!("three cells: {row}") };
        let piece = piece.trim().trim_matches('`');
        let field = piece.split_once(':').expect(row).0;
        let replaced = |line: &&str| !line.starts_with(&format!("{field}:"));
        let top = |line: &str| !line.starts_with(' ');
        let mut kept: Vec<&str> = Vec::new();
        for line in example.lines() {
            let keep = if top(line) {
                replaced(&line) && !(field == "classes" && line.starts_with("deadline:"))
            } else {
                kept.last() != Some(&"")
            };
            kept.push(if keep { line } else { "" });
        }
        let file = format!("{}\n{piece}\n", kept.join("\n"));
        let scenario =
            parse("piece.yaml", file.as_bytes()).unwrap_or_else(|why| panic!("{row}\n{file}\n{why}"));
        assert_ne!(scenario, plain, "{row}: changes nothing");
        for name in names.split('`').skip(1).step_by(2) {
            assert!(super::super::builtin::find(name).is_some_and(|found| found.is_ok()), "{row}: {name}");
        }
        pieces += 1;
    }
    assert!(pieces > 20, "{pieces}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file =
        SHORT.replace("40s", "40").replace("rate: 100", "rate: x").replace("workers: 4", "workers: 4.5");
    assert_eq!(refusal(&file).lines().count(), 3, "{}", refusal(&file));
}

#[test]
fn a_file_that_is_not_there_or_too_large_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yaml");
    assert!(read(&path).expect_err("absent").to_string().contains("cannot read it"), "{path:?}");
    std::fs::write(&path, vec![b'#'; yaml::LARGEST + 1]).unwrap();
    assert!(read(&path).expect_err("large").to_string().ends_with("is larger than 256 KiB"));
    std::fs::write(&path, SHORT).unwrap();
    assert_eq!(read(&path).expect("good").name, "a");
}

/// The answer to any bytes is a sound scenario, or places inside the file.
fn sound(bytes: &[u8]) {
    let file = String::from_utf8_lossy(bytes);
    match parse("a.yaml", bytes) {
        Ok(scenario) => {
            assert!((0.1..=LONGEST).contains(&scenario.seconds) && scenario.warm_up < scenario.seconds);
            assert!((1..=INSTANCES).contains(&scenario.instances.len()));
            assert!((1..=CLASSES).contains(&scenario.classes.len()));
            let shares: f64 = scenario.classes.iter().map(|class| class.share).sum();
            assert!((shares - 1.0).abs() < 0.01);
            assert!(scenario.clients.rate.points.is_sorted_by(|a, b| a.0 < b.0));
            assert!(
                scenario.limit.min <= scenario.limit.initial && scenario.limit.initial <= scenario.limit.max
            );
        }
        Err(problems) => {
            for problem in problems.problems() {
                let Some(at) = problem.at else { continue };
                let line = lines(&file)[at.line as usize - 1].chars().count();
                assert!((1..=line + 1).contains(&(at.column as usize)), "{problem}\n{file}");
            }
        }
    }
}
