//! The estimators put together: how a process stands with its memory, once per tick.
//!
//! ```text
//! least       = clamp(price / (cap x cpus), 0.15, 1)               the ratio at which collections take the cap of CPUs
//! sustainable = (budget - overhead - least x roots) / (1 + least)  largest live heap that collections keep up with
//! ratio       = live / sustainable
//! ```

use std::time::Duration;

use super::budget::{self, Budget};
use super::calls::Calls;
use super::external::External;
use super::leak::Leak;
use super::rates::Rates;
use super::sense::Sensed;
use super::state::{Pressure, State, States};
use crate::claim::{Claim, Others};
use crate::envelope::Heap;
use crate::policy::{Proposal, Seen, Want};
use crate::reason::{GcReason, Reason};
use crate::time::Timestamp;

const MI: f64 = 1024.0 * 1024.0;
/// A smaller limit is left alone: the runtime itself needs most of it.
const SMALLEST_LIMIT: f64 = 64.0 * MI;
/// A limit that moved by less is the same one.
const SAME_LIMIT: f64 = 0.005;
/// So long a changed limit is what explains a decision.
const CHANGE_EXPLAINS: Duration = Duration::from_secs(5);
/// Waiting for memory, with hardly anything left to reclaim, means that the reckoning is off.
const STALLED: f64 = 0.15;
/// Collections that take so many times their cap of CPUs are a brown-out.
const BROWN_OUT: f64 = 1.5;
const FULL: f64 = 0.85;

/// What the state of a heap is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// Share of usable CPUs that collections may take.
    pub gc_cpu_cap: f64,
    /// Lowest ratio of a collection, 0.15 by default.
    pub least: f64,
    /// Whether calls that came since the newest collection count as alive.
    pub ahead: bool,
}

/// How a process stands with its memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub limit: f64,
    /// Of the newest collection, and with what calls keep alive since.
    pub live: f64,
    pub alive: f64,
    /// Memory of others, held and looked ahead.
    pub external: f64,
    pub margin: f64,
    /// What the runtime holds.
    pub held: f64,
    /// What of it it does not use, as far as is known.
    pub unused: f64,
    pub budget: f64,
    pub heap: Heap,
    /// The ratio at which collections take the cap.
    pub least: f64,
    /// Largest live heap that collections keep up with.
    pub sustainable: f64,
    /// Live heap over that.
    pub ratio: f64,
    pub state: State,
    /// What explains it.
    pub reason: Reason,
    /// A collection ended since the last look.
    pub collected: bool,
    pub in_flight: Option<f64>,
    pub bytes_per_call: Option<f64>,
    /// Growth that the load does not explain, bytes per second, and how long it can go on.
    pub leak: Option<(f64, Duration)>,
}

impl View {
    /// Why a process is asked to give back.
    pub(super) fn over_budget(&self) -> Reason {
        GcReason::OverBudget { held: self.held, budget: self.budget }.into()
    }
}

/// What there is and what it leaves, bytes.
#[derive(Debug, Clone, Copy)]
struct Sums {
    external: f64,
    margin: f64,
    budget: f64,
    /// Share of time that tasks waited for memory, where that counts.
    stall: Option<f64>,
}

/// Looks at one process.
#[derive(Debug, Default)]
pub(super) struct Watch {
    rates: Rates,
    external: External,
    budget: Budget,
    states: States,
    calls: Calls,
    leak: Leak,
    cycles: Option<f64>,
    limit: Option<f64>,
    changed: Option<(Timestamp, GcReason)>,
    others: Others,
    claim: Option<Claim>,
}

impl Watch {
    /// What the others under the same limit claim.
    pub(super) const fn hear(&mut self, others: Others) {
        self.others = others;
    }

    /// What this process claims.
    pub(super) const fn claim(&self) -> Option<Claim> {
        self.claim
    }

    /// # Errors
    /// What to propose instead: something needed is unknown, no collection has ended yet, or the limit is too small.
    pub(super) fn look(&mut self, seen: &Seen<'_>, bounds: &Bounds) -> Result<View, Proposal> {
        let sensed = Sensed::of(seen)?;
        if sensed.limit < SMALLEST_LIMIT {
            let reason = GcReason::TooSmall { limit: sensed.limit };
            return Err(Proposal { want: Want::Anything, ..Proposal::hold(reason) });
        }
        self.note_limit(seen.now, sensed.limit);
        self.rates.update(&sensed);
        self.calls.update(seen, self.rates.allocation());
        self.note_claim(&sensed);
        if sensed.live <= 0.0 {
            return Err(Proposal::hold(Reason::Measuring { samples: 0 }));
        }
        Ok(self.view(seen, &sensed, bounds))
    }

    fn note_limit(&mut self, now: Timestamp, limit: f64) {
        if let Some(before) = self.limit
            && (limit - before).abs() > SAME_LIMIT * before
        {
            self.changed = Some((now, GcReason::LimitChanged { from: before, to: limit }));
            self.limit = Some(limit);
        }
        self.limit.get_or_insert(limit);
        self.changed = self.changed.filter(|(at, _)| now.since(*at) < CHANGE_EXPLAINS);
    }

    fn note_claim(&mut self, sensed: &Sensed) {
        self.claim = sensed.group.map(|group| Claim {
            group,
            held: sensed.held,
            fixed: sensed.live + sensed.overhead,
            live: sensed.live,
            weight: self.weight(sensed),
        });
    }

    /// Of its share among several: the square root of what room is worth to it.
    fn weight(&self, sensed: &Sensed) -> f64 {
        (self.rates.price().unwrap_or(0.0) * sensed.live).sqrt()
    }

    fn view(&mut self, seen: &Seen<'_>, sensed: &Sensed, bounds: &Bounds) -> View {
        let sums = self.sums(seen.now, sensed);
        let least = self.least(sensed, bounds);
        let room = sums.budget - sensed.overhead;
        let largest = |least: f64| (room - least * sensed.roots) / (1.0 + least);
        let sustainable = largest(least);
        let collected = self.note_cycle(sensed);
        let alive = if bounds.ahead { self.alive(sensed) } else { sensed.live };
        let unreclaimable = sensed.live + sensed.overhead + sums.external + self.others.fixed;
        let pressure = Pressure {
            ratio: if sustainable > 0.0 { alive / sustainable } else { f64::INFINITY },
            infeasible: sensed.live + bounds.least * sensed.marked() > room,
            unreclaimable: unreclaimable / sensed.limit,
            stall: sensed.stall,
            share: self.rates.share(sensed).map(|share| share / bounds.gc_cpu_cap),
            limiter_fired: self.rates.limiter_fired(),
        };
        let state = self.states.step(seen.now, &pressure);
        let end = largest((least / BROWN_OUT).max(bounds.least));
        View {
            limit: sensed.limit,
            live: sensed.live,
            alive,
            external: sums.external,
            margin: sums.margin,
            held: sensed.runtime,
            unused: sensed.runtime - sensed.overhead - sensed.objects.unwrap_or(0.0),
            budget: sums.budget,
            heap: self.heap(sensed),
            least,
            sustainable,
            ratio: pressure.ratio,
            state,
            reason: self.reason(sensed, state, &pressure, bounds, &sums),
            collected,
            in_flight: self.calls.in_flight(),
            bytes_per_call: self.calls.bytes(),
            leak: self.note_leak(seen.now, sensed, end, collected),
        }
    }

    fn heap(&self, sensed: &Sensed) -> Heap {
        Heap {
            live: sensed.live,
            roots: sensed.roots,
            overhead: sensed.overhead,
            cost: self.rates.price(),
            cpus: sensed.cpus,
        }
    }

    fn sums(&mut self, now: Timestamp, sensed: &Sensed) -> Sums {
        let marking = budget::marking(sensed, self.rates.cost());
        let margin = budget::margin(sensed, self.rates.allocation(), marking);
        let urgent = sensed.working > sensed.limit - 0.5 * margin;
        let outside = (sensed.working - sensed.held - self.others.held).max(0.0);
        let external = self.external.update(sensed.at, outside, marking.unwrap_or(0.0), urgent);
        let stall = stalled(sensed);
        let free = sensed.limit - external - margin;
        let goal = stall.map_or(free, |_| free.min(sensed.runtime - 0.05 * sensed.limit));
        let goal = budget::part(goal, sensed, self.weight(sensed), &self.others);
        Sums { external, margin, budget: self.budget.step(now, goal, sensed.limit), stall }
    }

    fn least(&self, sensed: &Sensed, bounds: &Bounds) -> f64 {
        let price = self.rates.price().zip(sensed.cpus);
        let at_cap = price.map_or(bounds.least, |(price, cpus)| price / (bounds.gc_cpu_cap * cpus));
        at_cap.min(1.0).max(bounds.least)
    }

    fn reason(
        &self,
        sensed: &Sensed,
        state: State,
        pressure: &Pressure,
        bounds: &Bounds,
        sums: &Sums,
    ) -> Reason {
        let (ratio, limit) = (pressure.ratio, sensed.limit);
        let over = pressure.share.filter(|share| *share > 1.0);
        let reason = match (self.changed, sums.stall, state) {
            (Some((_, change)), ..) => change,
            (_, Some(ratio), _) => GcReason::MemoryStall { ratio },
            (.., State::Shed) if ratio <= state.begins() && over.is_some() => {
                GcReason::CpuShare { ratio: over.unwrap_or(0.0) * bounds.gc_cpu_cap, cap: bounds.gc_cpu_cap }
            }
            (.., State::Shed) if pressure.limiter_fired => GcReason::LimiterFired,
            (.., State::Shed | State::Starved) => {
                GcReason::Pressed { state, ratio, threshold: state.begins() }
            }
            _ if sums.external > 0.10 * limit => GcReason::ExternalMemory { bytes: sums.external, limit },
            (.., State::Watch) => GcReason::Pressed { state, ratio, threshold: state.begins() },
            _ => GcReason::Headroom { ratio, limit },
        };
        reason.into()
    }

    fn note_cycle(&mut self, sensed: &Sensed) -> bool {
        let before = std::mem::replace(&mut self.cycles, sensed.cycles);
        let collected = before.is_some() && before != sensed.cycles;
        if collected {
            self.calls.note_collection();
        }
        collected
    }

    /// What is alive by now: at most all that is in the heap.
    fn alive(&self, sensed: &Sensed) -> f64 {
        let unseen = self.calls.unseen_bytes();
        let most = sensed.objects.unwrap_or(sensed.live);
        (sensed.live + unseen).min(most).max(sensed.live)
    }

    fn note_leak(
        &mut self,
        now: Timestamp,
        sensed: &Sensed,
        end: f64,
        collected: bool,
    ) -> Option<(f64, Duration)> {
        let in_flight = self.calls.in_flight()?;
        let explained = self.calls.bytes().unwrap_or(0.0) * in_flight;
        if collected {
            self.leak.update(now, sensed.live, explained);
        }
        let slope = self.leak.slope()?;
        let left = ((end - sensed.live) / slope).clamp(0.0, 86_400.0);
        Some((slope, Duration::try_from_secs_f64(left).ok()?))
    }
}

/// Tasks wait for memory, or the limit is hit, with hardly anything left to reclaim.
fn stalled(sensed: &Sensed) -> Option<f64> {
    let stall = sensed.stall.unwrap_or(0.0);
    let hit = sensed.limit_hits.is_some_and(|hits| hits > 0.0);
    ((stall > STALLED || hit) && sensed.working > FULL * sensed.limit).then_some(stall)
}
