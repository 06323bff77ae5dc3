//! prototype
use super::{Law, Stage};
use crate::controllers::adaptive_concurrency::belief::envf;
use crate::controllers::adaptive_concurrency::sample::Sample;

impl Law {
    pub(in super::super) fn see_raw(&mut self, raw: &Sample) {
        self.belief.expect(self.floor.latency(), self.capacity.peak());
        let mut served = *raw;
        if envf("GOODN", 1.0) > 0.5 { served.ended = raw.ended - raw.dropped; }
        self.belief.see(&served);
        if std::env::var_os("MLOG").is_some() {
            eprintln!("M {:.1} {:?} lim {:?} inf {:.1} n {} off {:.0} floor {:?} peak {:.0} phi {:.1} || {}", self.now, self.stage, raw.limit, raw.in_flight(), raw.ended, raw.offered(), self.floor.latency(), self.capacity.peak(), self.belief.phi(), self.belief.marginals());
        }
        if self.believing && self.stage == Stage::Overload {
            self.decide(raw);
        }
        if self.believing && self.stage != Stage::Overload && envf("SAFE", 0.8) > 0.0 {
            self.stay_safe(raw);
        }
    }

    fn stay_safe(&mut self, raw: &Sample) {
        let Some(limit) = self.safe(raw.in_flight(), envf("SAFE", 0.8)) else { return };
        if std::env::var_os("MLOG").is_some() { eprintln!("M safe {limit:.1} of {:.0}", self.limit); }
        if limit < 0.8 * self.limit && raw.in_flight() > 0.5 * limit && raw.in_flight() > 4.0 {
            let reason = self.allowed();
            self.set(limit, reason);
        }
    }

    pub(in super::super) fn safe(&self, least: f64, sure: f64) -> Option<f64> {
        let deadline = self.patience.deadline()?;
        let cells = self.belief.cells();
        let total: f64 = cells.iter().map(|c| c.0).sum();
        if cells.is_empty() { return None; }
        let mut limit = self.limit;
        loop {
            let p: f64 = cells.iter().map(|&(p, s, c, k)| {
                let wait = limit / self.belief.expected(limit, s, c, k);
                let budget = self.patience.budget(Some(s)).min(0.85 * deadline);
                p * ((deadline - wait) / (deadline - budget).max(1e-9)).clamp(0.0, 1.0)
            }).sum();
            if p >= sure * total || limit < 2.0 { break; }
            limit *= 0.85;
        }
        let _ = least;
        Some(limit)
    }

    fn decide(&mut self, raw: &Sample) {
        let cells = self.belief.cells();
        let offered = self.offered.unwrap_or(0.0).max(raw.offered() * 0.5);
        let fill = if envf("FILL", 1.0) > 0.5 { self.belief.fill() } else { 1.0 };
        let goodput = |limit: f64| -> f64 {
            cells.iter().map(|&(p, s, c, from)| {
                let n = limit * fill;
                let x = self.belief.expected(n, s, c, from);
                let wait = n / x;
                let (budget, deadline) = match self.patience.deadline() {
                    Some(d) => (self.patience.budget(Some(s)).min(0.85 * d), d),
                    None => (4.0 * s, 8.0 * s),
                };
                let f = ((deadline - wait) / (deadline - budget).max(1e-9)).clamp(0.0, 1.0);
                p * x.min(offered) * f
            }).sum()
        };
        let low = self.spec.min.max(1.0);
        let mut best = 0.0;
        let mut options = Vec::new();
        let mut l = (self.limit / 8.0).max(low);
        while l < (self.limit * 4.0).max(16.0).min(self.spec.max) {
            let u = goodput(l);
            if u > best { best = u; }
            options.push((l, u));
            l = (l * 1.15).max(l + 1.0);
        }
        let here = goodput(self.limit);
        let worth = envf("WORTH", 0.01);
        let Some(&(to, _)) = options.iter().find(|(_, u)| *u >= (1.0 - worth) * best) else { return };
        let keep = here >= (1.0 - 1.5 * worth) * best && to > 0.75 * self.limit;
        if std::env::var_os("BLOG").is_some() {
            let (s, c, k) = self.belief.means();
            eprintln!("B {:.1} limit {:.0} inf {:.1} X {:.0} off {:.0} rej {:.0} | s {:.1} ms C {:.1} phi {:.2} k {k:.2} fill {fill:.2} | to {:.0} keep {keep} u {:.1}/{:.1} dl {:?}", self.now, self.limit, raw.in_flight(), raw.throughput(), offered, raw.rejected, s * 1e3, c, self.belief.phi(), to, here, best, self.patience.deadline());
        }
        if keep { return; }
        let mut to = to;
        if to > self.limit {
            let wait = envf("UPW", 1.0) * raw.little().min(envf("UPM", 3.0));
            if self.now < self.up_at + wait { return; }
            to = to.min(self.limit * envf("UPF", 2.0) + 1.0);
            self.up_at = self.now;
        }
        let to = to.min(self.ceiling());
        let reason = self.at_knee();
        self.set(to, reason);
    }
}
