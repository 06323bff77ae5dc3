//! What wakes the control loop.
//!
//! The runtime keeps its timers in a wheel, which wakes the thread when the wheel turns (each 64 ms) as well as when a timer ends, and
//! a new timer that ends before all others makes the thread wake itself once more. For a sleep of one tick that is three looks at the
//! system instead of one, and on a busy machine, where each finds cold caches, a third of what a sidecar without clients takes. So
//! the loop has a timer of the kernel's, which wakes it once and to the microsecond.
//!
//! Where there is none, and under the paused time of tests, the runtime's timers do the same.

use std::io;
use std::os::fd::OwnedFd;

use setpoint_policies::time::Timestamp;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock::Clock;

/// Waits for moments on the one clock.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    timer: Option<AsyncFd<OwnedFd>>,
}

impl Alarm {
    /// By the runtime's timers.
    pub const fn of_runtime(clock: Clock) -> Self {
        Self { clock, timer: None }
    }

    /// By a timer of the kernel's, if it gives one. To be called within the runtime that will wait.
    pub fn of_kernel(clock: Clock) -> Self {
        Self { clock, timer: timer::create().and_then(watched).ok() }
    }

    /// Waits until `at`; returns at once when that has passed. May be given up, and called again.
    pub async fn until(&self, at: Timestamp) {
        if let Some(timer) = &self.timer
            && self.rings(timer, at).await.is_ok()
        {
            // Not another look at the runtime's timers: they round up to whole milliseconds and would wait once more.
            return;
        }
        self.clock.sleep_until(at).await;
    }

    async fn rings(&self, timer: &AsyncFd<OwnedFd>, at: Timestamp) -> io::Result<()> {
        loop {
            let now = self.clock.now();
            if now >= at {
                return Ok(());
            }
            timer::set(timer.get_ref(), at.since(now))?;
            timer.async_io(Interest::READABLE, timer::take).await?;
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe for types whose descriptor can change; that of `OwnedFd` cannot"
)]
fn watched(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(timer, Interest::READABLE)
}

#[cfg(target_os = "linux")]
mod timer {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    pub(super) fn create() -> io::Result<OwnedFd> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(timerfd_create(TimerfdClockId::Monotonic, flags)?)
    }

    /// Rings once, that much later; what rang before is forgotten.
    pub(super) fn set(timer: &OwnedFd, after: Duration) -> io::Result<()> {
        // Zero would switch it off.
        let after = after.max(Duration::from_nanos(1));
        let it_value = Timespec::try_from(after).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// Takes note that it rang; would block when it has not.
    pub(super) fn take(timer: &OwnedFd) -> io::Result<()> {
        rustix::io::read(timer, &mut [0; 8])?;
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    pub(super) fn create() -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set(_: &OwnedFd, _: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn take(_: &OwnedFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rings_at(clock: Clock, after: Duration) -> Timestamp {
        clock.now() + after
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn l1_the_kernels_timer_rings_in_time_and_never_too_early() {
        let clock = Clock::start();
        let alarm = Alarm::of_kernel(clock);
        assert!(alarm.timer.is_some());
        for millis in [0, 3, 1, 12] {
            let at = rings_at(clock, Duration::from_millis(millis));
            alarm.until(at).await;
            assert!(clock.now() >= at);
        }
    }

    #[tokio::test]
    async fn l1_a_wait_that_was_given_up_does_not_ring_for_the_next_one() {
        let clock = Clock::start();
        for alarm in [Alarm::of_kernel(clock), Alarm::of_runtime(clock)] {
            let soon = rings_at(clock, Duration::from_millis(1));
            {
                let given_up = std::pin::pin!(alarm.until(soon));
                let polled = tokio::time::timeout(Duration::ZERO, given_up).await;
                assert!(polled.is_err() || clock.now() >= soon);
            }
            let at = rings_at(clock, Duration::from_millis(20));
            alarm.until(at).await;
            assert!(clock.now() >= at);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn l1_the_runtimes_timers_follow_the_time_of_tests() {
        let clock = Clock::start();
        let at = rings_at(clock, Duration::from_secs(3600));
        Alarm::of_runtime(clock).until(at).await;
        assert!(clock.now() >= at);
    }
}
