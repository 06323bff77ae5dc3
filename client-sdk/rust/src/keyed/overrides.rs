//! Keys with a rate of their own: a few, and known to the owner of the service.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::rate::Rate;
use crate::sync::{AtomicBool, Ordering};

/// Most keys with a rate of their own.
const MOST: usize = 256;

/// As many keys as may have one already have a rate of their own: 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST} keys have a rate of their own already")]
pub struct TooManyOverrides;

/// Rates by the hash of their key.
#[derive(Debug, Default)]
pub struct Overrides {
    /// Whether there are any: all that most services ever ask.
    any: AtomicBool,
    rates: ArcSwapOption<HashMap<u64, Rate>>,
}

impl Overrides {
    /// The rate of a key, if it has its own.
    #[inline]
    pub fn of(&self, hash: u64) -> Option<Rate> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.rates.load().as_ref().and_then(|rates| rates.get(&hash).copied())
    }

    /// Gives a key its own rate.
    pub fn set(&self, hash: u64, rate: Rate) -> Result<(), TooManyOverrides> {
        let mut full = false;
        self.rates.rcu(|rates| {
            let mut rates = rates.as_deref().cloned().unwrap_or_default();
            full = rates.len() >= MOST && !rates.contains_key(&hash);
            if !full {
                rates.insert(hash, rate);
            }
            Some(Arc::new(rates))
        });
        self.any.store(true, Ordering::Relaxed);
        if full { Err(TooManyOverrides) } else { Ok(()) }
    }

    /// Takes a key's own rate away.
    pub fn clear(&self, hash: u64) {
        self.rates.rcu(|rates| {
            let mut rates = HashMap::clone(rates.as_deref()?);
            rates.remove(&hash);
            (!rates.is_empty()).then(|| Arc::new(rates))
        });
    }
}
