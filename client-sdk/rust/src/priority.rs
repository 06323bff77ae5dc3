//! How much a call matters when not all can be let in.
//!
//! Every priority has a share of the limit, and the shares are nested: a call is admitted while fewer than
//! `share * limit` calls are in flight, whoever they belong to. One comparison, strict degradation, nothing to rebalance.
//!
//! The default shares are 1 for critical, high and normal, 0.85 for low and 0.5 for background: a service that knows no
//! priorities uses its entire limit.

use setpoint_policies::totals::PRIORITIES;

/// How much a call matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Health checks, traces and the like: always admitted, not counted.
    Exempt,
    /// What must work when nothing else does.
    Critical,
    /// Before the ordinary.
    High,
    /// The ordinary.
    #[default]
    Normal,
    /// Can wait.
    Low,
    /// Nobody waits for it.
    Background,
}

impl Priority {
    /// The shares of the limit unless a limiter is built with others, from critical to background.
    pub const DEFAULT_SHARES: [f64; PRIORITIES] = [1.0, 1.0, 1.0, 0.85, 0.5];

    /// The class of ordinary calls: where calls are counted by what knows no priorities.
    pub(crate) const ORDINARY: usize = 2;

    /// The class that its calls are counted in; `None` for exempt ones.
    pub(crate) const fn class(self) -> Option<usize> {
        match self {
            Self::Exempt => None,
            Self::Critical => Some(0),
            Self::High => Some(1),
            Self::Normal => Some(Self::ORDINARY),
            Self::Low => Some(3),
            Self::Background => Some(4),
        }
    }
}
