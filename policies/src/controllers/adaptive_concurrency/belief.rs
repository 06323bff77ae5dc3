//! prototype
use super::sample::Sample;

pub(super) const NS: usize = 17;
pub(super) const NC: usize = 25;
pub(super) const NK: usize = 3;
const N: usize = NS * NC * NK;
const S_STEP: f64 = 0.34657359; // ln(2)/2
const C_STEP: f64 = 0.23104906; // ln(2)/3
const POWERS: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 8.0];
const T_STEP: f64 = 0.05;
const T_LEN: usize = 400;

pub(super) fn envf(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[derive(Debug)]
pub(super) struct Belief {
    p: Vec<f64>,
    /// index of the first cell.
    s0: i32,
    c0: i32,
    ready: bool,
    lag: Vec<f64>,
    phi: f64,
    phi_var: f64,
    before: Option<(f64, f64)>,
    hazard: f64,
    err: f64,
    diffuse: f64,
    prior: Vec<f64>,
    prior_row: Vec<f64>,
    prior_col: Vec<f64>,
    lone: f64,
    prior_k: [f64; NK],
    sharp: f64,
    dsharp: f64,
    kfrom: [f64; NK],
    kpow: [f64; NK],
    mean_c: f64,
    fill: f64,
    fillg: f64,
    clip: f64,
    lagf: f64,
    stail: f64,
    ctail: f64,
    clow: f64,
    best_c: f64,
    jumps: [f64; 4],
    table: Vec<[f64; T_LEN]>,
}

/// Throughput with `n` calls in flight.
pub(super) fn throughput(n: f64, s: f64, c: f64, power: f64, from: f64) -> f64 {
    let free = n / s;
    let x = free / c;
    if x < 1e-9 { return free; }
    let c = if x > from { c * from / x } else { c };
    let x = x.min(from);
    if x > 1.0 { c / (1.0 + x.powf(-power)).powf(1.0 / power) } else { free / (1.0 + x.powf(power)).powf(1.0 / power) }
}

pub(super) fn open_power(s: f64, c: f64) -> f64 { (c * s).sqrt().clamp(1.0, 8.0) }

fn power_index(power: f64) -> usize {
    POWERS.iter().position(|p| power < 1.2 * p).unwrap_or(5)
}

impl Belief {
    pub(super) fn new() -> Self {
        let kp = envf("KP", 0.1);
        let table = POWERS.iter().map(|power| std::array::from_fn(|at| {
            let x = ((at as f64 - T_LEN as f64 / 2.0) * T_STEP).exp();
            throughput(x, 1.0, 1.0, *power, 1e12).ln()
        })).collect();
        Self {
            p: vec![1.0 / N as f64; N],
            s0: 0, c0: 0, ready: false,
            lag: vec![0.0; NS],
            phi: 1.0, phi_var: 1.0,
            before: None,
            hazard: envf("HAZ", 0.12),
            err: envf("ERR", 0.1),
            diffuse: envf("DIF", 0.05),
            prior: vec![0.0; NS * NC],
            prior_row: vec![0.0; NS * NC],
            prior_col: vec![0.0; NS * NC],
            lone: envf("LONE", 0.05),
            prior_k: [1.0 - 2.0 * kp, kp, kp],
            sharp: envf("SHARP", 1.0),
            dsharp: envf("DSHARP", 1.0),
            kpow: [0.0, envf("G1", 1.5), envf("G2", 1.5)], fill: 1.0, mean_c: 0.0, fillg: envf("FILLG", 0.05),
            kfrom: [1e9, envf("K1", 4.0), envf("K2", 8.0)],
            clip: envf("CLIP", 8.0),
            lagf: envf("LAGF", 0.8),
            stail: envf("STAIL", 0.5),
            ctail: envf("CTAIL", 0.5), clow: envf("CLOW", 0.2), best_c: 0.0,
            jumps: [envf("JC", 0.3), envf("JS", 0.1), envf("JB", 0.5), envf("JK", 0.1)],
            table,
        }
    }

    pub(super) fn capacity(&self) -> Option<f64> { self.ready.then(|| (self.mean_c).exp()) }
    pub(super) fn fill(&self) -> f64 { self.fill }
    pub(super) fn phi(&self) -> f64 { self.phi }
    fn s(&self, i: usize) -> f64 { ((self.s0 + i as i32) as f64 * S_STEP).exp() }
    fn c(&self, j: usize) -> f64 { ((self.c0 + j as i32) as f64 * C_STEP).exp() }

    pub(super) fn see(&mut self, raw: &Sample) {
        if !self.ready { return; }
        let n = raw.in_flight();
        let dt = raw.seconds;
        for i in 0..NS {
            let s = self.s(i);
            self.lag[i] += (n - self.lag[i]) * (1.0 - (-dt / (self.lagf * s)).exp());
        }
        let g = envf_once();
        let m = self.before.map_or(raw.ended, |(m, _)| m);
        let off = raw.ended - m;
        self.phi_var += g * (off * off - self.phi_var);
        let m = m + g * off;
        self.before = Some((m, 0.0));
        self.phi = (self.phi_var / m.max(0.5)).clamp(0.7, 300.0);
        self.mix(dt);
        if let Some(limit) = raw.limit && raw.is_bound() {
            let g = self.fillg;
            self.fill += g * ((n / limit).clamp(0.1, 1.0) - self.fill);
        } else { self.fill += 0.01 * (1.0 - self.fill); }
        let bound = raw.is_bound() && raw.limit.is_some_and(|l| n > 0.8 * l) || raw.in_flight_now > raw.limit.unwrap_or(1e9);
        let beta = 1.0 / (self.phi + raw.ended * self.err * self.err);
        let mut best = f64::NEG_INFINITY;
        let mut ll = [0.0; N];
        for i in 0..NS {
            let s = (self.s0 + i as i32) as f64 * S_STEP;
            let free = self.lag[i].max(1e-6).ln() - s;
            for j in 0..NC {
                let c = (self.c0 + j as i32) as f64 * C_STEP;
                let open = (0.5 * (c + s)).exp().clamp(1.0, 8.0);
                let power = if bound { open.max(self.sharp) } else { open };
                let x = free - c;
                let table = &self.table[power_index(power)];
                for k in 0..NK {
                    let over = (x - self.kfrom[k].ln()).max(0.0);
                    let at = (((x - over) / T_STEP) + T_LEN as f64 / 2.0).clamp(0.0, T_LEN as f64 - 1.0);
                    let ln_mu = (c + table[at as usize] - over * self.kpow[k] + dt.ln()).max(-9.0);
                    let l = beta * (raw.ended * ln_mu - ln_mu.exp());
                    let at = (i * NC + j) * NK + k;
                    ll[at] = l;
                    if self.p[at] > 1e-9 { best = best.max(l); }
                }
            }
        }
        let mut sum = 0.0;
        for (p, l) in self.p.iter_mut().zip(&ll) {
            *p *= (l - best).clamp(-self.clip, 3.0).exp();
            sum += *p;
        }
        self.p.iter_mut().for_each(|p| *p /= sum);
        let mut mean = 0.0;
        for i in 0..NS { for j in 0..NC { for k in 0..NK { mean += self.p[(i * NC + j) * NK + k] * (self.c0 + j as i32) as f64 * C_STEP; } } }
        self.mean_c = mean;
    }

    fn mix(&mut self, dt: f64) {
        let h = 1.0 - (-self.hazard * dt).exp();
        let d = 1.0 - (-self.diffuse * dt).exp();
        let mut row = [0.0; NS * NK];
        let mut col = [0.0; NC * NK];
        let mut flat = [0.0; NS * NC];
        for i in 0..NS { for j in 0..NC { for k in 0..NK {
            let p = self.p[(i * NC + j) * NK + k];
            row[i * NK + k] += p; col[j * NK + k] += p; flat[i * NC + j] += p;
        } } }
        let kk: [f64; NK] = std::array::from_fn(|k| (0..NS).map(|i| row[i * NK + k]).sum());
        let old = self.p.clone();
        for i in 0..NS {
            for j in 0..NC {
                for k in 0..NK {
                    let near = |di: i64, dj: i64| {
                        let (a, b) = ((i as i64 + di).clamp(0, NS as i64 - 1) as usize, (j as i64 + dj).clamp(0, NC as i64 - 1) as usize);
                        old[(a * NC + b) * NK + k]
                    };
                    let around = 0.25 * (near(-1, 0) + near(1, 0) + near(0, -1) + near(0, 1));
                    let at = (i * NC + j) * NK + k;
                    let jump = self.jumps[0] * row[i * NK + k] * self.prior_row[i * NC + j] + self.jumps[1] * col[j * NK + k] * self.prior_col[i * NC + j] + self.jumps[2] * self.prior[i * NC + j] * kk[k] + self.jumps[3] * flat[i * NC + j] * self.prior_k[k];
                    self.p[at] = (1.0 - h - d) * old[at] + d * around + h * jump;
                }
            }
        }
    }

    pub(super) fn expect(&mut self, floor: Option<f64>, capacity: f64) {
        let Some(floor) = floor else { return };
        if capacity <= 0.0 { return }
        let s0 = (floor.ln() / S_STEP).round() as i32 - 2;
        let c0 = (capacity.ln() / C_STEP).round() as i32 - 12;
        if !self.ready {
            (self.s0, self.c0, self.ready) = (s0, c0, true);
            self.reprior(floor, capacity);
            for i in 0..NS { for j in 0..NC { for k in 0..NK { self.p[(i * NC + j) * NK + k] = self.prior[i * NC + j] * self.prior_k[k]; } } }
            return;
        }
        let ds = if (s0 - self.s0).abs() >= 2 { s0 - self.s0 } else { 0 };
        let dc = if (c0 - self.c0).abs() >= 3 { c0 - self.c0 } else { 0 };
        if ds != 0 || dc != 0 {
            let old = std::mem::replace(&mut self.p, vec![0.0; N]);
            let lag = self.lag.clone();
            for i in 0..NS { for j in 0..NC {
                let a = (i as i32 + ds).clamp(0, NS as i32 - 1) as usize;
                let b = (j as i32 + dc).clamp(0, NC as i32 - 1) as usize;
                for k in 0..NK { self.p[(i * NC + j) * NK + k] = old[(a * NC + b) * NK + k]; }
                self.lag[i] = lag[a];
            } }
            let sum: f64 = self.p.iter().sum();
            self.p.iter_mut().for_each(|p| *p /= sum);
            self.s0 += ds; self.c0 += dc;
        }
        self.reprior(floor, capacity);
    }

    fn reprior(&mut self, floor: f64, capacity: f64) {
        self.best_c = (self.best_c * 0.9992).max(capacity);
        let capacity = if envf("BESTC", 1.0) > 0.5 { self.best_c } else { capacity };
        let ws: Vec<f64> = (0..NS).map(|i| { let x = self.s(i) / floor; if x < 1.0 { x.powf(4.0) } else { x.powf(-self.stail) } }).collect();
        let wc: Vec<f64> = (0..NC).map(|j| { let x = self.c(j) / capacity; if x < 1.0 { x.powf(self.clow) } else { x.powf(-self.ctail) } }).collect();
        let mut sum = 0.0;
        let mut cols = [0.0; NC];
        for i in 0..NS {
            let mut row = 0.0;
            for j in 0..NC {
                let w = ws[i] * wc[j] * if self.s(i) * self.c(j) < 0.8 { self.lone } else { 1.0 };
                self.prior[i * NC + j] = w;
                row += w; sum += w; cols[j] += w;
            }
            for j in 0..NC { self.prior_row[i * NC + j] = self.prior[i * NC + j] / row; }
        }
        for i in 0..NS { for j in 0..NC {
            self.prior_col[i * NC + j] = self.prior[i * NC + j] / cols[j];
            self.prior[i * NC + j] /= sum;
        } }
    }

    /// Cells that matter: probability, floor, capacity, decline from.
    pub(super) fn cells(&self) -> Vec<(f64, f64, f64, usize)> {
        let max = self.p.iter().copied().fold(0.0, f64::max);
        let mut cells: Vec<(f64, f64, f64, usize)> = Vec::new();
        for i in 0..NS { for j in 0..NC { for k in 0..NK {
            let p = self.p[(i * NC + j) * NK + k];
            if p > 0.003 * max { cells.push((p, self.s(i), self.c(j), k)); }
        } } }
        cells
    }

    /// Throughput that a decision may count on.
    pub(super) fn expected(&self, n: f64, s: f64, c: f64, k: usize) -> f64 {
        let (from, pow) = (self.kfrom[k], self.kpow[k]);
        let table = &self.table[power_index(open_power(s, c).max(self.dsharp))];
        let x = (n / s / c).ln();
        let over = (x - from.ln()).max(0.0);
        let at = (((x - over) / T_STEP) + T_LEN as f64 / 2.0).clamp(0.0, T_LEN as f64 - 2.0);
        let (a, f) = (at as usize, at.fract());
        c * (table[a] * (1.0 - f) + table[a + 1] * f - over * pow).exp()
    }

    pub(super) fn marginals(&self) -> String {
        let mut out = String::new();
        for i in 0..NS { let sum: f64 = (0..NC*NK).map(|j| self.p[i * NC * NK + j]).sum(); if sum > 0.02 { out += &format!("{:.0}ms:{:.2} ", self.s(i) * 1e3, sum); } }
        out += "| ";
        for j in 0..NC { let sum: f64 = (0..NS).map(|i| (0..NK).map(|k| self.p[(i * NC + j) * NK + k]).sum::<f64>()).sum(); if sum > 0.02 { out += &format!("{:.0}:{:.2} ", self.c(j), sum); } }
        out
    }

    pub(super) fn means(&self) -> (f64, f64, f64) {
        let (mut s, mut c, mut w, mut k) = (0.0, 0.0, 0.0, 0.0);
        for (p, a, b, from) in self.cells() { s += p * a.ln(); c += p * b.ln(); w += p; if from > 0 { k += p; } }
        ((s / w).exp(), (c / w).exp(), k / w)
    }
}

fn envf_once() -> f64 {
    use std::sync::OnceLock;
    static G: OnceLock<f64> = OnceLock::new();
    *G.get_or_init(|| envf("PHIG", 0.05))
}
