//! Latencies with which the calls of a resource are compared: so many, and no more.
//!
//! A service counts, for each limiter, the calls that were slower than each latency that some policy watches, and has places for
//! [`MOST_WATCHED`] of them. The engine gives them to who comes first, and a rule without one says `not_counted` for ever: so a
//! file that asks for more is refused here, where somebody reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_policies::spec::Controller;
use setpoint_policies::totals::MOST_WATCHED;

use crate::yaml::{DURATION, Findings, Node, Position, Value};

/// Where a policy says which latency it watches.
const PLACES: [&[&str]; 3] = [
    &["breaker", "slow_call_rate", "slower_than"],
    &["breaker", "slow_call_rate", "p95_above"],
    &["slo", "within"],
];

/// The different latencies that the policies so far watch, by resource.
#[derive(Debug, Default)]
pub(super) struct Watched(BTreeMap<String, Vec<Duration>>);

impl Watched {
    /// Notes what a policy watches, and reports the latency that is one too many.
    pub(super) fn note(&mut self, policy: &Node, controller: &Controller, findings: &mut Findings) {
        let (Some(after), Some(resource)) = (controller.watches(), controller.knob().resource()) else {
            return;
        };
        let watched = self.0.entry(resource.to_owned()).or_default();
        if watched.contains(&after) {
            return;
        }
        if watched.len() < MOST_WATCHED {
            watched.push(after);
            return;
        }
        let found = PLACES.iter().find_map(|path| Some((path.last()?, place(policy, path)?)));
        let (field, at) = found.unwrap_or((&"policy", policy.at));
        let others: Vec<String> = watched.iter().map(|after| (DURATION.show)(after)).collect();
        findings.problem(at, || {
            let others = others.join(", ");
            format!("`{field}`: `{resource}` is compared with {MOST_WATCHED} latencies already, and no more are counted: use one of {others}")
        });
    }
}

/// Where the value at the end of that path stands.
fn place(node: &Node, path: &[&str]) -> Option<Position> {
    let [first, rest @ ..] = path else { return Some(node.at) };
    let Value::Map(entries) = &node.value else { return None };
    place(&entries.iter().find(|entry| entry.key == *first)?.value, rest)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    const HEAD: &str = "version: setpoint/v1\nname: a\npolicies:\n";

    /// A breaker for that many milliseconds, on one line.
    fn breaker(name: &str, knob: &str, millis: u32) -> String {
        format!(
            "  - {{name: {name}, breaker: {{knob: breaker.{knob}, slow_call_rate: {{p95_above: {millis}ms}}}}}}\n"
        )
    }

    fn said(policies: &str) -> String {
        let parsed = parse(format!("{HEAD}{policies}").as_bytes());
        parsed.map_or_else(|errors| errors.to_string().replace("policy.yaml:", ""), |_| "good".to_owned())
    }

    #[test]
    fn b2_a_fifth_latency_of_a_resource_is_refused_where_it_stands() {
        let four = "  - {name: objective, slo: {resource: db, within: 100ms, objective: 99%}}\n".to_owned()
            + &breaker("b", "db", 200)
            + &breaker("c", "db", 300)
            + &breaker("d", "db", 400);
        assert_eq!(said(&four), "good");
        let refused = "is compared with 4 latencies already, and no more are counted: use one of 100ms, 200ms, 300ms, 400ms";
        let fifth = format!(
            "{four}  - name: e\n    breaker:\n      knob: breaker.db\n      slow_call_rate: {{above: 9%, slower_than: 500ms}}\n"
        );
        assert_eq!(said(&fifth), format!("11:48: `slower_than`: `db` {refused}"));
        let two = format!(
            "{four}{}  - {{name: f, slo: {{resource: db, within: 1s, objective: 99%}}}}\n",
            breaker("e", "db", 600)
        );
        assert_eq!(said(&two), format!("8:71: `p95_above`: `db` {refused}\n9:43: `within`: `db` {refused}"));
    }

    #[test]
    fn b2_the_same_latency_twice_and_those_of_another_resource_are_no_matter() {
        let mut policies = String::new();
        for (n, millis) in [100, 200, 300, 400].into_iter().enumerate() {
            policies += &breaker(&format!("a{n}"), "db", millis);
            policies += &breaker(&format!("b{n}"), "api", millis + 1000);
        }
        policies += "  - {name: same, slo: {resource: db, within: 400ms, objective: 99%}}\n";
        // Several breakers on one knob are a warning, no error.
        assert_eq!(said(&policies), "good");
    }
}
