//! `fixed`.

use setpoint_policies::controllers::fixed::{Case, Fixed, Setting};
use setpoint_policies::knob::KnobName;
use setpoint_policies::snapshot::Labels;
use setpoint_policies::spec::Controller;

use crate::yaml::{Entry, Fields, Findings, Node, SETTING, TEXT, Value, describe, quoted};

/// What a knob takes whose name starts so.
struct Unit {
    prefix: &'static str,
    fits: fn(Setting) -> bool,
    takes: &'static str,
}

const fn count(prefix: &'static str) -> Unit {
    Unit { prefix, fits: |setting| matches!(setting, Setting::Number(_)), takes: "a number such as 50" }
}

const UNITS: [Unit; 6] = [
    count("limit."),
    count("pool."),
    count("connections."),
    Unit {
        prefix: "timeout.",
        fits: |setting| matches!(setting, Setting::Time(_)),
        takes: "a time such as 30s",
    },
    Unit {
        prefix: "rate.",
        fits: |setting| matches!(setting, Setting::PerSecond(_)),
        takes: "a rate such as 100/s",
    },
    Unit { prefix: "breaker.", fits: |_| false, takes: "no fixed value" },
];

pub(super) fn fixed(mut fields: Fields<'_>) -> Option<Controller> {
    let knob = fields.knob("");
    let value = setting(&mut fields, &knob);
    if let Some(value) = &value {
        fields.note("value", &(SETTING.show)(value));
    }
    let found_before = fields.findings.found();
    let cases = fields.entry("cases").map(|entry| cases(entry, &knob, fields.findings)).unwrap_or_default();
    // Cases that cannot be read are there all the same.
    let unreadable = fields.findings.found() > found_before;
    let value = value.or(unreadable.then_some(Setting::Number(0.0)));
    let spec = fields.build(|_| Fixed::try_new(knob.clone(), value, cases.clone()))?;
    Some(Controller::Fixed(spec))
}

/// The field `value`, in the unit that the name of the knob tells, if it tells one.
fn setting(fields: &mut Fields<'_>, knob: &KnobName) -> Option<Setting> {
    let setting = fields.look("value", &SETTING)?;
    let unit = UNITS.iter().find(|unit| knob.as_str().starts_with(unit.prefix));
    if let Some(Unit { prefix, takes, .. }) = unit.filter(|unit| !(unit.fits)(setting)) {
        let at = fields.entry("value").map(|entry| entry.value.at)?;
        let found = (SETTING.show)(&setting);
        fields.complain("value", at, format!("a knob named `{prefix}NAME` takes {takes}, found {found}"));
    }
    Some(setting)
}

fn cases(entry: &Entry, knob: &KnobName, findings: &mut Findings) -> Vec<Case> {
    match &entry.value.value {
        Value::List(items) => items.iter().filter_map(|item| case(item, knob, findings)).collect(),
        Value::Unusable => Vec::new(),
        other => {
            findings.problem(entry.at, || format!("`cases`: expected a list, found {}", describe(other)));
            Vec::new()
        }
    }
}

fn case(item: &Node, knob: &KnobName, findings: &mut Findings) -> Option<Case> {
    let mut fields = Fields::of("the case".to_owned(), item.at, item, findings)?;
    fields.needed("when");
    let when = fields.entry("when").and_then(|entry| {
        let labels = labels(entry, fields.findings)?;
        if !(1..=Case::MOST_LABELS).contains(&labels.len()) {
            fields.complain("when", entry.at, "must be 1 to 16 labels");
        }
        Some(labels)
    });
    fields.needed("value");
    let value = setting(&mut fields, knob);
    let case = Case { when: when.unwrap_or_default(), value: value.unwrap_or(Setting::Number(0.0)) };
    if !fields.finish() {
        return None;
    }
    let names = case.when.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>();
    findings.parameters.push(format!("{} when {}", (SETTING.show)(&case.value), names.join(" and ")));
    Some(case)
}

/// A map of texts. A plain scalar is a text as well, whatever it looks like.
fn labels(entry: &Entry, findings: &mut Findings) -> Option<Labels> {
    let Value::Map(pairs) = &entry.value.value else {
        if !matches!(entry.value.value, Value::Unusable) {
            let found = describe(&entry.value.value);
            findings.problem(entry.value.at, || format!("`when`: expected a map of labels, found {found}"));
        }
        return None;
    };
    let mut labels = Labels::new();
    for pair in pairs {
        let value = TEXT.read(&pair.value).unwrap_or_else(|said| {
            if let Some(message) = said {
                findings.problem(pair.value.at, || format!("label {}: {message}", quoted(&pair.key)));
            }
            String::new()
        });
        labels.insert(pair.key.clone(), value);
    }
    Some(labels)
}
