//! The SDK's monotonic clock, in nanoseconds since the SDK was started.
//!
//! Two readings per call are the largest part of what a permit costs, so the processor's time stamp counter is read
//! directly where that is sound: where the kernel itself keeps time by it. A kernel that has moved away from the counter
//! (cores out of step, a migrated virtual machine) knows why; then the ordinary clock is used. The counter is calibrated
//! at the first start in a process, in about 1 ms (measured; it gives up waiting for a better fit after 200 ms).
//!
//! The counter of a machine that is restored from a snapshot may start anywhere. So the session compares it with the
//! system's clock now and then ([`Clock::checked`]), and where one of them jumped, the counter goes on from where it stood.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::sync::locked;

/// A monotonic clock. Clones have the same origin.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    Counter(Arc<Counter>),
    System {
        origin: Instant,
    },
    #[cfg(test)]
    Hand(Hand),
}

#[derive(Debug)]
struct Counter {
    clock: quanta::Clock,
    /// The counter's reading at the time zero.
    origin: AtomicU64,
    watch: Mutex<Watch>,
}

/// Clock sources of the kernel that user space can read as well.
const COUNTERS: [&str; 2] = ["tsc", "arch_sys_counter"];

impl Clock {
    /// The best clock of this machine, starting at zero.
    pub fn start() -> Self {
        let source =
            std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        if source.is_ok_and(|name| COUNTERS.contains(&name.trim())) {
            Self(Source::Counter(Arc::new(Counter::start(quanta::Clock::new()))))
        } else {
            Self(Source::System { origin: Instant::now() })
        }
    }

    /// Nanoseconds since the start.
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::Counter(counter) => counter.now(),
            Source::System { origin } => since(*origin),
            #[cfg(test)]
            Source::Hand(hand) => hand.0.load(std::sync::atomic::Ordering::SeqCst),
        }
    }
}

/// Apart, for the code of the ordinary clock would be copied to wherever a permit is acquired.
#[cold]
fn since(origin: Instant) -> u64 {
    nanos(origin.elapsed())
}

impl Clock {
    /// The same, for whoever asks every now and then and has time: afterwards the clock is right.
    pub fn checked(&self) -> u64 {
        if let Source::Counter(counter) = &self.0 {
            counter.check();
        }
        self.now()
    }
}

impl Counter {
    fn start(clock: quanta::Clock) -> Self {
        let origin = AtomicU64::new(clock.raw());
        Self { clock, origin, watch: Mutex::new(Watch { own: 0, system: Instant::now() }) }
    }

    #[inline]
    fn now(&self) -> u64 {
        let ticks = self.clock.raw().wrapping_sub(self.origin.load(Ordering::Relaxed));
        // Zero where another core's counter is a little behind, at the very start.
        if ticks.cast_signed() < 0 { 0 } else { self.clock.delta_as_nanos(0, ticks) }
    }

    fn check(&self) {
        let mut watch = locked(&self.watch);
        let (before, system, own) = (self.now(), Instant::now(), self.now());
        // A thread that is stopped between the readings compares nothing.
        if own.wrapping_sub(before) > nanos(SIMULTANEOUS) {
            return;
        }
        if let Some(right) = watch.compare(own, system) {
            self.origin.store(self.clock.raw().wrapping_sub(self.ticks(right)), Ordering::Relaxed);
        }
    }

    fn ticks(&self, nanos: u64) -> u64 {
        let nanos_of_2_32 = self.clock.delta_as_nanos(0, 1 << 32).max(1);
        ((u128::from(nanos) << 32) / u128::from(nanos_of_2_32)) as u64
    }
}

/// Readings this close to each other are of the same moment.
const SIMULTANEOUS: Duration = Duration::from_millis(1);
/// Two clocks differ by this much at most, and a quarter of the time that passed; else one of them jumped.
const SLACK: Duration = Duration::from_millis(20);

/// A shorter time proves nothing: a counter that stands still looks right from moment to moment.
const APART: Duration = Duration::from_millis(40);

/// Where two clocks stood when they were last compared.
#[derive(Debug)]
struct Watch {
    own: u64,
    system: Instant,
}

impl Watch {
    /// What our own clock should say, if it does not.
    fn compare(&mut self, own: u64, system: Instant) -> Option<u64> {
        let passed = nanos(system.saturating_duration_since(self.system));
        if passed < nanos(APART) {
            return None;
        }
        let right = self.own.saturating_add(passed);
        let wrong = own.abs_diff(right) > passed / 4 + nanos(SLACK);
        *self = Self { own: if wrong { right } else { own }, system };
        wrong.then_some(right)
    }
}

/// A duration in nanoseconds, at most `u64::MAX` (584 years).
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns a clock that stands still unless it is moved. The memory-model tests see its readings, or they would take it for
/// granted that nothing depends on when it is read.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Hand(std::sync::Arc<crate::sync::AtomicU64>);

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
    fn a_jump_of_the_counter_is_put_right_and_a_small_difference_left_alone() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        for (own_ms, system_ms, right_ms) in [
            (1050, 50, None),
            (1083, 50, Some(1050)),
            (1000, 50, Some(1050)),
            (1031, 50, None),
            (0, 50, Some(1050)),
            (1_000_000, 50, Some(1050)),
            (1800, 1000, None),
            (1000, 1000, Some(2000)),
            (1_000_000, 39, None),
        ] {
            let mut watch = Watch { own: nanos(ms(1000)), system: start };
            let right = watch.compare(nanos(ms(own_ms)), start + ms(system_ms));
            assert_eq!(right, right_ms.map(|right| nanos(ms(right))), "{own_ms} {system_ms}");
        }
    }

    #[test]
    fn a_restored_machine_whose_counter_starts_anew_goes_on_from_where_it_stood() {
        for jump in [1_u64 << 50, (1_u64 << 50).wrapping_neg()] {
            let counter = Counter::start(quanta::Clock::new());
            let clock = Clock(Source::Counter(Arc::new(counter)));
            let Source::Counter(counter) = &clock.0 else { unreachable!() };
            let before = clock.checked();
            counter
                .origin
                .store(counter.origin.load(Ordering::Relaxed).wrapping_add(jump), Ordering::Relaxed);
            let start = Instant::now();
            // At zero or far ahead, until the two clocks have been looked at some time apart.
            while clock.checked() <= before || clock.now() - before > 10_000_000_000 {
                assert!(start.elapsed() < Duration::from_secs(10), "{jump}: {}", clock.now());
            }
            let (at, since) = (clock.now(), start.elapsed());
            assert!(at >= before && at <= before + nanos(since) + 1_000_000_000, "{before} {at} {since:?}");
            assert!(clock.now() >= at, "it goes on");
        }
    }

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
