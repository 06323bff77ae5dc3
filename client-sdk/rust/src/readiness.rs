//! Whether the service should be sent requests: the answer of its readiness check.
//!
//! A sidecar may turn it while the runtime pauses for too long; without one it is always ready. It is one voice among others:
//! combine it with what the service itself knows. It is for readiness and never for liveness: a restart cures no pause.

use std::sync::Arc;

use http::header::{HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use setpoint_policies::knob::{Kind, READINESS, Restrictive};
use setpoint_policies::value::Value;

use crate::actuator::{Actuator, Entry, Inner};
use crate::declare::Declaration;
use crate::slot::Slot;
use crate::sync::{AtomicBool, Ordering};

/// Seconds after which somebody who was told 503 may look again.
const LOOK_AGAIN: HeaderValue = HeaderValue::from_static("10");

/// The answer of a readiness check, knob `health.ready`. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Core>);

#[derive(Debug)]
struct Core {
    slot: Slot,
    ready: AtomicBool,
}

impl Readiness {
    /// Whether requests should come. One relaxed load.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// What a handler can answer with: 200, or 503 with `retry-after`, without a body.
    /// ```
    /// # let sp = setpoint_sdk::Setpoint::builder("checkout").disabled(true).start();
    /// let ready = sp.readiness();
    /// let app: axum::Router = axum::Router::new().route("/readyz", axum::routing::get(async move || {
    ///     ready.response::<axum::body::Body>()
    /// }));
    /// ```
    pub fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::new(B::default());
        if !self.is_ready() {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, LOOK_AGAIN);
        }
        response
    }

    /// Holds the answer, whatever is pushed, until [`Readiness::unpin`].
    pub fn pin(&self, ready: bool) {
        // The only kind of value that a switch takes cannot be refused.
        let _ = self.0.slot.pin(Some(Value::Switch(ready)), |value| self.put(value));
    }

    /// Gives the answer back to what is pushed.
    pub fn unpin(&self) {
        let _ = self.0.slot.pin(None, |value| self.put(value));
    }

    /// The one of this process, made if need be.
    pub(crate) fn registered(inner: &Inner) -> Self {
        let mut knob = Declaration::new("", READINESS, Kind::Switch, (0.0, 1.0), 1.0).checked();
        knob.restrictive = Restrictive::Lower;
        let name = knob.name.clone();
        let make = || {
            let core = Core { slot: Slot::new(knob.clone()), ready: AtomicBool::new(true) };
            Self(Arc::new(core))
        };
        match inner.registry.register(&name, || Entry::Readiness(make())) {
            Some(Entry::Readiness(readiness)) => readiness,
            _ => {
                inner.open(&name);
                make()
            }
        }
    }
}

impl Actuator for Readiness {
    fn slot(&self) -> &Slot {
        &self.0.slot
    }

    fn put(&self, value: Option<Value>) {
        self.0.ready.store(value != Some(Value::Switch(false)), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hand;

    #[test]
    fn b5_a_pushed_switch_is_the_health_answer_and_the_kill_switch_beats_it() {
        let inner = Inner::new("checkout".to_owned(), Hand::default().clock(), 1);
        let ready = Readiness::registered(&inner);
        let answer = || ready.response::<()>().status().as_u16();
        assert_eq!((ready.is_ready(), answer()), (true, 200), "without a sidecar");
        let pushed = &inner.registry.actuators()[0];
        assert_eq!(pushed.apply(&Value::Switch(false), &Default::default()), Ok(Value::Switch(false)));
        assert_eq!((ready.is_ready(), answer()), (false, 503));
        assert_eq!(ready.response::<()>().headers()["retry-after"], "10");
        ready.pin(true);
        assert!(ready.is_ready(), "the owner knows better");
        ready.unpin();
        assert!(!Readiness::registered(&inner).is_ready(), "there is one in a process");
        inner.set_disabled(true);
        assert!(ready.is_ready());
        inner.set_disabled(false);
        assert!(!ready.is_ready());
        assert!(pushed.apply(&Value::Number(0.0), &Default::default()).is_err());
    }
}
