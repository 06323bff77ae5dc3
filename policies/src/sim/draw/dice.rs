//! The draws themselves; the ranges are told in [`super`].

use fastrand::Rng;

use super::size::Size;
use super::{Load, Times, WARM_UP};
use crate::sim::distribution::Distribution;
use crate::sim::scenario::{Bursts, Clients, Contention, Discipline, Modulation, Pauses, Server, Steps};

/// Draws parts of a scenario.
#[derive(Debug)]
pub struct Dice(pub Rng);

impl Dice {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.f64()
    }

    fn log_between(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    fn chance(&mut self, share: f64) -> bool {
        self.0.f64() < share
    }

    pub fn size(&mut self) -> Size {
        loop {
            let workers = self.log_between(0.5, 256.5).round().max(1.0);
            let discipline = self.discipline(workers);
            let mean = self.log_between(0.001, 0.2);
            let size = Size { workers, mean, discipline, work: self.work(mean) };
            if (20.0..=4000.0).contains(&size.capacity()) {
                return size;
            }
        }
    }

    fn discipline(&mut self, workers: f64) -> Discipline {
        match self.0.u32(0..100) {
            0..50 => Discipline::Fifo,
            50..85 => Discipline::ProcessorSharing,
            _ => {
                let peak = (workers * self.between(0.8, 3.0)).max(3.0);
                let sigma = self.between(0.01, 0.05);
                Discipline::Usl { sigma, kappa: (1.0 - sigma) / (peak * peak) }
            }
        }
    }

    fn work(&mut self, mean: f64) -> Distribution {
        match self.0.u32(0..100) {
            0..30 => Distribution::Exponential(mean),
            30..50 => Distribution::Lognormal { mean, sigma: self.between(0.5, 1.5) },
            50..70 => {
                let (share, factor) = (self.between(0.03, 0.2), self.log_between(5.0, 40.0));
                let short = mean / (1.0 - share + share * factor);
                let part = Distribution::Fixed;
                Distribution::Mixture(vec![(1.0 - share, part(short)), (share, part(short * factor))])
            }
            70..85 => Distribution::Erlang { shape: 4, mean },
            _ => Distribution::Fixed(mean),
        }
    }

    pub fn times(&mut self, capacity: f64) -> Times {
        let stretch = if capacity < 100.0 { 2.0 } else { 1.0 };
        let overload = WARM_UP + stretch * self.between(4.0, 8.0);
        let calm = overload + stretch * self.between(8.0, 20.0);
        Times { overload, calm, end: calm + stretch * self.between(8.0, 12.0) }
    }

    pub fn load(&mut self, size: &Size) -> Load {
        let most = size.highest_load();
        let (before, after) = (self.between(0.3, most), self.between(0.3, most));
        let overload = self.log_between(1.1, 7.0);
        let workers = self.chance(0.5);
        let (during, left) = match self.0.u32(0..100) {
            0..60 => (overload, 1.0),
            60..85 => (before, before / overload),
            _ => {
                let part = (overload / before).powf(self.between(0.3, 0.7));
                (before * part, before * part / overload)
            }
        };
        Load { before, during, after, left: left.min(1.0), workers }
    }

    /// Rate, batches and evenness.
    pub fn clients(&mut self, load: &Load, capacity: f64, times: &Times) -> Clients {
        let points = vec![
            (0.0, load.before * capacity),
            (times.overload, load.during * capacity),
            (times.calm, load.after * capacity),
        ];
        let kind = self.0.u32(0..100);
        let batch = if kind < 10 { self.between(2.0, 8.0) } else { 1.0 };
        Clients { batch, even: (10..15).contains(&kind), ..Clients::steps(points) }
    }

    /// A call is worth nothing after this many seconds, as far as the service itself is concerned.
    pub fn deadline(&mut self, size: &Size, load: &Load, batch: f64) -> f64 {
        let comfortable = size.comfortable(load.normal(), batch, self.0.fork());
        let drawn = size.mean * self.log_between(3.0, 20.0);
        let slowed = if load.workers { 1.0 } else { 1.0 / load.left };
        drawn.max(comfortable).max(3.0 * size.mean * slowed).max(0.01)
    }

    pub fn server(&mut self, size: &Size) -> Server {
        let contended = self.chance(0.25) && !matches!(size.discipline, Discipline::Usl { .. });
        let contention = contended.then(|| Contention {
            from: size.workers * self.between(2.0, 6.0) + 16.0,
            slope: self.between(0.2, 1.0),
            worst: self.between(1.5, 3.0),
        });
        let mut server = Server::fifo(size.workers as u32, size.work.clone());
        (server.station.discipline, server.station.contention) = (size.discipline, contention);
        server
    }

    /// A dependency, perhaps; gives what it adds to the deadline, seconds.
    pub fn dependency(&mut self, server: &mut Server, work: f64, times: &Times) -> f64 {
        if !self.chance(0.35) {
            return 0.0;
        }
        let mean = work * self.log_between(0.5, 10.0);
        let erlang = self.chance(0.5);
        let of = |mean| {
            if erlang { Distribution::Erlang { shape: 4, mean } } else { Distribution::Exponential(mean) }
        };
        let mut steps = vec![(0.0, of(mean))];
        let mut slowest = mean;
        if self.chance(1.0 / 3.0) {
            slowest = mean * self.log_between(2.0, 8.0);
            if self.chance(0.5) {
                steps.extend([(times.overload, of(slowest)), (times.calm, of(mean))]);
            } else {
                steps.push((times.calm, of(slowest)));
            }
        }
        server.delay = Steps(steps);
        slowest * if erlang { 2.5 } else { 4.6 }
    }

    /// Pauses, bursts or modulation, perhaps one of them. Normal phases stay within capacity, on average over seconds.
    /// What piles up in a pause or a burst can be worked off within the deadline.
    pub fn trouble(
        &mut self,
        clients: &mut Clients,
        server: &mut Server,
        load: &Load,
        capacity: f64,
        deadline: f64,
    ) {
        let normal = load.normal();
        match self.0.u32(0..100) {
            0..10 => {
                let every = self.between(1.0, 5.0);
                let length = self.between(0.02, 0.15).min(0.5 * every * (1.0 - normal)).min(0.4 * deadline);
                server.pauses = Some(Pauses { length, every, random: self.chance(0.5) });
            }
            10..20 => {
                let high = (load.before * self.between(2.0, 6.0)).max(load.during);
                let every = self.between(3.0, 8.0);
                let length = self
                    .between(0.1, 0.4)
                    .min(0.5 * every * (1.0 - normal) / high)
                    .min(0.4 * deadline / high);
                let rate = high * capacity;
                clients.rate.bursts = Some(Bursts { from: WARM_UP, every, length, rate });
            }
            20..30 => {
                let factor = self.between(1.2, 2.0).min(0.97 / normal).max(1.0);
                clients.rate.modulation = Some(Modulation { factor, high: self.between(0.5, 2.0), low: 5.0 });
            }
            _ => {}
        }
    }
}
