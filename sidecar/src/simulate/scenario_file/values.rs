//! Values with their ranges, lists, and values that change over time.

use std::ops::RangeInclusive;

use setpoint_policies::sim::scenario::Steps;
use setpoint_policies::units;

use crate::yaml::{DURATION, Fields, Kind, NUMBER, Position, Value, describe, quoted};

/// Most points of a curve.
const POINTS: usize = 2000;
/// Shares may miss 1 by this much: three thirds with three digits do.
const SHARES_OFF: f64 = 0.0011;

/// `250ms`, in seconds.
pub(super) const SECONDS: Kind<f64> = Kind {
    parse: |text| units::duration(text).map(|d| d.as_secs_f64()).map_err(|error| error.to_string()),
    show: |seconds| (DURATION.show)(&std::time::Duration::from_secs_f64(*seconds)),
    expected: DURATION.expected,
    quotable: DURATION.quotable,
    longest: DURATION.longest,
};

/// `0.3` or `30%`.
pub(super) const SHARE: Kind<f64> = Kind {
    expected: "a share such as 0.3 or 30%",
    parse: |text| match units::ratio(text) {
        Ok(share) => Ok(share),
        Err(error) if text.contains('%') => Err(error.to_string()),
        Err(_) => (NUMBER.parse)(text)
            .map_err(|_| format!("expected a share such as 0.3 or 30%, found {}", quoted(text))),
    },
    ..NUMBER
};

/// What a scenario or a class is called.
pub(super) const TITLE: Kind<String> = Kind {
    expected: "a name",
    quotable: true,
    longest: 64,
    parse: |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err("a name has 1 to 64 characters of a-z A-Z 0-9 - _ .".to_owned())
        }
    },
    show: String::clone,
};

/// A sentence or two for people, printable.
pub(super) const ABOUT: Kind<String> = Kind {
    expected: "a text",
    quotable: true,
    longest: 2000,
    parse: |text| Ok(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()),
    show: String::clone,
};

/// Priorities by number.
pub(in crate::simulate) const PRIORITIES: [&str; 5] = ["critical", "high", "normal", "low", "background"];

/// `critical` to `background`.
pub(super) const PRIORITY: Kind<u8> = Kind {
    expected: "critical, high, normal, low or background",
    quotable: true,
    longest: 64,
    parse: |text| {
        (0..).zip(PRIORITIES).find(|(_, name)| *name == text).map(|(priority, _)| priority).ok_or_else(|| {
            format!("unknown priority {}, expected critical, high, normal, low or background", quoted(text))
        })
    },
    show: u8::to_string,
};

/// Numbers that are only read together with their range.
pub(super) trait Take {
    /// The value of `field` if it is there; a value outside the range is reported and left out.
    fn take(&mut self, field: &'static str, kind: &Kind<f64>, range: RangeInclusive<f64>) -> Option<f64>;

    /// As [`Take::take`], and its absence is reported.
    fn must(&mut self, field: &'static str, kind: &Kind<f64>, range: RangeInclusive<f64>) -> Option<f64>;
}

impl Take for Fields<'_> {
    fn take(&mut self, field: &'static str, kind: &Kind<f64>, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.look(field, kind)?;
        if range.contains(&value) {
            return Some(value);
        }
        let at = self.entry(field)?.value.at;
        self.complain(field, at, outside(kind, &range));
        None
    }

    fn must(&mut self, field: &'static str, kind: &Kind<f64>, range: RangeInclusive<f64>) -> Option<f64> {
        self.needed(field);
        self.take(field, kind, range)
    }
}

fn outside(kind: &Kind<f64>, range: &RangeInclusive<f64>) -> String {
    format!("must be between {} and {}", (kind.show)(range.start()), (kind.show)(range.end()))
}

/// Reads each map of the list `field` with `read`, which gets the place of the map.
pub(super) fn items<'a>(
    fields: &mut Fields<'a>,
    field: &'static str,
    most: usize,
    mut read: impl FnMut(&mut Fields<'_>, Position),
) {
    let Some(entry) = fields.entry(field) else { return };
    let Some(items) = listed(fields, field, entry.at, &entry.value.value, most) else { return };
    for item in items {
        if let Some(mut inner) = Fields::of(format!("an item of `{field}`"), item.at, item, fields.findings) {
            read(&mut inner, item.at);
            inner.finish();
        }
    }
}

/// The numbers of the list `field`; empty when it is not there.
pub(super) fn list(
    fields: &mut Fields<'_>,
    field: &'static str,
    most: usize,
    kind: &Kind<f64>,
    range: RangeInclusive<f64>,
) -> Vec<f64> {
    let Some(entry) = fields.entry(field) else { return Vec::new() };
    let Some(items) = listed(fields, field, entry.at, &entry.value.value, most) else { return Vec::new() };
    let mut numbers = Vec::new();
    for item in items {
        match kind.read(item) {
            Ok(number) if range.contains(&number) => numbers.push(number),
            Ok(_) => fields.findings.problem(item.at, || format!("`{field}`: {}", outside(kind, &range))),
            Err(Some(why)) => fields.findings.problem(item.at, || format!("`{field}`: {why}")),
            Err(None) => {}
        }
    }
    numbers
}

fn listed<'a>(
    fields: &mut Fields<'_>,
    field: &'static str,
    at: Position,
    value: &'a Value,
    most: usize,
) -> Option<&'a [crate::yaml::Node]> {
    match value {
        Value::List(items) if (1..=most).contains(&items.len()) => return Some(items),
        Value::List(_) => fields.complain(field, at, format!("must have 1 to {most} items")),
        Value::Unusable => {}
        other => fields.complain(field, at, format!("expected a list, found {}", describe(other))),
    }
    None
}

/// Reports shares that do not sum to 1.
pub(super) fn shares(
    fields: &mut Fields<'_>,
    field: &'static str,
    at: Position,
    shares: impl Iterator<Item = f64>,
) {
    let sum: f64 = shares.sum();
    if (sum - 1.0).abs() > SHARES_OFF {
        fields.complain(field, at, format!("shares must sum to 1, found {}", (sum * 1e4).round() / 1e4));
    }
}

/// The time `at` of a phase or a point: the first is 0, the others follow in order.
pub(super) fn from(fields: &mut Fields<'_>, at: Position, last: Option<f64>, seconds: f64) -> f64 {
    let from = fields.must("at", &SECONDS, 0.0..=seconds);
    let place = fields.entry("at").map_or(at, |entry| entry.value.at);
    match (from, last) {
        (Some(from), None) if from != 0.0 => fields.complain("at", place, "the first must be 0s"),
        (Some(from), Some(last)) if from <= last => {
            fields.complain(
                "at",
                place,
                format!("must be later than the one before, {}", (SECONDS.show)(&last)),
            );
        }
        _ => {}
    }
    from.or(last).unwrap_or(0.0)
}

/// One value, or a list of values with their times. `read` reads the value out of a field.
pub(super) fn steps<T>(
    fields: &mut Fields<'_>,
    field: &'static str,
    seconds: f64,
    read: impl Fn(&mut Fields<'_>, &'static str) -> Option<T>,
) -> Option<Steps<T>> {
    let entry = fields.entry(field)?;
    if !matches!(entry.value.value, Value::List(_)) {
        return read(fields, field).map(Steps::constant);
    }
    let (mut points, mut last, found) = (Vec::new(), None, fields.findings.found());
    items(fields, field, POINTS, |item, at| {
        let from = from(item, at, last, seconds);
        last = Some(from);
        item.needed("value");
        points.extend(read(item, "value").map(|value| (from, value)));
    });
    (fields.findings.found() == found && !points.is_empty()).then_some(Steps(points))
}

/// A whole number.
pub(super) fn whole(fields: &mut Fields<'_>, field: &'static str, range: RangeInclusive<f64>) -> Option<u32> {
    let value = fields.take(field, &NUMBER, range)?;
    if value.fract() != 0.0 {
        let at = fields.entry(field)?.value.at;
        fields.complain(field, at, "must be a whole number");
        return None;
    }
    Some(value as u32)
}
