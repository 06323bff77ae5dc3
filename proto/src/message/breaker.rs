//! What a breaker does with calls, as its process tells. A setpoint says what a breaker should do, and may leave it to the
//! breaker itself; this says what has come of it.

/// What a breaker does with calls now, whoever decided that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// A few calls pass, to see whether the callee is well again.
    HalfOpen,
    /// Calls are rejected.
    Open,
    /// Calls are rejected on an operator's word.
    ForcedOpen,
    /// More and more calls pass.
    Recovering,
    /// Calls pass on an operator's word, and nothing trips it.
    Disabled,
    /// Calls pass; what would have happened is only told.
    Shadow,
}

impl BreakerState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Closed,
        Self::HalfOpen,
        Self::Open,
        Self::ForcedOpen,
        Self::Recovering,
        Self::Disabled,
        Self::Shadow,
    ];

    /// The name in status and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
            Self::ForcedOpen => "forced_open",
            Self::Recovering => "recovering",
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
        }
    }
}
