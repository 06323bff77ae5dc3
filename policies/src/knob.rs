//! What a service lets be tuned.
//!
//! The owner of a service declares a [`Knob`] with hard bounds and a baseline. The SDK enforces the bounds whatever the
//! sidecar says; the engine respects them as well, so that what it pushes is what will be in force.

mod names;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::value::Value;

/// The longest allowed name of a knob, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// The name of a knob, such as `limit.inbound`: 1 to 128 bytes of `a-z A-Z 0-9 . _ - /`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KnobName(Arc<str>);

impl KnobName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`InvalidKnob::Name`] when it is empty, too long or has a character outside the allowed set.
    pub fn try_new(name: &str) -> Result<Self, InvalidKnob> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(allowed) {
            return Err(InvalidKnob::Name);
        }
        Ok(Self(name.into()))
    }

    /// The resource that it tunes: `db` of `limit.db`.
    pub fn resource(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, resource)| resource)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KnobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a knob does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Allowed simultaneous calls.
    ConcurrencyLimit,
    /// Allowed calls per second.
    RateLimit,
    /// Allowed waiting calls.
    QueueLimit,
    /// A circuit breaker.
    Breaker,
    /// A garbage-collection target.
    GcTarget,
    /// A soft memory limit of a runtime, bytes.
    MemoryLimit,
    /// Threads that run application code at once.
    Parallelism,
    /// The size of a pool.
    PoolSize,
    /// A time-out, milliseconds.
    TimeoutMs,
    /// A sampling ratio.
    Sampling,
    /// Any other number.
    Numeric,
    /// On or off.
    Switch,
}

/// The direction that sheds load or costs throughput: such a move may jump, the opposite one is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restrictive {
    /// No direction is restrictive.
    #[default]
    Neither,
    /// A lower value is more restrictive.
    Lower,
    /// A higher value is more restrictive.
    Higher,
}

impl Restrictive {
    /// Whether moving from `from` to `to` sheds load.
    pub fn tightens(self, from: f64, to: f64) -> bool {
        match self {
            Self::Neither => false,
            Self::Lower => to < from,
            Self::Higher => to > from,
        }
    }
}

/// One tunable of a service. Build it with [`Knob::try_new`] and the `with_` methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Knob {
    /// Unique in its process.
    pub name: KnobName,
    /// What it does.
    pub kind: Kind,
    /// Unit of `min`, `max`, `baseline`: `1`, `req`, `bytes`, `percent`, `ms`.
    pub unit: String,
    /// Hard lower bound.
    pub min: f64,
    /// Hard upper bound.
    pub max: f64,
    /// Quantum of the value; 0 = continuous.
    pub step: f64,
    /// In force when no lease is held; chosen by the service owner.
    pub baseline: f64,
    /// Which direction sheds load.
    pub restrictive: Restrictive,
    /// Largest relative permissive move per applied change, e.g. 0.5; 0 = unlimited.
    pub max_change_ratio: f64,
    /// Shortest time between two applied permissive changes.
    pub min_dwell: Duration,
    /// Calls of this limiter are worth nothing to their callers after this long; `None`: not known.
    pub deadline: Option<Duration>,
    /// False: takes effect only after a restart, so it is shown and never sent.
    pub hot: bool,
}

/// Why a knob was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKnob {
    /// Empty, longer than 128 bytes, or a character outside `a-z A-Z 0-9 . _ - /`.
    #[error("name must be 1 to 128 bytes of a-z A-Z 0-9 . _ - /")]
    Name,
    /// A bound is infinite or not a number, or `min` is above `max`.
    #[error("bounds must be finite with min <= max")]
    Bounds,
    /// A concurrency, queue or pool limit below zero.
    #[error("a limit cannot be negative")]
    NegativeLimit,
    /// The baseline lies outside the bounds.
    #[error("baseline must lie within the bounds")]
    Baseline,
    /// The quantum is negative or not finite.
    #[error("step must be finite and at least 0")]
    Step,
    /// The largest change is negative or not finite.
    #[error("max_change_ratio must be finite and at least 0")]
    MaxChangeRatio,
    /// The deadline is zero: no call could meet it.
    #[error("deadline must be above 0")]
    Deadline,
}

impl Knob {
    /// A hot knob with the defaults of its kind.
    ///
    /// # Errors
    /// See [`InvalidKnob`]; every rule is checked, so a `Knob` that exists is sound.
    pub fn try_new(
        name: KnobName,
        kind: Kind,
        min: f64,
        max: f64,
        baseline: f64,
    ) -> Result<Self, InvalidKnob> {
        let restrictive = match kind {
            Kind::ConcurrencyLimit
            | Kind::RateLimit
            | Kind::QueueLimit
            | Kind::PoolSize
            | Kind::Parallelism => Restrictive::Lower,
            _ => Restrictive::Neither,
        };
        let knob = Self {
            name,
            kind,
            unit: "1".to_owned(),
            min,
            max,
            step: 0.0,
            baseline,
            restrictive,
            max_change_ratio: 0.0,
            min_dwell: Duration::ZERO,
            deadline: None,
            hot: true,
        };
        knob.checked()
    }

    /// Re-checks every rule, after fields were changed by hand.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn checked(self) -> Result<Self, InvalidKnob> {
        let limit =
            matches!(self.kind, Kind::ConcurrencyLimit | Kind::RateLimit | Kind::QueueLimit | Kind::PoolSize);
        if !(self.min.is_finite() && self.max.is_finite() && self.min <= self.max) {
            Err(InvalidKnob::Bounds)
        } else if limit && self.min < 0.0 {
            Err(InvalidKnob::NegativeLimit)
        } else if !(self.min..=self.max).contains(&self.baseline) {
            Err(InvalidKnob::Baseline)
        } else if !(self.step.is_finite() && self.step >= 0.0) {
            Err(InvalidKnob::Step)
        } else if !(self.max_change_ratio.is_finite() && self.max_change_ratio >= 0.0) {
            Err(InvalidKnob::MaxChangeRatio)
        } else if self.deadline.is_some_and(|deadline| deadline.is_zero()) {
            Err(InvalidKnob::Deadline)
        } else {
            Ok(self)
        }
    }

    /// `wanted` brought into the bounds and onto the quantum; `None` when it is not a number.
    pub fn fit(&self, wanted: f64) -> Option<f64> {
        if wanted.is_nan() {
            return None;
        }
        let clamped = wanted.clamp(self.min, self.max);
        if self.step == 0.0 {
            return Some(clamped);
        }
        Some(((clamped / self.step).round() * self.step).clamp(self.min, self.max))
    }

    /// The baseline as a value of this knob's kind.
    pub fn baseline_value(&self) -> Value {
        match self.kind {
            Kind::ConcurrencyLimit => Value::Concurrency(self.baseline),
            Kind::RateLimit => Value::Rate { per_second: self.baseline, burst: None },
            Kind::Breaker => Value::Breaker(crate::value::Breaker::Local),
            Kind::Switch => Value::Switch(self.baseline != 0.0),
            _ => Value::Number(self.baseline),
        }
    }
}
