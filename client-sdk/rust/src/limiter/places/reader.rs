//! Reading the shards of a limiter while threads write to them.

use super::super::shard::Shard;
use super::Places;
use crate::barrier;
use crate::sync::{ModelledGuard, yield_now};

/// Readings of a shard that is being written to before its owner is held off.
const ATTEMPTS: usize = if cfg!(setpoint_loom) { 1 } else { 64 };

/// The right to read all shards; nobody changes the regime meanwhile.
pub(crate) struct Reader<'a> {
    pub(super) places: &'a Places,
    pub(super) _alone: ModelledGuard<'a, ()>,
}

impl Reader<'_> {
    /// Shows each shard at rest to `see`, and what it made of it to `add`.
    pub fn visit<T>(&self, see: impl Fn(&Shard) -> T, mut add: impl FnMut(T)) {
        for shard in &self.places.own {
            let seen = (0..ATTEMPTS).find_map(|_| shard.read(&see));
            add(seen.unwrap_or_else(|| self.held_off(shard, &see)));
        }
        for shard in &self.places.common {
            let claim = loop {
                match shard.try_claim() {
                    Some(claim) => break claim,
                    None => yield_now(),
                }
            };
            add(see(&claim));
        }
    }

    /// The owner writes without a pause: it is held off (it counts in a common shard) for as long as this takes.
    #[cold]
    fn held_off<T>(&self, shard: &Shard, see: impl Fn(&Shard) -> T) -> T {
        let limits = &self.places.limits;
        let regime = limits.regime();
        limits.set_regime(regime.holding_off());
        // Failing that, the owner sees it as soon as its processor does, far sooner than this thread is back.
        if !barrier::heavy() {
            yield_now();
        }
        // It comes and goes without writing once it has seen that, so one look at rest is enough.
        while !shard.at_rest() {
            yield_now();
        }
        let seen = see(shard);
        limits.set_regime(regime);
        seen
    }
}
