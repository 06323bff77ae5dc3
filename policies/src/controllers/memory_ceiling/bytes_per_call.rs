//! How many bytes of memory a call in flight holds, learnt from how memory and calls move together.
//!
//! A least-squares line through all (calls, memory) pairs is the obvious way, and it was seen to drift by a factor of seven in
//! closed loop: memory that an allocator keeps after a peak, caches that warm up while traffic grows, and a
//! collector's saw-tooth all pull it. Here differences count, not levels, and differences are told apart by what they can prove:
//!
//! - **rises**: pairs of windows, close in time, with clearly more calls in the later one. Their slopes are bytes per call, even where
//!   an allocator never gives anything back; the median of them is the estimate.
//! - **falls**: pairs with clearly fewer calls later. They tell how much of it is given back: most allocators give back all or
//!   nothing. Where memory *grows* while calls fall, something else than calls moves it, and the rises prove nothing either.
//!
//! A higher estimate is taken at once, a lower one slowly: too high costs a little throughput, too low may cost the process.
//! Without evidence (calls stay as they are, the service is idle) the estimate stands and its confidence decays.
//!
//! Bounded: 48 windows, at most 1,128 pairs, looked at when a window is added.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Windows kept.
const KEPT: usize = 48;
/// Pairs further apart than this say more about drift than about calls.
const APART: Duration = Duration::from_secs(20);
/// Rises needed for an estimate, and falls to tell what is given back.
const RISES: usize = 6;
const FALLS: usize = 4;
/// How much of what falls show is taken over at a time.
const LEARN: f64 = 0.3;
/// Of these, the share that must show more memory.
const AGREE: f64 = 0.75;
/// Falls may not show growth by more than this share of what rises show.
const CONTRADICTS: f64 = 0.25;
/// How much of a lower estimate is taken over.
const DOWN: f64 = 0.1;
/// Uncertainty of a fresh estimate is at least this, and of an old one at most 1.
const LEAST: f64 = 0.1;
/// From certain to uncertain without evidence.
const FORGET: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy)]
struct Window {
    at: Timestamp,
    calls: f64,
    bytes: f64,
}

/// The estimator.
#[derive(Debug, Default)]
pub struct BytesPerCall {
    windows: VecDeque<Window>,
    estimate: Option<Estimate>,
    /// Share of a call's memory that falls when the call ends, once it is known.
    given_back: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    bytes: f64,
    spread: f64,
    at: Timestamp,
}

impl BytesPerCall {
    /// Takes in a window: mean calls in flight, and memory at its end. What is not finite is left out. A window with about as many
    /// calls as the one before it replaces that one every now and then only, so that a steady load does not wash out what was learnt.
    pub fn push(&mut self, at: Timestamp, calls: f64, bytes: f64) {
        if !(calls.is_finite() && bytes.is_finite() && calls >= 0.0 && bytes >= 0.0) {
            return;
        }
        let known = self.windows.back();
        let moved = known.is_none_or(|last| (calls - last.calls).abs() >= clearly(calls, last.calls));
        if !moved && known.is_some_and(|last| at.since(last.at) < APART / 4) {
            return;
        }
        if self.windows.len() == KEPT {
            self.windows.pop_front();
        }
        self.windows.push_back(Window { at, calls, bytes });
        let (mut rises, mut falls) = self.slopes(at);
        let fall = quartiles(&mut falls).map(|[_, middle, _]| middle);
        if let Some((bytes, spread)) = evidence(&mut rises, fall) {
            let bytes = match self.estimate {
                Some(old) if bytes < old.bytes => old.bytes + DOWN * (bytes - old.bytes),
                _ => bytes,
            };
            self.estimate = Some(Estimate { bytes, spread, at });
        }
        if let (Some(estimate), Some(fall), FALLS..) = (self.estimate, fall, falls.len()) {
            let seen = (fall / estimate.bytes).clamp(0.0, 1.0);
            let known = self.given_back.unwrap_or(seen);
            self.given_back = Some(known + LEARN * (seen - known));
        }
    }

    /// Bytes per call, once they are known.
    pub fn bytes(&self) -> Option<f64> {
        self.estimate.map(|estimate| estimate.bytes)
    }

    /// How uncertain that is, from 0.1 (just seen, all agree) to 1.
    pub fn uncertainty(&self, now: Timestamp) -> f64 {
        self.estimate.map_or(1.0, |estimate| {
            let age = now.since(estimate.at).as_secs_f64() / FORGET.as_secs_f64();
            (estimate.spread + age).clamp(LEAST, 1.0)
        })
    }

    /// Bytes per call to reckon with: the estimate and a margin for what is uncertain. `None` before anything is known.
    pub fn cautious(&self, now: Timestamp) -> Option<f64> {
        Some(self.bytes()? * (1.0 + self.uncertainty(now)))
    }

    /// Share of a call's memory that falls when the call ends, 0 to 1. 1 while it is not known: the careful guess.
    pub fn given_back(&self) -> f64 {
        self.given_back.unwrap_or(1.0)
    }

    /// The slopes of rises and falls that end at most so long ago that they are news.
    fn slopes(&self, newest: Timestamp) -> (Vec<f64>, Vec<f64>) {
        let recent = self.windows.iter().filter(|window| newest.since(window.at) <= 2 * APART);
        let (mut rises, mut falls) = (Vec::new(), Vec::new());
        for (index, earlier) in recent.clone().enumerate() {
            for later in recent.clone().skip(index + 1) {
                let more = later.calls - earlier.calls;
                if later.at.since(earlier.at) > APART || more.abs() < clearly(later.calls, earlier.calls) {
                    continue;
                }
                let slopes = if more > 0.0 { &mut rises } else { &mut falls };
                slopes.push((later.bytes - earlier.bytes) / more);
            }
        }
        (rises, falls)
    }
}

/// What rises show, and how much they differ; `None` when they are few, disagree, or falls contradict them.
fn evidence(rises: &mut [f64], fall: Option<f64>) -> Option<(f64, f64)> {
    let agree = rises.iter().filter(|slope| **slope > 0.0).count();
    if rises.len() < RISES || (agree as f64) < AGREE * rises.len() as f64 {
        return None;
    }
    let [low, middle, high] = quartiles(rises)?;
    let contradicted = fall.is_some_and(|fall| fall < -CONTRADICTS * middle);
    (middle > 0.0 && !contradicted).then(|| (middle, (high - low) / (2.0 * middle)))
}

/// A difference in calls that is worth a slope.
fn clearly(calls: f64, others: f64) -> f64 {
    (0.1 * calls.max(others)).max(2.0)
}

fn quartiles(values: &mut [f64]) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values.get(values.len() * quarter / 4).copied();
    Some([at(1)?, at(2)?, at(3)?])
}

#[cfg(test)]
mod tests;
