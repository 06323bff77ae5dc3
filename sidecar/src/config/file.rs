//! The file as a whole: version, name, defaults and the list of policies.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::lease::Lease;
use setpoint_policies::spec::{Controller, InvalidConfig, Mode, PolicySet, PolicySpec};

use super::controllers::CONTROLLERS;
use super::watched::Watched;
use crate::yaml::{DURATION, Fields, Findings, MODE, NAME, Node, Position, TEXT, Value, describe};

/// The one version of the format that is read.
const VERSION: &str = "setpoint/v1";
/// Most policies in a file.
const MOST_POLICIES: usize = 256;
/// Default of `defaults.tick`.
const TICK: Duration = Duration::from_millis(100);

/// The set, and the parameters of each policy in words. What is wrong is in `findings`; then nothing of it may be used.
pub(super) fn read(root: &Node, revision: String, findings: &mut Findings) -> (PolicySet, Vec<String>) {
    let mut set = PolicySet { revision, tick: TICK, ..PolicySet::observe_only() };
    let mut parameters = Vec::new();
    let Some(mut fields) = Fields::of("the file".to_owned(), root.at, root, findings) else {
        return (set, parameters);
    };
    if !version(&mut fields) {
        return (set, parameters);
    }
    set.name = fields.title("name", &NAME);
    set.mode = Mode::default();
    if let Some(defaults) = fields.section("defaults", defaults) {
        (set.mode, set.tick, set.lease) = defaults;
    }
    fields.needed("policies");
    if let Some(entry) = fields.entry("policies") {
        (set.policies, parameters) = policies(&entry.value, entry.at, fields.findings);
    }
    fields.unsupported("signals", "not supported by this version: remove it, the signals are built in");
    fields.finish();
    (set, parameters)
}

/// Whether the rest is worth reading: of a version that is to come, every complaint would be noise. What is no version at all is
/// a slip, and hides nothing.
fn version(fields: &mut Fields<'_>) -> bool {
    fields.needed("version");
    let Some(version) = fields.look("version", &TEXT) else { return true };
    if version == VERSION {
        return true;
    }
    let at = fields.entry("version").map_or(Position::START, |entry| entry.value.at);
    fields.complain("version", at, format!("this sidecar reads `{VERSION}`, found `{version}`"));
    let number = version.strip_prefix("setpoint/v").unwrap_or_default();
    number.parse::<u32>().is_err()
}

fn defaults(mut fields: Fields<'_>) -> Option<(Mode, Duration, Lease)> {
    let mode = fields.look("mode", &MODE).unwrap_or_default();
    let lease = fields.section("lease", lease).unwrap_or_default();
    fields.build(|fields| {
        let tick = fields.optional("tick", &DURATION, TICK);
        within("tick", tick, Duration::from_millis(50), Duration::from_secs(1), "between 50ms and 1s")?;
        Ok((mode, tick, lease))
    })
}

fn lease(fields: Fields<'_>) -> Option<Lease> {
    let default = Lease::default();
    let hour = Duration::from_secs(3600);
    fields.build(|fields| {
        let ttl = fields.optional("ttl", &DURATION, default.ttl);
        let hold = fields.optional("hold", &DURATION, default.hold);
        let decay = fields.optional("decay", &DURATION, default.decay);
        let (shortest, longest) = (Duration::from_secs(3), Duration::from_secs(300));
        within("ttl", ttl, shortest, longest, "between 3s (three beats of 1s) and 5m")?;
        within("hold", hold, Duration::ZERO, hour, "at most 1h")?;
        within("decay", decay, Duration::ZERO, hour, "at most 1h")?;
        Ok(Lease { ttl, hold, decay, ..default })
    })
}

fn within(
    field: &'static str,
    value: Duration,
    from: Duration,
    to: Duration,
    range: &'static str,
) -> Result<(), InvalidConfig> {
    if (from..=to).contains(&value) { Ok(()) } else { Err(InvalidConfig::OutOfRange { field, range }) }
}

fn policies(node: &Node, at: Position, findings: &mut Findings) -> (Vec<PolicySpec>, Vec<String>) {
    let none = (Vec::new(), Vec::new());
    let items = match &node.value {
        Value::List(items) => items,
        Value::Unusable => return none,
        other => {
            findings.problem(at, || format!("`policies`: expected a list, found {}", describe(other)));
            return none;
        }
    };
    if items.is_empty() {
        let advice = "to see without acting, write a policy and `mode: observe`";
        findings.problem(at, || format!("`policies`: the list is empty; {advice}"));
    }
    if items.len() > MOST_POLICIES {
        findings.problem(items[MOST_POLICIES].at, || format!("more than {MOST_POLICIES} policies"));
        return none;
    }
    let mut names = BTreeMap::new();
    let mut movers = BTreeMap::new();
    let mut watched = Watched::default();
    let read = |item| {
        let (spec, parameters) = policy(item, &mut names, &mut movers, findings)?;
        watched.note(item, &spec.controller, findings);
        Some((spec, parameters))
    };
    items.iter().filter_map(read).unzip()
}

/// Lines of the names that were seen, and of the controllers by knob.
type Lines = BTreeMap<String, u32>;

fn policy(
    item: &Node,
    names: &mut Lines,
    movers: &mut Lines,
    findings: &mut Findings,
) -> Option<(PolicySpec, String)> {
    findings.parameters.clear();
    let mut fields = Fields::of("the policy".to_owned(), item.at, item, findings)?;
    let name = fields.title("name", &NAME);
    if !name.is_empty() {
        fields.label = format!("policy `{name}`");
    }
    let name_at = fields.entry("name").map_or(item.at, |entry| entry.value.at);
    if let Some(line) = names.get(&name) {
        fields.complain("name", name_at, format!("a second policy `{name}`, the first is on line {line}"));
    }
    names.entry(name.clone()).or_insert(name_at.line);
    let controller = controller(&mut fields);
    fields.finish();
    let controller = controller?;
    let mover = format!("{} {}", controller.name(), controller.knob());
    if let Some(line) = movers.get(&mover) {
        let (kind, knob) = (controller.name(), controller.knob());
        let message =
            format!("a second `{kind}` of `{knob}`, the first is on line {line}: the stricter one wins");
        findings.warning(item.at, &message);
    }
    movers.entry(mover).or_insert(item.at.line);
    let parameters = findings.parameters.join(", ");
    Some((PolicySpec { name: name.into(), controller }, parameters))
}

fn controller(fields: &mut Fields<'_>) -> Option<Controller> {
    let mut controller = None;
    for (name, entry) in fields.choice(&CONTROLLERS.map(|(name, _)| name)) {
        let section = Fields::of(format!("`{name}`"), entry.at, &entry.value, fields.findings);
        let read = CONTROLLERS.iter().find(|(known, _)| *known == name).map(|(_, read)| read)?;
        controller = controller.or(section.and_then(read));
    }
    controller
}
