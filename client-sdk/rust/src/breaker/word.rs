//! How the breaker's facts are packed into 64 bits, so that each changes as a whole.
//!
//! A generation has 21 bits and wraps: it only has to differ from those of calls that are still out.

const GENERATION_BITS: u32 = 21;
const GENERATIONS: u64 = 1 << GENERATION_BITS;
const TIME_BITS: u32 = 39;
const TIMES: u64 = 1 << TIME_BITS;
const STATE_SHIFT: u32 = GENERATION_BITS + TIME_BITS;

/// What the breaker does with calls now. The first few let every call through, so that one comparison tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Closed,
    PushedClosed,
    Disabled,
    Shadow,
    Recovering,
    HalfOpen,
    Open,
    PushedHalfOpen,
    PushedOpen,
    ForcedOpen,
}

impl State {
    const ALL: [Self; 10] = [
        Self::Closed,
        Self::PushedClosed,
        Self::Disabled,
        Self::Shadow,
        Self::Recovering,
        Self::HalfOpen,
        Self::Open,
        Self::PushedHalfOpen,
        Self::PushedOpen,
        Self::ForcedOpen,
    ];
    /// The first one that does not let every call through.
    const FIRST_PICKY: u64 = Self::Recovering as u64;

    /// The name in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::PushedClosed => "pushed_closed",
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
            Self::Recovering => "recovering",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
            Self::PushedHalfOpen => "pushed_half_open",
            Self::PushedOpen => "pushed_open",
            Self::ForcedOpen => "forced_open",
        }
    }

    /// Whether no call goes through.
    #[inline]
    pub const fn is_shut(self) -> bool {
        matches!(self, Self::PushedOpen | Self::ForcedOpen)
    }

    /// Whether failures in a row are counted: calls pass, that are no probes.
    pub const fn has_row(self) -> bool {
        matches!(self, Self::Closed | Self::PushedClosed | Self::Disabled | Self::Shadow | Self::Recovering)
    }

    /// Whether the breaker's own rules decide.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Closed | Self::Recovering | Self::HalfOpen | Self::Open)
    }
}

/// State, generation and the end of what the state waits for: 4, 21 and 39 bits (milliseconds of the clock, 17 years).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    pub state: State,
    pub generation: u64,
    pub until_ms: u64,
}

impl Word {
    /// The latest time that fits.
    pub const LATEST_MS: u64 = TIMES - 1;

    /// Whether every call goes through, without taking the word apart.
    #[inline]
    pub const fn passes_all(word: u64) -> bool {
        word < State::FIRST_PICKY << STATE_SHIFT
    }

    /// The generation where it is; a [`Probe`] has it in the same place.
    #[inline]
    pub const fn generation_bits(word: u64) -> u64 {
        word & ((GENERATIONS - 1) << TIME_BITS)
    }

    #[inline]
    pub const fn unpack(word: u64) -> Self {
        // Only `pack` writes the word, so the four bits are always one of the ten states.
        let state = State::ALL[(word >> STATE_SHIFT) as usize % State::ALL.len()];
        Self { state, generation: (word >> TIME_BITS) % GENERATIONS, until_ms: word % TIMES }
    }

    pub const fn pack(self) -> u64 {
        let until_ms = if self.until_ms > Self::LATEST_MS { Self::LATEST_MS } else { self.until_ms };
        ((self.state as u64) << STATE_SHIFT) | (self.generation << TIME_BITS) | until_ms
    }

    pub const fn next_generation(self) -> u64 {
        (self.generation + 1) % GENERATIONS
    }
}

/// A probe that is out: its generation, slot and deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    pub generation: u64,
    pub deadline_ms: u64,
    /// Which of the eight slots it holds.
    pub index: usize,
}

impl Probe {
    /// `None`: the slot is free. A deadline is never at time zero, so a probe is never packed into 0.
    #[inline]
    pub const fn unpack(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        let index = (word >> STATE_SHIFT) as usize;
        Some(Self { index, generation: (word >> TIME_BITS) % GENERATIONS, deadline_ms: word % TIMES })
    }

    #[inline]
    pub const fn pack(self) -> u64 {
        let deadline_ms = if self.deadline_ms >= TIMES { TIMES - 1 } else { self.deadline_ms };
        ((self.index as u64) << STATE_SHIFT) | (self.generation << TIME_BITS) | deadline_ms
    }

    /// Whether it is out for too long.
    pub const fn expired(self, now_ms: u64) -> bool {
        self.deadline_ms < now_ms
    }

    /// Whether it was let out before that generation, in the wrapping order.
    pub const fn is_before(self, generation: u64) -> bool {
        let ahead = generation.wrapping_sub(self.generation) % GENERATIONS;
        0 < ahead && ahead < GENERATIONS / 2
    }
}

#[cfg(all(test, not(setpoint_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everything_that_is_packed_comes_back(
            state in 0..State::ALL.len(), generation in 0..GENERATIONS, at in 1..TIMES, index in 0_usize..8,
        ) {
            let word = Word { state: State::ALL[state], generation, until_ms: at };
            prop_assert_eq!(Word::unpack(word.pack()), word);
            let passes =
                matches!(word.state, State::Closed | State::PushedClosed | State::Disabled | State::Shadow);
            prop_assert_eq!(Word::passes_all(word.pack()), passes);
            let probe = Probe { generation, deadline_ms: at, index };
            prop_assert_eq!(Probe::unpack(probe.pack()), Some(probe));
            prop_assert_eq!(Word::generation_bits(probe.pack()), Word::generation_bits(word.pack()));
        }
    }

    #[test]
    fn a_time_beyond_the_word_stays_in_its_bits() {
        let word = Word { state: State::Open, generation: 5, until_ms: u64::MAX };
        assert_eq!(Word::unpack(word.pack()), Word { until_ms: Word::LATEST_MS, ..word });
    }

    #[test]
    fn generations_are_ordered_across_the_wrap() {
        let probe = |generation| Probe { generation, deadline_ms: 1, index: 0 };
        assert!(probe(4).is_before(5) && probe(GENERATIONS - 1).is_before(0));
        assert!(!probe(5).is_before(5) && !probe(5).is_before(4) && !probe(0).is_before(GENERATIONS - 1));
    }
}
