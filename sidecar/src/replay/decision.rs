//! A decision as a line, for people or machines.

use serde::Serialize;
use setpoint_policies::decision::{Action, Decision};
use setpoint_policies::reason::{self, Reason};
use setpoint_policies::snapshot::Snapshot;
use setpoint_policies::value::Value;

use crate::record::format::ValueLine;
use crate::sessions::desired::explain;
use crate::show;

/// Whether it moves the knob.
pub(crate) fn changes(decision: &Decision) -> bool {
    decision.action != Action::Hold
}

/// The line, with its line end.
pub(super) fn line(seen: &Snapshot, decision: &Decision, json: bool) -> String {
    if !json {
        return text(seen, decision);
    }
    let service = seen.instances.iter().find(|instance| instance.id == decision.instance);
    let line = DecisionLine {
        at_nanos: seen.at.as_nanos(),
        id: decision.id,
        service: service.map_or("", |instance| &instance.service),
        instance: &decision.instance.0,
        knob: decision.knob.as_str(),
        from: decision.from.scalar(),
        to: decision.to.scalar(),
        value: ValueLine(decision.to),
        action: decision.action.name(),
        policy: &decision.policy,
        rule: decision.reason.rule(),
        reason: explain(decision),
        guarded: decision.guarded.map(|rule| rule.rule()),
        evidence: evidence(&decision.reason),
        overruled: decision.overruled.iter().map(Overruled::of).collect(),
    };
    let mut text = serde_json::to_string(&line).expect("plain data without maps");
    text.push('\n');
    text
}

fn text(seen: &Snapshot, decision: &Decision) -> String {
    let shown = |value: &Value| show::value(value.scalar(), value.state());
    let (from, to) = (shown(&decision.from), shown(&decision.to));
    let (instance, knob, action) = (&decision.instance.0, &decision.knob, decision.action.name());
    let (policy, reason) = (&decision.policy, explain(decision));
    let line = format!(
        "{:.3} s  {instance}  {knob}  {from} -> {to}  {action}  {policy}: {reason}",
        seen.at.as_secs_f64()
    );
    printable(&line)
}

/// A line for people. Names come from the input, which may be anybody's.
pub(super) fn printable(line: &str) -> String {
    let mut line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.push('\n');
    line
}

/// What a reason goes by.
pub(super) fn evidence(reason: &Reason) -> Vec<Evidence> {
    let each = |e: reason::Evidence| Evidence {
        signal: e.signal,
        observed: e.observed,
        threshold: e.threshold,
        unit: e.unit,
    };
    reason.evidence().into_iter().map(each).collect()
}

#[derive(Serialize)]
struct DecisionLine<'a> {
    at_nanos: u64,
    id: u64,
    service: &'a str,
    instance: &'a str,
    knob: &'a str,
    from: f64,
    to: f64,
    value: ValueLine,
    action: &'a str,
    policy: &'a str,
    rule: &'a str,
    reason: String,
    guarded: Option<&'static str>,
    evidence: Vec<Evidence>,
    overruled: Vec<Overruled<'a>>,
}

#[derive(Serialize)]
pub(super) struct Evidence {
    signal: &'static str,
    observed: f64,
    threshold: f64,
    unit: &'static str,
}

#[derive(Serialize)]
struct Overruled<'a> {
    policy: &'a str,
    allows: Option<f64>,
    rule: &'static str,
    reason: String,
}

impl<'a> Overruled<'a> {
    fn of(overruled: &'a setpoint_policies::decision::Overruled) -> Self {
        Self {
            policy: &overruled.policy,
            allows: overruled.allows,
            rule: overruled.reason.rule(),
            reason: overruled.reason.to_string(),
        }
    }
}
