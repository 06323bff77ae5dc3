//! How old the sidecar's word is: the lease of each setpoint, and the liveness of the control loop behind the stream.
//!
//! An open stream proves nothing. A stopped sidecar keeps its sockets open for as long as it likes, and a sidecar whose
//! loop hangs can go on sending beats from another thread. So leases start again only with a beat whose `loop_tick`, which
//! the loop itself writes, has advanced.

use std::time::Duration;

use setpoint_policies::lease::{Lease, Phase};
use setpoint_policies::time::Timestamp;
use setpoint_proto::message::SidecarBeat;

/// The lease of one setpoint and when it was last renewed.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseClock {
    lease: Lease,
    renewed: Timestamp,
}

impl LeaseClock {
    /// A lease that starts now.
    pub(super) const fn start(lease: Lease, now: Timestamp) -> Self {
        Self { lease, renewed: now }
    }

    /// The lease starts again.
    pub(super) fn renew(&mut self, now: Timestamp) {
        self.renewed = self.renewed.max(now);
    }

    pub(super) const fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(super) fn phase(&self, at: Timestamp) -> Phase {
        self.lease.phase(at.since(self.renewed))
    }

    /// What is left of the ttl.
    pub(super) fn left(&self, at: Timestamp) -> Duration {
        self.lease.ttl.saturating_sub(at.since(self.renewed))
    }
}

/// Whether the control loop at the other end of a stream moves.
#[derive(Debug)]
pub(super) struct Liveness {
    beat_every: Duration,
    lost_after: Duration,
    /// The newest tick of the loop.
    tick: Option<u64>,
    /// When it was first heard of.
    advanced: Timestamp,
}

impl Liveness {
    /// A stream that was welcomed now, with its periods; the welcome itself counts as a sign of life. `before` is how far
    /// the loop of the same epoch had come on the last stream: one that hangs does not live by being called again.
    pub(super) const fn start(
        beat_every: Duration,
        lost_after: Duration,
        before: Option<u64>,
        now: Timestamp,
    ) -> Self {
        Self { beat_every, lost_after, tick: before, advanced: now }
    }

    /// Takes a beat. True when the loop has moved since the one before, so that leases may start again.
    pub(super) fn beat(&mut self, beat: &SidecarBeat, now: Timestamp) -> bool {
        let moved = beat.loop_age < self.lost_after && self.tick.is_none_or(|tick| beat.loop_tick > tick);
        if moved {
            self.tick = Some(beat.loop_tick);
            self.advanced = now;
        }
        moved
    }

    /// A sign of life within the last two beats.
    pub(super) fn fresh(&self, at: Timestamp) -> bool {
        at.since(self.advanced) <= 2 * self.beat_every
    }

    /// No sign of life for `lost_after`: as dead, although the stream is up.
    pub(super) fn lost(&self, at: Timestamp) -> bool {
        at.since(self.advanced) >= self.lost_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(loop_tick: u64, loop_age: Duration) -> SidecarBeat {
        SidecarBeat { n: 0, loop_tick, loop_age, oldest_signal_age: None, renew: Vec::new() }
    }

    #[test]
    fn l2_only_a_loop_that_moves_is_alive() {
        let second = Duration::from_secs(1);
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let mut liveness = Liveness::start(second, 5 * second, None, at(0));
        assert!(liveness.beat(&beat(10, Duration::ZERO), at(1)), "the first tick heard of");
        assert!(!liveness.beat(&beat(10, Duration::ZERO), at(2)), "static");
        assert!(!liveness.beat(&beat(9, Duration::ZERO), at(3)), "backwards");
        assert!(liveness.fresh(at(3)) && !liveness.fresh(at(4)));
        assert!(!liveness.lost(at(5)) && liveness.lost(at(6)));
        assert!(!liveness.beat(&beat(11, 9 * second), at(7)), "the loop itself says that it hangs");
        assert!(liveness.beat(&beat(12, Duration::ZERO), at(8)) && liveness.fresh(at(8)));
    }

    #[test]
    fn l2_a_loop_that_hangs_does_not_live_by_being_called_again() {
        let now = Timestamp::ZERO;
        let mut liveness = Liveness::start(Duration::from_secs(1), Duration::from_secs(5), Some(10), now);
        assert!(
            !liveness.beat(&beat(10, Duration::ZERO), now) && liveness.beat(&beat(11, Duration::ZERO), now)
        );
    }

    #[test]
    fn a_renewal_starts_the_lease_again() {
        let mut clock = LeaseClock::start(Lease::default(), Timestamp::ZERO);
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        assert_eq!((clock.phase(at(4)), clock.phase(at(5))), (Phase::Valid, Phase::Held));
        clock.renew(at(4));
        assert_eq!((clock.phase(at(8)), clock.left(at(8))), (Phase::Valid, Duration::from_secs(1)));
        assert_eq!(clock.left(at(20)), Duration::ZERO);
    }
}
