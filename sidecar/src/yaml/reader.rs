//! Takes the fields out of a map, one by one, and remembers everything that is wrong.
//!
//! A section is read in three steps: nested sections, then [`Fields::build`] with the checked constructor of
//! `setpoint-policies`, then what nobody asked for is reported as unknown. A constructor names one broken rule at a time;
//! so that the file's author hears of all, `build` reports it, puts the field's default in its place and tries again.
//! Nothing that was built so is used: a file with a problem is refused as a whole.

use std::fmt::Display;

use setpoint_policies::knob::KnobName;
use setpoint_policies::spec::InvalidConfig;

use super::findings::Findings;
use super::problem::Position;
use super::scalar::{KNOB, Kind, describe};
use super::suggest::closest;
use super::text::quoted;
use super::tree::{Entry, Node, Value};

/// The fields of one map.
pub(crate) struct Fields<'a> {
    /// What the map is, in messages: "the file", or "`memory_cap`".
    pub(crate) label: String,
    /// Before the names of its parameters: empty, or `failure_rate.`.
    path: String,
    /// Where a missing field is reported.
    at: Position,
    entries: &'a [Entry],
    /// The fields that were asked for.
    known: Vec<&'static str>,
    /// The fields that were reported; their defaults stand in for them.
    blamed: Vec<&'static str>,
    /// Defaults that were used, as one would write them.
    defaults: Vec<(&'static str, String)>,
    /// Problems before this map.
    found_before: usize,
    pub(crate) findings: &'a mut Findings,
}

impl<'a> Fields<'a> {
    /// The fields of `node`; `None` when it is no map, which is reported at `at`.
    pub(crate) fn of(
        label: String,
        at: Position,
        node: &'a Node,
        findings: &'a mut Findings,
    ) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Unusable => return None,
            other => {
                findings.problem(at, || format!("{label}: expected a map, found {}", describe(other)));
                return None;
            }
        };
        let found_before = findings.found();
        let (known, blamed, defaults) = Default::default();
        Some(Self {
            label,
            path: String::new(),
            at,
            entries,
            known,
            blamed,
            defaults,
            found_before,
            findings,
        })
    }

    /// The fields of the map in `entry`, a field of this one.
    pub(crate) fn inside(&mut self, name: &'static str, entry: &'a Entry) -> Option<Fields<'_>> {
        let path = format!("{}{name}.", self.path);
        let fields = Fields::of(format!("`{name}`"), entry.at, &entry.value, self.findings)?;
        Some(Fields { path, ..fields })
    }

    /// The section `name`, if it is there and has no problem.
    pub(crate) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(name)?;
        self.inside(name, entry).and_then(read)
    }

    /// The field as it stands in the file.
    pub(crate) fn entry(&mut self, field: &'static str) -> Option<&'a Entry> {
        if !self.known.contains(&field) {
            self.known.push(field);
        }
        self.entries.iter().find(|entry| entry.key == field)
    }

    /// Reports `field` at `at`, once, whatever else is wrong with it.
    pub(crate) fn complain(&mut self, field: &'static str, at: Position, message: impl Display) {
        if !self.blamed.contains(&field) {
            self.blamed.push(field);
            self.findings.problem(at, || format!("`{field}`: {message}"));
        }
    }

    /// The value of `field`, without a note for the table of parameters.
    pub(crate) fn look<T>(&mut self, field: &'static str, kind: &Kind<T>) -> Option<T> {
        let entry = self.entry(field)?;
        if self.blamed.contains(&field) {
            return None;
        }
        match kind.read(&entry.value) {
            Ok(value) => Some(value),
            Err(Some(message)) => {
                let nothing = matches!(entry.value.value, Value::Nothing);
                self.complain(field, if nothing { entry.at } else { entry.value.at }, message);
                None
            }
            Err(None) => {
                self.blamed.push(field);
                None
            }
        }
    }

    /// The value of `field`, if it is there.
    pub(crate) fn maybe<T>(&mut self, field: &'static str, kind: &Kind<T>) -> Option<T> {
        let value = self.look(field, kind)?;
        self.note(field, &(kind.show)(&value));
        Some(value)
    }

    /// The value of `field`, else `default`.
    pub(crate) fn optional<T>(&mut self, field: &'static str, kind: &Kind<T>, default: T) -> T {
        self.maybe(field, kind).unwrap_or_else(|| {
            let shown = (kind.show)(&default);
            self.note(field, &shown);
            self.defaults.push((field, shown));
            default
        })
    }

    /// The value of `field`; when it is missing, which is reported, `stand_in` lets the checks of the others go on.
    pub(crate) fn required<T>(&mut self, field: &'static str, kind: &Kind<T>, stand_in: T) -> T {
        self.needed(field);
        self.maybe(field, kind).unwrap_or(stand_in)
    }

    /// As [`Self::required`], without a note for the table of parameters.
    pub(crate) fn title(&mut self, field: &'static str, kind: &Kind<String>) -> String {
        self.needed(field);
        self.look(field, kind).unwrap_or_default()
    }

    /// The knob that a controller moves; its name starts with `prefix`.
    pub(crate) fn knob(&mut self, prefix: &'static str) -> KnobName {
        self.knob_of(&[prefix])
    }

    /// The same, where several families can be moved.
    pub(crate) fn knob_of(&mut self, prefixes: &[&'static str]) -> KnobName {
        self.needed("knob");
        let Some(knob) = self.look("knob", &KNOB) else {
            return KnobName::try_new("unknown").expect("a plain word is a name");
        };
        let named = |prefix: &&str| knob.as_str().strip_prefix(*prefix).is_some_and(|rest| !rest.is_empty());
        if !prefixes.iter().any(named) {
            let at = self.entry("knob").map_or(self.at, |entry| entry.value.at);
            let known: Vec<String> = prefixes.iter().map(|prefix| format!("`{prefix}NAME`")).collect();
            let message = format!("{} moves a knob named {}, found `{knob}`", self.label, known.join(" or "));
            self.complain("knob", at, message);
        }
        knob
    }

    /// Reports `field` when it is missing.
    pub(crate) fn needed(&mut self, field: &'static str) {
        if self.entry(field).is_none() && !self.blamed.contains(&field) {
            self.blamed.push(field);
            self.findings.problem(self.at, || format!("{} needs the field `{field}`", self.label));
        }
    }

    /// A field that has a place in the format and none in this version; not offered as a suggestion.
    pub(crate) fn unsupported(&mut self, field: &'static str, message: &str) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == field) {
            self.complain(field, entry.at, message);
        }
    }

    /// The one field out of `names` that must be there. All that are there are returned, so that each is checked; more or
    /// less than one is reported.
    pub(crate) fn choice(&mut self, names: &[&'static str]) -> Vec<(&'static str, &'a Entry)> {
        let mut there: Vec<_> = names.iter().filter_map(|name| Some((*name, self.entry(name)?))).collect();
        there.sort_by_key(|(_, entry)| entry.at);
        let known = &self.known;
        let misspelt = |entry: &Entry| {
            !known.contains(&entry.key.as_str()) && closest(&entry.key, names.iter().copied()).is_some()
        };
        if there.is_empty() && !self.entries.iter().any(misspelt) {
            let names = names.join(", ");
            self.findings.problem(self.at, || format!("{} needs one of {names}", self.label));
        }
        for (second, entry) in there.iter().skip(1) {
            let (first, line) = (there[0].0, there[0].1.at.line);
            self.findings.problem(entry.at, || {
                format!("`{second}` beside `{first}` on line {line}: only one of them is allowed")
            });
        }
        there
    }

    /// Reads the fields with `read`, which ends in a checked constructor, and reports every rule that is broken.
    pub(crate) fn build<T>(mut self, read: impl Fn(&mut Self) -> Result<T, InvalidConfig>) -> Option<T> {
        let built = loop {
            match read(&mut self) {
                Ok(built) => break Some(built),
                Err(error) if self.blame(&error) => {}
                Err(_) => break None,
            }
        };
        if self.finish() { built } else { None }
    }

    /// Reports the fields that nobody asked for; whether there is no problem in this map.
    pub(crate) fn finish(self) -> bool {
        let asked = |key: &str| self.known.contains(&key) || self.blamed.contains(&key);
        for entry in self.entries.iter().filter(|entry| !asked(&entry.key)) {
            self.findings.problem(entry.at, || unknown(&entry.key, &self.known));
        }
        self.findings.found() == self.found_before
    }

    /// Reports the broken rule; whether another try, with a default in the place of what was blamed, can find more.
    fn blame(&mut self, error: &InvalidConfig) -> bool {
        let (field, other) = match error {
            InvalidConfig::OutOfRange { field, .. } => (*field, None),
            InvalidConfig::Order { field, other, .. } => (*field, Some(*other)),
            whole => {
                if self.findings.found() == self.found_before {
                    self.findings.problem(self.at, || whole.to_string());
                }
                return false;
            }
        };
        // A rule between two fields, one of which was blamed before, says nothing new.
        let news = [Some(field), other].into_iter().flatten().all(|name| !self.blamed.contains(&name));
        let given =
            [Some(field), other].into_iter().flatten().find_map(|name| Some((name, self.entry(name)?)));
        let (culprit, at) = given.map_or((field, self.at), |(name, entry)| (name, entry.value.at));
        if news {
            let message = self.in_words(error, field, culprit);
            self.findings.problem(at, || message);
        }
        let candidates = [Some(culprit), Some(field), other];
        let next = candidates.into_iter().flatten().find(|name| !self.blamed.contains(name));
        self.blamed.extend(next);
        next.is_some()
    }

    /// The broken rule, and the default of `field` when that is what `culprit` contradicts.
    fn in_words(&self, error: &InvalidConfig, field: &'static str, culprit: &'static str) -> String {
        let said = error.to_string();
        let rule = said.strip_prefix(field).unwrap_or(&said);
        let default = self.defaults.iter().find(|(name, _)| *name == field && field != culprit);
        let default = default.map(|(_, shown)| format!(", and is {shown} by default")).unwrap_or_default();
        format!("`{field}`:{rule}{default}")
    }

    /// A line for the table of parameters.
    pub(crate) fn note(&mut self, field: &'static str, shown: &str) {
        self.findings.parameters.push(format!("{}{field} {shown}", self.path));
    }
}

fn unknown(key: &str, known: &[&'static str]) -> String {
    match closest(key, known.iter().copied()) {
        Some(name) => format!("unknown field {}, did you mean `{name}`?", quoted(key)),
        None => format!("unknown field {}, expected one of {}", quoted(key), known.join(", ")),
    }
}
