//! Time-outs as knobs: a number of milliseconds on the wire, a [`Duration`] for whoever uses it.

use std::time::Duration;

use setpoint_policies::knob::Kind;
use setpoint_proto::message::Why;

use crate::actuator::Inner;
use crate::declare::Declaration;
use crate::knob::{KnobBuilder, NumericKnob};

/// A time-out that can be tuned, knob `timeout.NAME`. Clones are the same knob.
#[derive(Debug, Clone)]
pub struct Timeout(NumericKnob);

impl Timeout {
    /// The time in force. One relaxed load.
    #[inline]
    pub fn value(&self) -> Duration {
        time(self.0.value())
    }

    /// Holds the time-out at a value (within the bounds), whatever is pushed, until [`Timeout::unpin`]. Returns the value now
    /// in force.
    pub fn pin(&self, value: Duration) -> Duration {
        time(self.0.pin(millis(value)))
    }

    /// Gives the time-out back to what is pushed.
    pub fn unpin(&self) {
        self.0.unpin();
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A knob is finite and, as it is declared here, not negative.
fn time(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1e3).unwrap_or(Duration::ZERO)
}

/// Declares a time-out. See [`crate::Setpoint::timeout`].
#[must_use = "nothing happens before `register`"]
pub struct TimeoutBuilder<'a>(KnobBuilder<'a>);

impl<'a> TimeoutBuilder<'a> {
    pub(crate) fn new(inner: &'a Inner, name: &str) -> Self {
        let day = millis(Duration::from_secs(86_400));
        let knob = Declaration::new("timeout", name, Kind::TimeoutMs, (1.0, day), 30_000.0);
        Self(KnobBuilder::of(inner, knob).unit("ms"))
    }

    /// Hard bounds, which no push can leave. Default: a millisecond to a day.
    pub fn bounds(self, shortest: Duration, longest: Duration) -> Self {
        Self(self.0.bounds(millis(shortest), millis(longest)))
    }

    /// The time in force without a sidecar. Default 30 s.
    pub fn baseline(self, value: Duration) -> Self {
        Self(self.0.baseline(millis(value)))
    }

    /// Called with the time before, the time now in force and why: see [`KnobBuilder::on_change`].
    pub fn on_change(self, call: impl Fn(Duration, Duration, &Why) + Send + Sync + 'static) -> Self {
        Self(self.0.on_change(move |old, new, why| call(time(old), time(new), why)))
    }

    /// Reads what is really in force: see [`KnobBuilder::read_back`].
    pub fn read_back(self, read: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(self.0.read_back(move || millis(read())))
    }

    /// Registers the time-out, or finds the one of that name as it was registered first.
    pub fn register(self) -> Timeout {
        Timeout(self.0.register())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use setpoint_policies::knob::{Knob, KnobName, Restrictive};
    use setpoint_policies::value::Value;

    use super::*;
    use crate::actuator::Actuator;
    use crate::clock::Hand;

    fn inner() -> Inner {
        Inner::new("test".into(), Hand::default().clock(), 5)
    }

    fn push(inner: &Inner, name: &str, value: f64) -> Value {
        actuator(inner, name).apply(&Value::Number(value), &Why::default()).unwrap()
    }

    fn actuator(inner: &Inner, name: &str) -> Arc<dyn Actuator> {
        inner.registry.find(&KnobName::try_new(name).unwrap()).unwrap()
    }

    #[test]
    fn c6_a_time_out_is_pushed_in_milliseconds_and_used_as_a_duration() {
        let inner = inner();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let secs = Duration::from_secs;
        let idle = TimeoutBuilder::new(&inner, "http.idle")
            .bounds(secs(5), secs(120))
            .baseline(secs(30))
            .on_change(move |old, new, _| told.lock().unwrap().push((old, new)))
            .register();
        let knob = Knob::clone(&actuator(&inner, "timeout.http.idle").knob());
        assert_eq!((knob.kind, knob.unit.as_str(), knob.baseline), (Kind::TimeoutMs, "ms", 30_000.0));
        assert_eq!(push(&inner, "timeout.http.idle", 90_000.0), Value::Number(90_000.0));
        assert_eq!(idle.value(), secs(90));
        push(&inner, "timeout.http.idle", 1.0);
        assert_eq!((idle.value(), idle.pin(secs(7))), (secs(5), secs(7)));
        idle.unpin();
        let told = seen.lock().unwrap().clone();
        assert_eq!(told, [(30, 90), (90, 5), (5, 7), (7, 5)].map(|(old, new)| (secs(old), secs(new))));
    }

    #[test]
    fn c6_the_size_of_a_pool_is_whole_and_what_the_pool_really_has_is_read_back() {
        let inner = inner();
        // A pool that takes 150 at most.
        let real = Arc::new(Mutex::new(20.0_f64));
        let (set, read) = (real.clone(), real.clone());
        KnobBuilder::pool_size(&inner, "db.idle")
            .bounds(1.0, 500.0)
            .baseline(20.0)
            .on_change(move |_, new, _| *set.lock().unwrap() = new.min(150.0))
            .read_back(move || *read.lock().unwrap())
            .register();
        let knob = actuator(&inner, "pool.db.idle").knob();
        assert_eq!((knob.kind, knob.step, knob.restrictive), (Kind::PoolSize, 1.0, Restrictive::Lower));
        assert_eq!(push(&inner, "pool.db.idle", 99.6), Value::Number(100.0));
        assert_eq!(push(&inner, "pool.db.idle", 200.0), Value::Number(150.0), "not an echo");
        *real.lock().unwrap() = f64::NAN;
        assert_eq!(actuator(&inner, "pool.db.idle").in_force(), Value::Number(200.0), "no reading");
    }

    #[test]
    fn a_reading_that_panics_is_none() {
        let inner = inner();
        KnobBuilder::pool_size(&inner, "db").read_back(|| panic!("in the service")).register();
        assert_eq!(push(&inner, "pool.db", 7.0), Value::Number(7.0));
    }
}
