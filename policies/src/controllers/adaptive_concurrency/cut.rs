//! A lower limit is an experiment: does throughput stay?
//!
//! With the limit full, "more calls wait" and "calls take longer" look alike. Fewer calls in flight tell them apart: if there
//! was a queue, as many calls end as before; if calls simply take that long, throughput falls with the limit. Then the cut was
//! wrong, and what was measured is the new latency floor. That verdict is put to the test as well: when the limit is given
//! back, throughput must come back; otherwise something else took it, and it was a queue after all.

use super::sample::Sample;

/// Throughput that may be lost.
const LOSS: f64 = 0.15;
/// Certainty that a loss asks for, in standard errors: a wrong verdict keeps a queue for long.
const SIGMAS: f64 = 1.5;
/// Share of the lost throughput that must come back with the limit.
const RETURN: f64 = 0.4;
/// Samples after which the best guess has to do.
const LONGEST: u32 = 8;
/// Floors longer than so many deadlines are no floors worth keeping to.
const DEADLINES: f64 = 2.0;
/// Seconds to wait for calls of before to end, at most.
const WAIT: f64 = 1.0;

/// Sums over samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Point {
    pub(super) seconds: f64,
    pub(super) area: f64,
    pub(super) ended: f64,
    pub(super) good: f64,
}

impl Point {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut point = Self::default();
        samples.iter().for_each(|sample| point.add(sample));
        point
    }

    fn add(&mut self, sample: &Sample) {
        self.seconds += sample.seconds;
        self.area += sample.area;
        self.ended += sample.ended;
        self.good += sample.good;
    }

    pub(super) fn throughput(&self) -> f64 {
        self.ended / self.seconds.max(1e-9)
    }

    pub(super) fn in_flight(&self) -> f64 {
        self.area / self.seconds.max(1e-9)
    }

    fn goodput(&self) -> f64 {
        self.good / self.seconds.max(1e-9)
    }

    fn little(&self) -> f64 {
        self.area / self.ended.max(1e-9)
    }
}

/// What an experiment has shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding {
    /// Not yet clear.
    Open,
    /// The limit is not in use any more: nothing to learn.
    Unused,
    /// As much is done with less: a queue.
    Queue {
        /// Calls per second.
        throughput: f64,
    },
    /// Throughput fell with the limit: calls take this long.
    Floor {
        /// Latency before and now.
        before: f64,
        /// Now.
        latency: f64,
        /// Calls per second before the cut.
        throughput: f64,
    },
    /// Given back, but throughput did not come back: a queue after all.
    NoFloor {
        /// What was thought to be the floor before.
        floor: f64,
        /// Calls per second.
        throughput: f64,
    },
}

/// A change of the limit that is being looked at.
#[derive(Debug)]
pub(super) struct Cut {
    /// What was before.
    from: Point,
    from_throughput: f64,
    from_goodput: f64,
    limit: f64,
    /// The limit is being given back: the floor that was known before, and the throughput before the cut.
    giving_back: Option<(f64, f64)>,
    /// Seconds to wait still, once calls in flight have followed the limit.
    wait: Option<f64>,
    seen: Point,
    samples: u32,
    seconds: f64,
}

impl Cut {
    pub(super) fn down(from: Point, limit: f64) -> Self {
        Self {
            from_throughput: from.throughput(),
            from_goodput: from.goodput(),
            from,
            limit,
            giving_back: None,
            wait: None,
            seen: Point::default(),
            samples: 0,
            seconds: 0.0,
        }
    }

    /// The limit goes back up after [`Finding::Floor`]; does throughput too?
    pub(super) fn back(self, limit: f64, floor_before: f64) -> Self {
        let giving_back = Some((floor_before, self.from_throughput));
        Self { giving_back, ..Self::down(self.seen, limit) }
    }

    /// Takes a sample that was made at the limit in question.
    pub(super) fn observe(&mut self, sample: &Sample, deadline: Option<f64>) -> Finding {
        self.seconds += sample.seconds;
        match self.wait {
            None => {
                self.note_draining(sample);
                return Finding::Open;
            }
            Some(left) if left > 0.0 => {
                self.wait = Some(left - sample.seconds);
                return Finding::Open;
            }
            Some(_) => {}
        }
        self.seen.add(sample);
        self.samples += 1;
        if self.samples < 2 || (self.seen.ended < 20.0 && self.samples < LONGEST) {
            return Finding::Open;
        }
        match self.giving_back {
            Some((floor, throughput)) => self.judge_return(floor, throughput),
            None => self.judge(deadline),
        }
    }

    /// Calls in flight are still on their way to the new limit.
    fn note_draining(&mut self, sample: &Sample) {
        let there = if self.giving_back.is_some() {
            sample.in_flight_now >= 0.85 * self.limit || self.seconds > 2.0
        } else {
            let halfway = f64::midpoint(self.from.in_flight(), self.limit);
            let deep = self.limit < 0.7 * self.from.in_flight();
            if deep && sample.in_flight() > halfway && sample.ended >= 10.0 {
                // Throughput had fallen before the cut could matter: compare with that.
                self.from_throughput = self.from_throughput.min(sample.throughput());
                self.from_goodput = self.from_goodput.min(sample.goodput());
            }
            sample.in_flight_now <= 1.15 * self.limit + 1.0
        };
        if there {
            self.wait = Some((1.2 * sample.little()).min(WAIT));
        }
    }

    fn judge(&self, deadline: Option<f64>) -> Finding {
        let now = self.seen;
        let overdue = self.samples >= LONGEST;
        if now.in_flight() > 0.9 * self.from.in_flight() {
            return if self.samples >= 5 { Finding::Unused } else { Finding::Open };
        }
        let loss = 1.0 - now.throughput() / self.from_throughput.max(1e-9);
        let error = (1.0 / self.from.ended.max(1.0) + 1.0 / now.ended.max(1.0)).sqrt().min(0.5);
        let better = deadline.is_some() && now.good > 0.0 && now.goodput() > 0.97 * self.from_goodput;
        let hopeless = deadline.is_some_and(|deadline| now.little() > DEADLINES * deadline);
        if better || hopeless || loss + 0.5 * error < LOSS || (overdue && loss < 0.2) {
            Finding::Queue {
                throughput: now.throughput().max(if hopeless { 0.0 } else { 0.9 * self.from_throughput }),
            }
        } else if loss - SIGMAS * error > LOSS || overdue {
            Finding::Floor {
                before: self.from.little(),
                latency: now.little(),
                throughput: self.from_throughput,
            }
        } else {
            Finding::Open
        }
    }

    fn judge_return(&self, floor: f64, before: f64) -> Finding {
        let (low, now) = (self.from_throughput, self.seen.throughput());
        if self.seen.in_flight() < 1.1 * self.from.in_flight() {
            return Finding::Unused;
        }
        if (now - low) < RETURN * (before - low) {
            return Finding::NoFloor { floor, throughput: now.max(0.5 * low) };
        }
        Finding::Unused
    }
}
