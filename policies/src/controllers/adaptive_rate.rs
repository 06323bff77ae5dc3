//! Finds the rate at which a callee answers nearly all calls.
//!
//! A paid API, a database behind a proxy, a service of another team: each allows so many calls a second, tells nobody how
//! many, and changes it. A fixed rate is too high, and then calls are refused that were paid for in time and retries, or too
//! low. What does tell is the answers: 429, `RESOURCE_EXHAUSTED`, overload. So the rate is cut when too many of them come,
//! and grows back otherwise: fast towards the rate of the last overload, slowly past it, then faster again. The obvious
//! curve, a constant step, is either slow after a large change or hits the ceiling all the time.
//!
//! Inputs: counters of the rate (admitted, completed, dropped, retry after), or of the limiter of the same name where the
//! service tells nothing of its rate. Output: calls per second, and a burst. For calls that go out, and for those that come
//! in: then the outcomes are the service's own.
//!
//! ```text
//! cut    plateau = min(used, max(accepted, cut_to x used))        per second, in the last look
//!        rate    = max(used / 2, min(cut_to x used, accepted))
//! grow   rate    = plateau + depth ((t - recovery) / recovery)^3   t: time since the cut in which the rate was used
//!        depth   = max(plateau - rate after the cut, (1 - cut_to) plateau)
//!        rate   <= 2 x used
//! ```
//!
//! That is the curve of the client-side rate limiter in the AWS SDKs' adaptive retry mode (botocore, `retries/throttling.py`
//! and `adaptive.py`: `rate = 0.4 (t - k)^3 + w_max`, cut to 0.7, at most twice the measured rate), itself CUBIC of RFC 9438,
//! with one change: they fix the steepness, so that the time back to the plateau grows with the cube root of the rate, from
//! 2 s at 10 per second to 20 s at 10,000; here that time is the parameter, and a callee of any size is found equally
//! fast. What is ours: one cut for one overload (`cool_down`), what was accepted as the measure of a cut, the clock that
//! stands while the rate is not used, and the wait that a callee asks for.
//!
//! | what is seen | what is done | reason |
//! |---|---|---|
//! | more than `tolerate` of the calls refused | cut, then nothing for `cool_down` | overload |
//! | the callee asks to be left alone | no growth until then (60 s at most); `min`, if it refuses half of the calls | retry_after |
//! | less than 80 % of the rate used | no growth: nobody knows whether more would do | app_limited |
//! | else | grow | growing |
//!
//! | parameter | default | range | raising it | lowering it |
//! |---|---|---|---|---|
//! | `min` | 1/s | 0.001/s to 100000000/s | more calls to a callee that refuses all | fewer |
//! | `max` | 10000/s | `min` to 100000000/s | room to grow | a harder ceiling |
//! | `cut_to` | 70 % | 20 % to 95 % | fuller use, refusals more often | rarer refusals, less use |
//! | `recovery` | 5 s | 1 s to 10 min | rarer refusals, slower to find more | faster, more often refused |
//! | `tolerate` | 1 % | 0 % to 50 % | bears stray refusals | cuts at the first one |
//! | `cool_down` | 1 s | 100 ms to 1 min | for callees with a long latency | faster in finding a much lower rate |
//! | `burst` | 1 s | 1 ms to 1 min | more calls at once after a pause | smoother |
//!
//! Failure modes: without counters it holds for ten seconds and then gives the rate back to its baseline. A service that
//! tells no outcomes has no overload for it to see: then the rate stays where it is (`app_limited`). Refusals that have
//! nothing to do with the rate cut it all the same, down to `min` at worst, and it grows back when they end. A value that
//! something else holds (a pin, another policy) is where it goes on from.

use std::time::Duration;

use crate::policy::{Policy, Proposal, Seen, Want};
use crate::spec::Controller;

mod curve;
mod look;
mod parameters;
mod state;

pub use parameters::AdaptiveRate;
use state::State;

const STALE_AFTER: Duration = Duration::from_secs(2);
/// A rate at work.
#[derive(Debug)]
pub struct AdaptiveRatePolicy {
    spec: AdaptiveRate,
    state: Option<State>,
    incarnation: u64,
}

impl AdaptiveRatePolicy {
    /// A policy that begins at what is in force.
    pub const fn new(spec: AdaptiveRate) -> Self {
        Self { spec, state: None, incarnation: 0 }
    }
}

impl Policy for AdaptiveRatePolicy {
    fn step(&mut self, seen: &Seen<'_>) -> Proposal {
        if self.incarnation != seen.incarnation {
            (self.incarnation, self.state) = (seen.incarnation, None);
        }
        let totals = match seen.fresh_totals(STALE_AFTER) {
            Ok(totals) => totals,
            Err(unknown) => {
                if unknown.want == Want::Release {
                    self.state = None;
                }
                return unknown;
            }
        };
        let state = self.state.get_or_insert_with(|| State::start(&self.spec, seen, totals));
        state.step(&self.spec, seen, totals)
    }

    fn respec(&mut self, controller: &Controller) -> bool {
        let Controller::AdaptiveRate(spec) = controller else { return false };
        self.spec = spec.clone();
        if let Some(state) = &mut self.state {
            state.respec(spec);
        }
        true
    }
}

#[cfg(test)]
mod tests;
