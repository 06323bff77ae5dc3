//! Ends a process whose control loop hangs, so that whoever supervises it starts a new one.
//!
//! A thread of its own, because a hung loop hangs the runtime that it shares with everything else. It counts only time in
//! which it ran itself: after SIGSTOP, or on a starved node, the loop has had no chance to tick either, and killing the
//! process then would make things worse.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::pulse::Pulse;

/// How patient a watchdog is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A loop without a tick for this long is hung.
    pub hung_after: Duration,
    /// Time between two looks. A look counts for at most two of them: more means that the watchdog itself did not run.
    pub look_every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { hung_after: Duration::from_secs(10), look_every: Duration::from_secs(1) }
    }
}

/// Whether a counter stands still.
#[derive(Debug)]
struct Watch {
    patience: Patience,
    tick: u64,
    still_for: Duration,
}

impl Watch {
    const fn new(patience: Patience) -> Self {
        Self { patience, tick: 0, still_for: Duration::ZERO }
    }

    /// Takes one look, `passed` after the previous one; true when the counter has stood still for too long.
    fn look(&mut self, tick: u64, passed: Duration) -> bool {
        if tick == self.tick {
            self.still_for += passed.min(2 * self.patience.look_every);
        } else {
            (self.tick, self.still_for) = (tick, Duration::ZERO);
        }
        self.still_for >= self.patience.hung_after
    }
}

/// A running watchdog; stops when dropped.
#[derive(Debug)]
pub struct Watchdog {
    _stop: Sender<()>,
}

impl Watchdog {
    /// Watches `pulse` and calls `hung` once, with the last tick, when it has stood still.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        pulse: Arc<Pulse>,
        patience: Patience,
        hung: impl FnOnce(u64) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            let (mut watch, mut looked) = (Watch::new(patience), Instant::now());
            while stopped.recv_timeout(patience.look_every) == Err(RecvTimeoutError::Timeout) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_loop_that_ticks_is_never_hung() {
        let mut watch = Watch::new(Patience::default());
        assert!((1..1000).all(|tick| !watch.look(tick, SECOND)));
    }

    #[test]
    fn a_loop_that_stands_still_is_hung_after_ten_seconds() {
        let mut watch = Watch::new(Patience::default());
        assert!(!watch.look(7, SECOND));
        assert!((1..10).all(|_| !watch.look(7, SECOND)), "nine seconds");
        assert!(watch.look(7, SECOND), "ten");
    }

    #[test]
    fn a_loop_that_never_started_is_hung_as_well() {
        let mut watch = Watch::new(Patience::default());
        assert!((1..10).all(|_| !watch.look(0, SECOND)));
        assert!(watch.look(0, SECOND));
    }

    #[test]
    fn time_in_which_the_process_was_stopped_does_not_count() {
        let mut watch = Watch::new(Patience::default());
        assert!(!watch.look(7, SECOND));
        assert!(!watch.look(7, Duration::from_secs(3600)), "stopped for an hour");
        assert!(!watch.look(8, SECOND), "and going on");
        assert_eq!(watch.still_for, Duration::ZERO);
    }

    #[test]
    fn the_thread_tells_a_hung_loop_from_a_living_one() {
        let patience =
            Patience { hung_after: Duration::from_millis(60), look_every: Duration::from_millis(10) };
        let pulse = Arc::<Pulse>::default();
        pulse.finish(Default::default());
        let (hung, told) = mpsc::channel();
        let started = Instant::now();
        let watchdog =
            Watchdog::start(Arc::clone(&pulse), patience, move |tick| hung.send(tick).expect("waited for"));
        let _watchdog = watchdog.expect("a thread");
        // A living loop, for five times as long as a hung one is given.
        while started.elapsed() < 5 * patience.hung_after {
            assert_eq!(told.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
            pulse.finish(Default::default());
        }
        assert_eq!(told.recv(), Ok(pulse.tick()), "and then it hangs");
    }

    #[test]
    fn a_watchdog_that_is_dropped_barks_no_more() {
        let patience =
            Patience { hung_after: Duration::from_secs(3600), look_every: Duration::from_secs(1800) };
        let (hung, told) = mpsc::channel::<u64>();
        let watchdog =
            Watchdog::start(Arc::default(), patience, move |tick| hung.send(tick).expect("waited for"));
        drop(watchdog.expect("a thread"));
        assert!(told.recv().is_err(), "its thread has ended");
    }
}
