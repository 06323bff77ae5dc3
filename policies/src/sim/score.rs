//! How good a law is in a scenario.
//!
//! The yardstick is an oracle ([`oracle`]): the best limit that a person could have set by hand in each phase, knowing the
//! scenario in advance. It runs on the same seeds as the law, so that both meet the same calls; its limits were found on
//! other seeds.
//!
//! | figure | meaning |
//! |---|---|
//! | goodput | answers within the deadline per second, from the end of the warm-up on; as a ratio to the oracle's |
//! | p99 | of the answers to admitted calls while the service is overloaded, from [`SETTLE_SECONDS`] after the start of a phase; of all answers where there is no overload |
//! | false rejects | rejections per arrival in phases without overload, from [`CALM_SECONDS`] after their start |
//! | convergence | time from a change until [`WINDOWS`] windows in a row have at least [`ENOUGH`] of the oracle's goodput in the same windows, over the mean of all seeds; the worst change counts |
//! | oscillation | standard deviation of the limit over its mean, in the last third of phases whose load is steady; the worst phase counts |
//!
//! A window is [`WINDOW_SECONDS`] long, or as much longer as it takes to hold [`WINDOW_CALLS`] answers of the oracle: in a
//! shorter one a steady service would miss the mark by chance.

pub mod fixed;
pub mod measure;
pub mod oracle;
pub mod tally;

/// Overload has settled this long after its start.
pub const SETTLE_SECONDS: f64 = 1.5;
/// Rejections of a phase without overload count from here on.
pub const CALM_SECONDS: f64 = 1.0;
/// Shortest window of the convergence.
pub const WINDOW_SECONDS: f64 = 0.5;
/// Answers that such a window holds at least, on average over the phase, all seeds together.
pub const WINDOW_CALLS: f64 = 400.0;
/// So many windows in a row have to be good.
pub const WINDOWS: usize = 4;
/// Share of the oracle's goodput that is good.
pub const ENOUGH: f64 = 0.9;
/// Phases at least this long have a steady stretch: their last third.
pub const STEADY_SECONDS: f64 = 6.0;

#[cfg(test)]
mod tests;
