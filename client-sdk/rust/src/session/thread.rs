//! The thread that the session runs on, and what happens when either fails.
//!
//! Without a thread there is no session and everything stays at its baseline. A bug in the session must not leave the last
//! pushed values in force for ever, with nobody to end their leases: everything goes to its baseline, and the session
//! starts anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::actuate::to_baseline;
use crate::actuator::Inner;
use crate::builder::Options;
use crate::transport::UnixSocket;

const RESTART_AFTER: Duration = Duration::from_secs(3);

/// Starts the session.
pub(crate) fn spawn(inner: Arc<Inner>, options: Options) {
    let body = move || match Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => guarded(&runtime, &inner, || {
            runtime.block_on(super::run(&inner, &options, UnixSocket(options.socket.clone())));
        }),
        Err(error) => tracing::error!(%error, "no runtime for the session: everything stays at its baseline"),
    };
    if let Err(error) = std::thread::Builder::new().name("setpoint-sdk".to_owned()).spawn(body) {
        tracing::error!(%error, "no thread for the session: everything stays at its baseline");
    }
}

/// Runs the session until it ends in order.
fn guarded(runtime: &Runtime, inner: &Inner, mut session: impl FnMut()) {
    while catch_unwind(AssertUnwindSafe(&mut session)).is_err() {
        tracing::error!("the session panicked: everything goes to its baseline, and it starts anew");
        for actuator in inner.registry.actuators() {
            to_baseline(&*actuator);
        }
        runtime.block_on(async { tokio::time::sleep(RESTART_AFTER).await });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use setpoint_policies::value::Value;
    use setpoint_proto::message::Why;

    use super::*;
    use crate::clock::Hand;
    use crate::setpoint::Setpoint;

    fn inner() -> Arc<Inner> {
        Arc::new(Inner::new("checkout".to_owned(), Hand::default().clock(), 1))
    }

    #[test]
    fn l2_a_bug_in_the_session_leaves_everything_at_its_baseline() {
        let inner = inner();
        let batch = Setpoint::new(inner.clone()).knob("batch").bounds(1.0, 512.0).baseline(64.0).register();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut attempts = 0;
        guarded(&runtime, &inner, || {
            attempts += 1;
            assert_eq!(batch.value(), 64.0);
            let pushed = inner.registry.actuators()[0].apply(&Value::Number(8.0), &Why::default());
            assert!(pushed.is_ok() && attempts == 3, "a bug of ours");
        });
        assert_eq!((attempts, batch.value()), (3, 8.0));
    }

    #[test]
    fn the_thread_of_an_unused_sdk_ends_with_the_last_handle() {
        let options = Options {
            socket: "/nonexistent/setpoint.sock".into(),
            disabled: false,
            labels: BTreeMap::new(),
            runtime: None,
        };
        let inner = inner();
        let gone = Arc::downgrade(&inner);
        spawn(inner.clone(), options);
        drop(inner);
        let start = std::time::Instant::now();
        while gone.strong_count() > 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "the thread goes on");
            std::thread::yield_now();
        }
    }
}
