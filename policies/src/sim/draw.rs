//! Scenarios at random, so that a law is judged on services that nobody had in mind.
//!
//! A number gives a scenario, always the same. Everything is drawn independently from these ranges:
//!
//! | what | range |
//! |---|---|
//! | workers | 1 to 256, log-uniform |
//! | mean work of a call | 1 ms to 200 ms, log-uniform |
//! | capacity (workers / work) | drawn anew until it lies between 10 and 4000 calls per second |
//! | work | 30 % exponential, 20 % lognormal (sigma 0.5 to 1.5), 20 % bimodal (3 to 20 % of the calls take 5 to 40 times as long), 15 % Erlang-4, 15 % fixed |
//! | discipline | 50 % FIFO, 35 % processor sharing, 15 % universal scalability law (peak at 0.8 to 3 times the workers) |
//! | contention | a quarter of FIFO and processor sharing: from 2 to 6 times the workers on, up to 1.5 to 3 times slower |
//! | deadline | 3 to 20 times the mean work, log-uniform, at least 1.2 times what 99 % of the calls need when alone, at least 10 ms |
//! | normal load | 0.3 to 0.95 of capacity; two phases, each with its own |
//! | overload | 1.1 to 7 times the capacity, log-uniform; one phase of 8 to 20 s |
//! | cause of the overload | 60 % more calls, 25 % capacity drops (speed or workers), 15 % both |
//! | dependency | 35 %: 0.5 to 10 times the work, exponential or Erlang-4; in a third of these it gets 2 to 8 times slower in the overload or in the last phase |
//! | pauses | 10 %: 20 to 150 ms every 1 to 5 s, as far as the normal load leaves room |
//! | bursts | 10 %: 100 to 400 ms every 3 to 8 s, at 2 to 6 times the normal load, as far as that leaves room |
//! | modulation | 10 %: all rates times 1.2 to 2 for 0.5 to 2 s, now and then, as far as the normal load leaves room |
//! | arrivals | Poisson; 10 % in batches of 2 to 8 on average, 5 % evenly spaced |
//! | slow services | below 100 calls per second all phases are twice as long |
//!
//! Pauses, bursts and modulation never come together: one kind of trouble on top of overload is enough to tell laws apart,
//! and with all of them even the oracle rejects calls in normal phases.

use fastrand::Rng;

use crate::sim::distribution::Distribution;
use crate::sim::scenario::{
    Bounds, Bursts, Class, Clients, Contention, Discipline, Link, Modulation, Pauses, Phase, Rate, Scenario,
    Server, Station, Steps,
};

/// Results count from here on, seconds.
const WARM_UP: f64 = 8.0;

/// The scenario of this number. Numbers from 1 to 200 are on the scoreboard; any other is as good.
pub fn scenario(number: u64) -> Scenario {
    let mut dice = Dice(Rng::with_seed(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let size = dice.size();
    let shape = dice.shape(size.work);
    let times = dice.times(size.capacity());
    let load = dice.load();
    let deadline = dice.deadline(&shape, &size);
    let mut server = dice.server(&size, &shape);
    // The peak of the scalability law is where its capacity lies, not workers / work.
    let capacity = peak(&server.station, size.work).unwrap_or(size.capacity());
    let delay = dice.dependency(&mut server, size.work, &times);
    load.slow(&mut server, &size, &times);
    let clients = dice.clients(&load, capacity, &times);
    let (clients, server) = dice.trouble(clients, server, &load, capacity);
    Scenario {
        name: format!("draw-{number:03}"),
        about: about(&server, &load, size.work, capacity, deadline + delay),
        seconds: times.end,
        warm_up: WARM_UP,
        phases: vec![phase(0.0, false), phase(times.overload, true), phase(times.calm, false)],
        clients,
        classes: vec![Class {
            name: "call".into(),
            share: 1.0,
            priority: 2,
            deadline: deadline + delay,
            work: 1.0,
        }],
        server,
        instances: vec![1.0],
        link: Link::default(),
        limit: Bounds::default(),
        deadline_known: true,
    }
}

fn phase(at: f64, overload: bool) -> Phase {
    Phase { at, overload, kind: None }
}

/// How big the service is.
#[derive(Debug, Clone, Copy)]
struct Size {
    workers: f64,
    /// Mean work of a call, seconds.
    work: f64,
}

impl Size {
    fn capacity(&self) -> f64 {
        self.workers / self.work
    }
}

/// When the phases begin, and the end.
#[derive(Debug, Clone, Copy)]
struct Times {
    overload: f64,
    calm: f64,
    end: f64,
}

/// Shares of the capacity that are offered.
#[derive(Debug, Clone, Copy)]
struct Load {
    before: f64,
    /// Calls over nominal capacity in the overload.
    during: f64,
    after: f64,
    /// What is left of the capacity in the overload.
    left: f64,
    /// It is workers that are lost, not speed.
    workers: bool,
}

impl Load {
    /// Takes the capacity away that is lost in the overload.
    fn slow(&self, server: &mut Server, size: &Size, times: &Times) {
        let discipline = server.station.discipline;
        let whole = (size.workers * self.left).round();
        if self.workers && whole >= 1.0 && !matches!(discipline, Discipline::Usl { .. }) {
            let steps = vec![
                (0.0, size.workers as u32),
                (times.overload, whole as u32),
                (times.calm, size.workers as u32),
            ];
            server.station.workers = Steps(steps);
        } else {
            server.speed = Steps(vec![(0.0, 1.0), (times.overload, self.left), (times.calm, 1.0)]);
        }
    }
}

struct Dice(Rng);

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

    fn size(&mut self) -> Size {
        loop {
            let workers = self.log_between(0.5, 256.5).round().max(1.0);
            let size = Size { workers, work: self.log_between(0.001, 0.2) };
            if (10.0..=4000.0).contains(&size.capacity()) {
                return size;
            }
        }
    }

    /// Work of a call.
    fn shape(&mut self, mean: f64) -> Distribution {
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

    fn times(&mut self, capacity: f64) -> Times {
        let stretch = if capacity < 100.0 { 2.0 } else { 1.0 };
        let overload = WARM_UP + stretch * self.between(4.0, 8.0);
        let calm = overload + stretch * self.between(8.0, 20.0);
        Times { overload, calm, end: calm + stretch * self.between(8.0, 12.0) }
    }

    fn load(&mut self) -> Load {
        let (before, after) = (self.between(0.3, 0.95), self.between(0.3, 0.95));
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

    fn deadline(&mut self, shape: &Distribution, size: &Size) -> f64 {
        let mut rng = self.0.fork();
        let mut alone: Vec<f64> = (0..1000).map(|_| shape.draw(&mut rng)).collect();
        alone.sort_unstable_by(f64::total_cmp);
        let drawn = size.work * self.log_between(3.0, 20.0);
        drawn.max(1.2 * alone[990]).max(0.01)
    }

    fn server(&mut self, size: &Size, shape: &Distribution) -> Server {
        let discipline = match self.0.u32(0..100) {
            0..50 => Discipline::Fifo,
            50..85 => Discipline::ProcessorSharing,
            _ => {
                let peak = (size.workers * self.between(0.8, 3.0)).max(2.0);
                let sigma = self.between(0.01, 0.05);
                Discipline::Usl { sigma, kappa: (1.0 - sigma) / (peak * peak) }
            }
        };
        let contended = self.chance(0.25) && !matches!(discipline, Discipline::Usl { .. });
        let contention = contended.then(|| Contention {
            from: (size.workers * self.between(2.0, 6.0)).max(4.0),
            slope: self.between(0.2, 1.0),
            worst: self.between(1.5, 3.0),
        });
        Server {
            station: Station { workers: Steps::constant(size.workers as u32), discipline, contention },
            work: Steps::constant(shape.clone()),
            speed: Steps::constant(1.0),
            pauses: None,
            delay: Steps::constant(Distribution::Fixed(0.0)),
            second: None,
            reject_cost: 0.0,
            drop_ratio: Steps::constant(0.0),
            accepts: None,
        }
    }

    /// A dependency, perhaps; gives what it adds to the deadline, seconds.
    fn dependency(&mut self, server: &mut Server, work: f64, times: &Times) -> f64 {
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

    fn clients(&mut self, load: &Load, capacity: f64, times: &Times) -> Clients {
        let points = vec![
            (0.0, load.before * capacity),
            (times.overload, load.during * capacity),
            (times.calm, load.after * capacity),
        ];
        let kind = self.0.u32(0..100);
        let batch = if kind < 10 { self.between(2.0, 8.0) } else { 1.0 };
        let rate = Rate { points, linear: false, bursts: None, modulation: None };
        Clients { rate, batch, even: (10..15).contains(&kind), retries: None }
    }

    /// Pauses, bursts or modulation, perhaps one of them. Normal phases stay within capacity, on average over some seconds.
    fn trouble(
        &mut self,
        mut clients: Clients,
        mut server: Server,
        load: &Load,
        capacity: f64,
    ) -> (Clients, Server) {
        let normal = load.before.max(load.after);
        match self.0.u32(0..100) {
            0..10 => {
                let every = self.between(1.0, 5.0);
                let length = self.between(0.02, 0.15).min(every * (1.0 - normal));
                server.pauses = Some(Pauses { length, every, random: self.chance(0.5) });
            }
            10..20 => {
                let high = (load.before * self.between(2.0, 6.0)).max(load.during);
                let every = self.between(3.0, 8.0);
                let length = self.between(0.1, 0.4).min(every * (1.0 - normal) / high);
                let rate = high * capacity;
                clients.rate.bursts = Some(Bursts { from: WARM_UP, every, length, rate });
            }
            20..30 => {
                let factor = self.between(1.2, 2.0).min(1.0 / normal);
                clients.rate.modulation = Some(Modulation { factor, high: self.between(0.5, 2.0), low: 5.0 });
            }
            _ => {}
        }
        (clients, server)
    }
}

/// Calls per second at the peak of the scalability law.
fn peak(station: &Station, work: f64) -> Option<f64> {
    let Discipline::Usl { sigma, kappa } = station.discipline else { return None };
    let n = ((1.0 - sigma) / kappa).sqrt();
    Some(n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0)) / work)
}

fn about(server: &Server, load: &Load, work: f64, capacity: f64, deadline: f64) -> String {
    let discipline = match server.station.discipline {
        Discipline::Fifo => "FIFO",
        Discipline::ProcessorSharing => "processor sharing",
        Discipline::Usl { .. } => "scalability law",
    };
    let workers = server.station.workers.at(0.0);
    format!(
        "{discipline}, {workers} workers, work {:.1} ms, {capacity:.0}/s, deadline {:.0} ms; load {:.2}, {:.2} of {:.2}, {:.2}",
        work * 1e3,
        deadline * 1e3,
        load.before,
        load.during,
        load.left,
        load.after,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_always_the_same_scenario() {
        assert_eq!(scenario(17), scenario(17));
        assert_ne!(scenario(17), scenario(18));
    }

    #[test]
    fn draws_stay_in_their_ranges() {
        let mut disciplines = [0; 3];
        for number in 1..=500 {
            let drawn = scenario(number);
            let workers = drawn.server.station.workers.at(0.0);
            assert!((1..=256).contains(workers), "{drawn:?}");
            let [before, during, after] = [0, 1, 2].map(|phase| drawn.phases[phase].at);
            assert!(before < during && during < after && after < drawn.seconds);
            assert!(drawn.classes[0].deadline >= 2.99 * drawn.server.work.at(0.0).mean());
            assert!(drawn.server.speed.0.iter().all(|(_, speed)| *speed > 0.0 && *speed <= 1.0));
            assert!(drawn.server.station.workers.0.iter().all(|(_, workers)| *workers >= 1));
            disciplines[match drawn.server.station.discipline {
                Discipline::Fifo => 0,
                Discipline::ProcessorSharing => 1,
                Discipline::Usl { .. } => 2,
            }] += 1;
        }
        assert!(disciplines.iter().all(|count| *count > 40), "{disciplines:?}");
    }
}
