//! Checks of single fields, and the path that leads to the bad one.
//!
//! A path is put together only when something is wrong: the innermost check yields a bare [`Problem`], and each caller on
//! the way out puts its own segment in front.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use setpoint_policies::knob::KnobName;

use super::{BadField, Problem};
use crate::bounds;

/// Why a single knob or setpoint could not be read.
pub(super) enum Trouble {
    /// It breaks a rule: the whole message is refused.
    Bad(BadField),
    /// It is of a kind that this build does not know (R6): it alone is left out.
    Unsupported(String),
}

impl From<BadField> for Trouble {
    fn from(bad: BadField) -> Self {
        Self::Bad(bad)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Bad(problem.into())
    }
}

/// An error that takes a segment of a path.
pub(super) trait Under {
    type Out;
    fn under(self, segment: &str) -> Self::Out;
}

impl Under for Problem {
    type Out = BadField;
    fn under(self, segment: &str) -> BadField {
        BadField { path: segment.to_owned(), problem: self }
    }
}

impl Under for BadField {
    type Out = Self;
    fn under(self, segment: &str) -> Self {
        let path = if self.path.is_empty() { segment.to_owned() } else { format!("{segment}.{}", self.path) };
        Self { path, ..self }
    }
}

impl Under for Trouble {
    type Out = Self;
    fn under(self, segment: &str) -> Self {
        match self {
            Self::Bad(bad) => Self::Bad(bad.under(segment)),
            unsupported => unsupported,
        }
    }
}

/// Puts a segment of the path in front of an error.
pub(super) trait At<T, E: Under> {
    fn at(self, field: &str) -> Result<T, E::Out>;
    fn at_index(self, field: &str, index: usize) -> Result<T, E::Out>;
}

impl<T, E: Under> At<T, E> for Result<T, E> {
    fn at(self, field: &str) -> Result<T, E::Out> {
        self.map_err(|error| error.under(field))
    }

    fn at_index(self, field: &str, index: usize) -> Result<T, E::Out> {
        self.map_err(|error| error.under(&format!("{field}[{index}]")))
    }
}

pub(super) fn finite(number: f64) -> Result<f64, Problem> {
    if number.is_finite() { Ok(number) } else { Err(Problem::NotFinite) }
}

/// A finite number from zero.
pub(super) fn not_negative(number: f64) -> Result<f64, Problem> {
    if finite(number)? < 0.0 { Err(Problem::OutOfRange("at least 0")) } else { Ok(number) }
}

/// A finite number from 0 to 1.
pub(super) fn ratio(number: f64) -> Result<f64, Problem> {
    if (0.0..=1.0).contains(&finite(number)?) { Ok(number) } else { Err(Problem::OutOfRange("0 to 1")) }
}

pub(super) fn text(text: &str, max: usize) -> Result<String, Problem> {
    if text.len() > max { Err(Problem::TooLong(max)) } else { Ok(text.to_owned()) }
}

/// A short text that has to be there.
pub(super) fn present(value: &str) -> Result<String, Problem> {
    if value.is_empty() { Err(Problem::Missing) } else { text(value, bounds::STRING_BYTES) }
}

pub(super) fn name(name: &str) -> Result<KnobName, Problem> {
    KnobName::try_new(name).map_err(|_| Problem::InvalidName)
}

pub(super) fn count(entries: usize, max: usize) -> Result<(), Problem> {
    if entries > max { Err(Problem::TooMany(max)) } else { Ok(()) }
}

/// A duration of at most a day, or its default where it is absent.
pub(super) fn duration_or(
    wire: Option<&prost_types::Duration>,
    default: Duration,
) -> Result<Duration, Problem> {
    Ok(duration(wire)?.unwrap_or(default))
}

/// A duration of at most a day.
pub(super) fn duration(wire: Option<&prost_types::Duration>) -> Result<Option<Duration>, Problem> {
    let Some(wire) = wire else { return Ok(None) };
    if wire.seconds < 0 || wire.nanos < 0 {
        return Err(Problem::NegativeDuration);
    }
    let (seconds, nanos) = (wire.seconds.unsigned_abs(), wire.nanos.unsigned_abs());
    let length = Duration::from_secs(seconds);
    if nanos >= 1_000_000_000 || length + Duration::from_nanos(nanos.into()) > bounds::DURATION {
        return Err(Problem::OutOfRange("at most 1 day"));
    }
    Ok(Some(length + Duration::from_nanos(nanos.into())))
}

/// The names of a list of knobs: sound, and none of them twice.
pub(super) fn names(wire: &[String], field: &str) -> Result<Vec<KnobName>, BadField> {
    count(wire.len(), bounds::KNOBS).at(field)?;
    wire.iter().enumerate().map(|(i, text)| name(text).at_index(field, i)).collect()
}

/// What a list holds: the entries that this build knows, and names and reasons of the others.
pub(super) type Known<D> = (Vec<D>, Vec<(String, String)>);

/// The entries of a list that this build knows, and the names of the others with the reason (R6).
pub(super) fn known<W, D>(
    field: &str,
    wire: &[W],
    name_of: impl Fn(&W) -> &str,
    decode: impl Fn(&W) -> Result<D, Trouble>,
) -> Result<Known<D>, BadField> {
    count(wire.len(), bounds::KNOBS).at(field)?;
    let (mut known, mut unsupported, mut seen) =
        (Vec::with_capacity(wire.len()), Vec::new(), BTreeSet::new());
    for (i, entry) in wire.iter().enumerate() {
        if !seen.insert(name_of(entry)) {
            return Err(Problem::Duplicate).at_index(field, i);
        }
        match decode(entry).at_index(field, i) {
            Ok(decoded) => known.push(decoded),
            Err(Trouble::Unsupported(why)) => unsupported.push((name_of(entry).to_owned(), why)),
            Err(Trouble::Bad(bad)) => return Err(bad),
        }
    }
    Ok((known, unsupported))
}

/// A bounded map from short texts.
pub(super) fn map<W, D>(
    field: &str,
    wire: &HashMap<String, W>,
    max: usize,
    decode: impl Fn(&W) -> Result<D, Problem>,
) -> Result<BTreeMap<String, D>, BadField> {
    count(wire.len(), max).at(field)?;
    let entry = |(key, value): (&String, &W)| {
        let key = present(key).at(field)?;
        let value = decode(value).map_err(|problem| problem.under(&format!("{field}[{key}]")))?;
        Ok((key, value))
    };
    wire.iter().map(entry).collect()
}

pub(super) fn encode_duration(length: Duration) -> Option<prost_types::Duration> {
    let length = length.min(bounds::DURATION);
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    let nanos = i32::try_from(length.subsec_nanos()).unwrap_or(i32::MAX);
    Some(prost_types::Duration { seconds, nanos })
}

/// `text` cut to `max` bytes at a character's border.
pub(super) fn clip(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text[..end].to_owned()
}

/// A short text, cut to its bound.
pub(super) fn short(text: &str) -> String {
    clip(text, bounds::STRING_BYTES)
}
