//! Ends a process whose control loop hangs, so that whoever supervises it starts a new one.
//!
//! A thread of its own, because a hung loop hangs the runtime that it shares with everything else. It counts only time in
//! which it ran itself: after SIGSTOP, or on a starved node, the loop has had no chance to tick either, and killing the
//! process then would make things worse.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::pulse::Pulse;

/// A loop without a tick for this long is hung.
pub const HUNG_AFTER: Duration = Duration::from_secs(10);
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Most time that one look may count; more means that the watchdog itself was not running.
const MOST_PER_CHECK: Duration = Duration::from_secs(2);

/// Whether a counter stands still.
#[derive(Debug, Default)]
struct Watch {
    tick: u64,
    still_for: Duration,
}

impl Watch {
    /// Takes one look, `passed` after the previous one; true when the counter has stood still for [`HUNG_AFTER`].
    fn look(&mut self, tick: u64, passed: Duration) -> bool {
        if tick == self.tick {
            self.still_for += passed.min(MOST_PER_CHECK);
        } else {
            *self = Self { tick, still_for: Duration::ZERO };
        }
        self.still_for >= HUNG_AFTER
    }
}

/// A running watchdog; stops when dropped.
#[derive(Debug)]
pub struct Watchdog {
    _stop: Sender<()>,
}

impl Watchdog {
    /// Watches `pulse` and calls `hung` once when it has stood still; [`abort`] outside of tests.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(pulse: Arc<Pulse>, hung: impl FnOnce(u64) + Send + 'static) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            let (mut watch, mut looked) = (Watch::default(), Instant::now());
            while stopped.recv_timeout(CHECK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = Instant::now();
                if watch.look(pulse.tick(), now.duration_since(looked)) {
                    return hung(watch.tick);
                }
                looked = now;
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Ends the process at once: a hung loop cannot be asked to leave in an orderly manner.
pub fn abort(tick: u64) {
    tracing::error!(tick, hung_seconds = HUNG_AFTER.as_secs(), "control loop hangs, aborting");
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_loop_that_ticks_is_never_hung() {
        let mut watch = Watch::default();
        assert!((1..1000).all(|tick| !watch.look(tick, SECOND)));
    }

    #[test]
    fn a_loop_that_stands_still_is_hung_after_ten_seconds() {
        let mut watch = Watch::default();
        assert!(!watch.look(7, SECOND));
        assert!((1..10).all(|_| !watch.look(7, SECOND)), "nine seconds");
        assert!(watch.look(7, SECOND), "ten");
    }

    #[test]
    fn a_loop_that_never_started_is_hung_as_well() {
        let mut watch = Watch::default();
        assert!((1..10).all(|_| !watch.look(0, SECOND)));
        assert!(watch.look(0, SECOND));
    }

    #[test]
    fn time_in_which_the_process_was_stopped_does_not_count() {
        let mut watch = Watch::default();
        assert!(!watch.look(7, SECOND));
        assert!(!watch.look(7, Duration::from_secs(3600)), "stopped for an hour");
        assert!(!watch.look(8, SECOND), "and going on");
        assert_eq!(watch.still_for, Duration::ZERO);
    }
}
