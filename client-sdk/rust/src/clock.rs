//! The SDK's monotonic clock, in nanoseconds since the SDK was started.
//!
//! Two readings per call are the largest part of what a permit costs, so the processor's time stamp counter is read
//! directly where that is sound: where the kernel itself keeps time by it. A kernel that has moved away from the counter
//! (cores out of step, a migrated virtual machine) knows why; then the ordinary clock is used. The counter is calibrated
//! at the first start in a process, in about 1 ms (measured; it gives up waiting for a better fit after 200 ms).

use std::time::{Duration, Instant};

/// A monotonic clock. Clones have the same origin.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    Counter {
        clock: quanta::Clock,
        origin: u64,
    },
    System {
        origin: Instant,
    },
    #[cfg(test)]
    Hand(Hand),
}

/// Clock sources of the kernel that user space can read as well.
const COUNTERS: [&str; 2] = ["tsc", "arch_sys_counter"];

impl Clock {
    /// The best clock of this machine, starting at zero.
    pub fn start() -> Self {
        let source =
            std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        if source.is_ok_and(|name| COUNTERS.contains(&name.trim())) {
            let clock = quanta::Clock::new();
            let origin = clock.raw();
            Self(Source::Counter { clock, origin })
        } else {
            Self(Source::System { origin: Instant::now() })
        }
    }

    /// Nanoseconds since the start.
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.0 {
            // Saturates at zero where a counter seems to run backwards.
            Source::Counter { clock, origin } => clock.delta_as_nanos(*origin, clock.raw()),
            Source::System { origin } => nanos(origin.elapsed()),
            #[cfg(test)]
            Source::Hand(hand) => hand.0.load(std::sync::atomic::Ordering::SeqCst),
        }
    }
}

/// A duration in nanoseconds, at most `u64::MAX` (584 years).
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns a clock that stands still unless it is moved.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(std::sync::Arc<std::sync::atomic::AtomicU64>);

#[cfg(test)]
impl Hand {
    /// A clock at zero that follows this hand.
    pub fn clock(&self) -> Clock {
        Clock(Source::Hand(self.clone()))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(nanos(by), std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the clock.
    pub fn set(&self, to_nanos: u64) {
        self.0.store(to_nanos, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_starts_near_zero_and_agrees_with_the_system() {
        for clock in [Clock::start(), Clock(Source::System { origin: Instant::now() })] {
            let outer = Instant::now();
            let first = clock.now();
            let inner = Instant::now();
            let mut last = first;
            while inner.elapsed() < Duration::from_millis(20) {
                let now = clock.now();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
            // However often this thread is interrupted, the clock's span lies between the other two.
            let shortest = nanos(inner.elapsed());
            let own = clock.now() - first;
            let longest = nanos(outer.elapsed());
            let slack = longest / 1000 + 1000;
            assert!(own + slack >= shortest && own <= longest + slack, "{shortest} {own} {longest}");
            assert!(first < 3_600_000_000_000, "{first}");
        }
    }
}
