//! The size of a pool as a knob: connections of a database, idle connections of a client, workers.
//!
//! A pool is bounded already, so the knob only moves that bound, through the callback that tells the pool. What is in use when
//! a pool shrinks stays in use: pools close connections as they are given back, and nothing waits for them.
//!
//! A pool that cannot be resized at run time (sqlx's is one) is built at the upper bound with a limiter in front of it: then
//! the limit is what moves, and callers that find it reached are told at once instead of waiting in the pool.

use setpoint_policies::knob::Kind;

use crate::declare::Declaration;
use crate::knob::KnobBuilder;
use crate::setpoint::Setpoint;

impl Setpoint {
    /// The size of a pool: knob `pool.NAME`, whole connections, 1 to 1000 with a baseline of 10 unless told otherwise. A smaller
    /// pool is the restrictive one. Tell the pool in [`KnobBuilder::on_change`]; `examples/pool.rs` shows it with deadpool.
    pub fn pool(&self, name: &str) -> KnobBuilder<'_> {
        let mut knob = Declaration::new("pool", name, Kind::PoolSize, (1.0, 1000.0), 10.0);
        knob.step = 1.0;
        "connections".clone_into(&mut knob.unit);
        KnobBuilder::declared(self.inner(), knob)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use setpoint_policies::knob::{KnobName, Restrictive};
    use setpoint_policies::value::Value;
    use setpoint_proto::message::Why;

    use super::*;
    use crate::actuator::Inner;
    use crate::clock::Hand;

    #[test]
    fn c6_a_pool_follows_its_knob_in_whole_connections_and_bounds() {
        let inner = Arc::new(Inner::new("test".into(), Hand::default().clock(), 1));
        let sp = Setpoint::new(inner.clone());
        let size = Arc::new(AtomicU64::new(20));
        let told = size.clone();
        let knob = sp
            .pool("db")
            .bounds(2.0, 50.0)
            .baseline(20.0)
            .on_change(move |_, new, _| told.store(new as u64, Ordering::Relaxed))
            .register();
        let actuator = inner.registry.find(&KnobName::try_new("pool.db").unwrap()).unwrap();
        let declared = actuator.knob();
        assert_eq!(
            (declared.kind, declared.restrictive, declared.step),
            (Kind::PoolSize, Restrictive::Lower, 1.0)
        );
        for (pushed, expected) in [(30.0, 30), (7.6, 8), (0.0, 2), (1e9, 50)] {
            actuator.apply(&Value::Number(pushed), &Why::default()).unwrap();
            assert_eq!((size.load(Ordering::Relaxed), knob.value() as u64), (expected, expected), "{pushed}");
        }
        actuator.enforce(false);
        assert_eq!(size.load(Ordering::Relaxed), 20, "the kill switch: as built");
    }
}
