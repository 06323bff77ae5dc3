//! The words for kinds and directions, said once: in recordings, on the wire and for people.

use super::{Kind, Restrictive};

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 12] = [
        Self::ConcurrencyLimit,
        Self::RateLimit,
        Self::QueueLimit,
        Self::Breaker,
        Self::GcTarget,
        Self::MemoryLimit,
        Self::Parallelism,
        Self::PoolSize,
        Self::TimeoutMs,
        Self::Sampling,
        Self::Numeric,
        Self::Switch,
    ];

    /// The name in recordings and, in capitals, in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConcurrencyLimit => "concurrency_limit",
            Self::RateLimit => "rate_limit",
            Self::QueueLimit => "queue_limit",
            Self::Breaker => "breaker",
            Self::GcTarget => "gc_target",
            Self::MemoryLimit => "memory_limit",
            Self::Parallelism => "parallelism",
            Self::PoolSize => "pool_size",
            Self::TimeoutMs => "timeout_ms",
            Self::Sampling => "sampling",
            Self::Numeric => "numeric",
            Self::Switch => "switch",
        }
    }
}

impl Restrictive {
    /// All directions, in order.
    pub const ALL: [Self; 3] = [Self::Neither, Self::Lower, Self::Higher];

    /// The name in recordings and, in capitals, in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neither => "neither",
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}
