//! The scenario file: from YAML to a checked [`Scenario`], or to all that is wrong with it.
//!
//! Read like a policy file: unknown fields and missing units are errors, everything wrong is told at once with its place. A
//! scenario is a programme for the machine that runs it, so it is bounded as well: what the plant would need an hour for,
//! or more memory than a laptop has, is refused before it starts. `docs/simulator.md` describes the format.

use std::io::stdin;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use setpoint_policies::sim::scenario::{Bounds, Class, Link, Phase, Scenario};

use crate::yaml::{self, FLAG, Fields, Findings, Format, NUMBER, Node, Position, Problems, TEXT};

mod clients;
mod distribution;
mod server;
mod values;

pub(super) use values::PRIORITIES;
use values::{ABOUT, PRIORITY, SECONDS, SHARE, TITLE, Take, items, shares};

/// The one version of the format that is read.
const VERSION: &str = "setpoint/v1";
/// Longest scenario, seconds.
const LONGEST: f64 = 7200.0;
/// Most instances.
const INSTANCES: usize = 64;
/// Bounds of the bounds.
const LIMITS: RangeInclusive<f64> = 1.0..=1e6;
/// Most classes.
const CLASSES: usize = 16;

/// Reads a scenario file; `-` is standard input. Blocks for the time of reading it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(path: &Path) -> Result<Scenario, Problems> {
    let name = yaml::name(path);
    let bytes = if &*name == "-" { yaml::read_from(&name, Ok(stdin().lock())) } else { yaml::read(path) };
    parse(&name, &bytes?)
}

/// Reads the content of a scenario file; `file` names it in problems. Pure: the same bytes give the same answer.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file. A syntax error ends the reading, so it comes last.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Scenario, Problems> {
    let (file, empty) = (Arc::from(file), "docs/simulator.md has an example");
    let format = Format { file, kind: "a scenario file", empty };
    yaml::parse(bytes, format, scenario).map(|(scenario, _)| scenario)
}

fn scenario(root: &Node, findings: &mut Findings) -> Option<Scenario> {
    let mut fields = Fields::of("the file".to_owned(), root.at, root, findings)?;
    if !(is(&mut fields, "version", VERSION) & is(&mut fields, "kind", "Scenario")) {
        return None;
    }
    let name = fields.title("name", &TITLE);
    let about = fields.look("about", &ABOUT).unwrap_or_default();
    let seconds = fields.must("duration", &SECONDS, 0.1..=LONGEST).unwrap_or(LONGEST);
    let warm_up = fields.take("warm_up", &SECONDS, 0.0..=seconds).unwrap_or(0.0);
    if warm_up >= seconds {
        let at = fields.entry("warm_up").map_or(Position::START, |entry| entry.value.at);
        fields.complain("warm_up", at, "must end before the scenario does");
    }
    let phases = phases(&mut fields, seconds);
    fields.needed("clients");
    let clients = fields.section("clients", |fields| clients::clients(fields, seconds));
    let classes = classes(&mut fields);
    let deadline_known = fields.look("deadline_known", &FLAG).unwrap_or(false);
    fields.needed("server");
    let server = fields.section("server", |fields| server::server(fields, seconds));
    let instances = instances(&mut fields);
    let link = fields.section("link", link).unwrap_or_default();
    let limit = fields.section("limit", limit).unwrap_or_default();
    if !fields.finish() {
        return None;
    }
    let (clients, server) = (clients?, server?);
    Some(Scenario {
        name,
        about,
        seconds,
        warm_up,
        phases,
        clients,
        classes,
        server,
        instances,
        link,
        limit,
        deadline_known,
    })
}

/// Whether `field` says `expected`: if not, every other complaint would be noise.
fn is(fields: &mut Fields<'_>, field: &'static str, expected: &str) -> bool {
    fields.needed(field);
    let Some(found) = fields.look(field, &TEXT) else { return false };
    if found != expected {
        let at = fields.entry(field).map_or(Position::START, |entry| entry.value.at);
        fields.complain(field, at, format!("expected `{expected}`, found {}", yaml::quoted(&found)));
    }
    found == expected
}

fn phases(fields: &mut Fields<'_>, seconds: f64) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    items(fields, "phases", 1000, |phase, at| {
        let from = values::from(phase, at, phases.last().map(|phase| phase.at), seconds);
        let overload = phase.look("overload", &FLAG).unwrap_or(false);
        let kind = values::whole(phase, "kind", 0.0..=255.0).map(|kind| kind as u8);
        phases.push(Phase { at: from, overload, kind });
    });
    if phases.is_empty() { vec![Phase { at: 0.0, overload: false, kind: None }] } else { phases }
}

/// The classes, or the one that has no name of its own.
fn classes(fields: &mut Fields<'_>) -> Vec<Class> {
    let mut classes = Vec::new();
    for (name, entry) in fields.choice(&["deadline", "classes"]) {
        if name == "deadline" {
            let deadline = fields.take("deadline", &SECONDS, 0.001..=3600.0).unwrap_or(1.0);
            classes.push(Class { name: "all".to_owned(), share: 1.0, priority: 2, deadline, work: 1.0 });
            continue;
        }
        items(fields, "classes", CLASSES, |class, _| {
            let name = class.title("name", &TITLE);
            if classes.iter().any(|other: &Class| other.name == name)
                && let Some(entry) = class.entry("name")
            {
                let why = format!("a second class `{name}`: names are unique");
                class.complain("name", entry.value.at, why);
            }
            let share = class.must("share", &SHARE, 0.0..=1.0).unwrap_or(0.0);
            let priority = class.look("priority", &PRIORITY).unwrap_or(2);
            let deadline = class.must("deadline", &SECONDS, 0.001..=3600.0).unwrap_or(1.0);
            let work = class.take("work", &NUMBER, 0.001..=1000.0).unwrap_or(1.0);
            classes.push(Class { name, share, priority, deadline, work });
        });
        shares(fields, "classes", entry.at, classes.iter().map(|class| class.share));
    }
    classes
}

fn instances(fields: &mut Fields<'_>) -> Vec<f64> {
    let mut instances = values::list(fields, "instances", INSTANCES, &SHARE, 0.0..=1.0);
    if instances.is_empty() {
        instances.push(1.0);
    } else if let Some(entry) = fields.entry("instances") {
        shares(fields, "instances", entry.at, instances.iter().copied());
    }
    instances
}

fn link(mut fields: Fields<'_>) -> Option<Link> {
    let default = Link::default();
    let link = Link {
        interval: fields.take("interval", &SECONDS, 0.01..=10.0).unwrap_or(default.interval),
        delay: fields.take("delay", &SECONDS, 0.0..=10.0).unwrap_or(default.delay),
        jitter: fields.take("jitter", &SECONDS, 0.0..=10.0).unwrap_or(default.jitter),
        loss: fields.take("loss", &SHARE, 0.0..=1.0).unwrap_or(default.loss),
    };
    fields.finish().then_some(link)
}

/// Left out bounds are the default ones, and a start that was left out lies within them.
fn limit(mut fields: Fields<'_>) -> Option<Bounds> {
    let default = Bounds::default();
    let min = fields.take("min", &NUMBER, LIMITS).unwrap_or(default.min);
    let max = fields.take("max", &NUMBER, LIMITS).unwrap_or(default.max);
    let initial = fields.take("initial", &NUMBER, LIMITS);
    let outside = initial.is_some_and(|initial| !(min..=max).contains(&initial));
    for (field, broken) in [("max", max < min), ("initial", outside)] {
        let at = fields.entry(field).map(|entry| entry.value.at);
        if broken {
            fields.complain(field, at.unwrap_or(Position::START), "min <= initial <= max must hold");
        }
    }
    let initial = initial.unwrap_or_else(|| default.initial.min(max).max(min));
    fields.finish().then_some(Bounds { min, max, initial })
}

#[cfg(test)]
mod tests;
