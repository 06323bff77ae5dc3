//! Throughput over concurrency: does more at once get less done?
//!
//! Contention, thrashing and lock convoys make throughput fall again above some concurrency. The law keeps the mean
//! throughput for each level of calls in flight, and when far more calls in flight are seen to get far less done than a
//! level below did, there is a ceiling just above that level. It goes when throughput below it is no longer what it was.

use super::sample::Sample;

/// Ratio between two levels.
const RATIO: f64 = 1.25;
const LEVELS: usize = 64;
const HALF_LIFE: f64 = 20.0;
/// A level counts from so many seconds on.
const ENOUGH: f64 = 0.3;

#[derive(Debug)]
pub(super) struct Curve {
    /// Calls ended and seconds spent at each level.
    levels: [(f64, f64); LEVELS],
    ceiling: f64,
    /// Throughput that the ceiling stands for.
    promised: f64,
    worse: u32,
    broken: u32,
}

impl Curve {
    pub(super) const fn new() -> Self {
        Self { levels: [(0.0, 0.0); LEVELS], ceiling: f64::INFINITY, promised: 0.0, worse: 0, broken: 0 }
    }

    /// Calls in flight above which less gets done; infinite if none is known.
    pub(super) const fn ceiling(&self) -> f64 {
        self.ceiling
    }

    /// A higher limit has proved itself.
    pub(super) const fn allow(&mut self, limit: f64) {
        self.ceiling = self.ceiling.max(1.1 * limit);
    }

    /// Takes a sample; `noise`: relative standard deviation of its throughput, `ours`: made at the limit that we set.
    pub(super) fn see(&mut self, sample: &Sample, noise: f64, ours: bool) {
        let fade = 0.5_f64.powf(sample.seconds / HALF_LIFE);
        for level in &mut self.levels {
            *level = (level.0 * fade, level.1 * fade);
        }
        let level = &mut self.levels[index(sample.in_flight())];
        *level = (level.0 + sample.ended, level.1 + sample.seconds);
        self.look_for_a_ceiling(sample, noise);
        self.doubt_the_ceiling(sample, ours);
    }

    /// The limit is at the ceiling and latency is fine: try a little more.
    pub(super) fn relax(&mut self, sample: &Sample) {
        if sample.throughput() > 0.85 * self.promised {
            self.ceiling *= 1.15;
        }
    }

    fn look_for_a_ceiling(&mut self, sample: &Sample, noise: f64) {
        let rates = self.levels.iter().enumerate().filter(|(_, (_, seconds))| *seconds > ENOUGH);
        let best =
            rates.map(|(at, (ended, seconds))| (at, ended / seconds)).max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, most)) = best else { return };
        let (calls, now) = (RATIO.powi(at as i32).round(), sample.throughput());
        let deviation = (most / sample.seconds).sqrt().max(noise * most);
        let worse = sample.in_flight() > 1.5 * calls
            && now < 0.75 * most
            && most - now > 2.0 * deviation
            && sample.offered() > now;
        self.worse = if worse { self.worse + 1 } else { 0 };
        if self.worse >= 3 || (self.worse >= 2 && now < 0.5 * most) {
            self.ceiling = self.ceiling.min(1.3 * calls + 2.0);
            (self.promised, self.worse) = (most, 0);
        }
    }

    fn doubt_the_ceiling(&mut self, sample: &Sample, ours: bool) {
        let near = (0.6 * self.ceiling..1.2 * self.ceiling).contains(&sample.in_flight());
        let short = sample.is_bound() && ours && sample.throughput() < 0.85 * self.promised;
        self.broken = if self.ceiling.is_finite() && near && short { self.broken + 1 } else { 0 };
        if self.broken >= 3 {
            *self = Self::new();
        }
    }
}

fn index(in_flight: f64) -> usize {
    ((in_flight.max(1.0).ln() / RATIO.ln()).round() as usize).min(LEVELS - 1)
}
