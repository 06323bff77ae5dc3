//! Workloads of the plant.
//!
//! Names as in the evaluation plan: W1 steady, W2 a cache that grows, W3 bursts, W4 a leak, W5 a neighbour, W6 overload,
//! W7 a limit that is resized, W8 a CPU quota, W10 idle.

/// Bytes of a MiB.
pub const MI: f64 = 1024.0 * 1024.0;

/// A value over time: points of (seconds, value), with straight lines between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Line(pub Vec<(f64, f64)>);

impl Line {
    /// The same value always.
    pub fn constant(value: f64) -> Self {
        Self(vec![(0.0, value)])
    }

    /// The value at a time.
    pub fn at(&self, seconds: f64) -> f64 {
        let after = self.0.partition_point(|(at, _)| *at <= seconds);
        match (after.checked_sub(1).map(|before| self.0[before]), self.0.get(after)) {
            (Some((t1, v1)), Some((t2, v2))) => v1 + (v2 - v1) * (seconds - t1) / (t2 - t1),
            (Some((_, value)), None) => value,
            (None, first) => first.map_or(0.0, |(_, value)| *value),
        }
    }
}

/// A service, its clients and its container. Bytes, seconds, cores.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Such as `w1`.
    pub name: &'static str,
    /// How long it runs, seconds.
    pub seconds: f64,
    /// What happens before does not count.
    pub warm_up: f64,
    /// Memory limit.
    pub limit: Line,
    /// Memory of neighbours under the limit.
    pub neighbour: Line,
    /// Memory that the service keeps alive besides its calls.
    pub kept: Line,
    /// Extra memory kept alive for a second, every so often: bytes and period.
    pub burst: Option<(f64, f64)>,
    /// Calls per second.
    pub rate: Line,
    /// CPU time of a call.
    pub work: f64,
    /// How long a call waits for others, holding its memory.
    pub wait: f64,
    /// Threads held up in the kernel for each second of CPU time.
    pub stall: f64,
    /// Bytes that a call keeps alive until it ends.
    pub held: f64,
    /// Bytes that it allocates and drops at once.
    pub garbage: f64,
    /// CPU seconds to mark a byte.
    pub mark_cost: f64,
    /// CPUs of the machine.
    pub cores: f64,
    /// Threads that run application code at the start.
    pub threads: u32,
    /// CPU quota.
    pub quota: Option<f64>,
    /// An answer after this is worth nothing.
    pub deadline: f64,
}

impl Workload {
    fn steady(name: &'static str, kept: f64) -> Self {
        Self {
            name,
            seconds: 60.0,
            warm_up: 15.0,
            limit: Line::constant(512.0 * MI),
            neighbour: Line::constant(0.0),
            kept: Line::constant(kept * MI),
            burst: None,
            rate: Line::constant(1100.0),
            work: 0.000_25,
            wait: 0.002,
            stall: 0.0,
            held: 20.0 * 1024.0,
            garbage: 200.0 * 1024.0,
            mark_cost: 0.8e-9,
            cores: 2.0,
            threads: 2,
            quota: None,
            deadline: 1.0,
        }
    }

    /// W1: the same live heap all the time, MiB.
    pub fn w1(kept: f64) -> Self {
        Self::steady("w1", kept)
    }

    /// W2: a cache that grows to 65 % of the limit.
    pub fn w2() -> Self {
        let kept = Line(vec![(0.0, 60.0 * MI), (15.0, 60.0 * MI), (43.0, 0.62 * 512.0 * MI)]);
        Self { kept, garbage: 100.0 * 1024.0, ..Self::steady("w2", 0.0) }
    }

    /// W3: a quarter of the limit more for a second, every four.
    pub fn w3() -> Self {
        Self { burst: Some((128.0 * MI, 4.0)), ..Self::steady("w3", 150.0) }
    }

    /// W4: a leak of so many MiB per second.
    pub fn w4(leak: f64) -> Self {
        let seconds = 15.0 + 460.0 / leak + 30.0;
        let kept =
            Line(vec![(0.0, 60.0 * MI), (15.0, 60.0 * MI), (seconds, (60.0 + 460.0 + 30.0 * leak) * MI)]);
        Self { kept, seconds, garbage: 100.0 * 1024.0, ..Self::steady("w4", 0.0) }
    }

    /// W5: a neighbour takes 40 % of the limit within two seconds.
    pub fn w5() -> Self {
        let neighbour = Line(vec![(0.0, 0.0), (25.0, 0.0), (27.0, 0.4 * 512.0 * MI)]);
        Self { neighbour, ..Self::steady("w5", 150.0) }
    }

    /// W6: overload of this factor for twenty seconds; calls wait 300 ms and keep 0.75 MB alive meanwhile.
    pub fn w6(factor: f64) -> Self {
        let (normal, over) = (450.0, 450.0 * factor);
        let rate = vec![(0.0, normal), (20.0, normal), (20.1, over), (40.0, over), (40.1, normal)];
        Self { rate: Line(rate), wait: 0.3, held: 0.6 * MI, garbage: 0.15 * MI, ..Self::steady("w6", 60.0) }
    }

    /// W7: the limit is resized from 512 to 384 MiB, in steps over five seconds, and then to 768 MiB at once. A kernel does not
    /// lower a limit under what is in use: it refuses, or kills.
    pub fn w7() -> Self {
        let limit = vec![(0.0, 512.0), (25.0, 512.0), (30.0, 384.0), (44.99, 384.0), (45.0, 768.0)];
        let limit = Line(limit.into_iter().map(|(at, mib)| (at, mib * MI)).collect());
        Self { limit, ..Self::steady("w7", 150.0) }
    }

    /// W8: a quota on a machine of 8 cores, at this share of what the quota can do.
    pub fn w8(quota: f64, load: f64) -> Self {
        let work = 0.001;
        Self {
            cores: 8.0,
            threads: 8,
            quota: Some(quota),
            work,
            rate: Line::constant(load * quota / work),
            garbage: 100.0 * 1024.0,
            limit: Line::constant(1024.0 * MI),
            seconds: 150.0,
            warm_up: 90.0,
            deadline: 0.25,
            ..Self::steady("w8", 60.0)
        }
    }

    /// W8 with calls that hang in the kernel three times as long as they compute.
    pub fn w8_stalled() -> Self {
        Self { stall: 3.0, ..Self::w8(2.0, 0.4) }
    }

    /// W10: idle after so many seconds, garbage and all, and then a neighbour takes 60 % of the limit in four seconds.
    pub fn w10(busy: f64) -> Self {
        let rate = Line(vec![(0.0, 1100.0), (busy, 1100.0), (busy + 0.01, 0.0)]);
        let neighbour = Line(vec![(0.0, 0.0), (busy + 20.0, 0.0), (busy + 24.0, 0.6 * 512.0 * MI)]);
        Self { rate, neighbour, ..Self::steady("w10", 40.0) }
    }

    /// The same with another number of threads at the start.
    #[must_use]
    pub fn with_threads(self, threads: u32) -> Self {
        Self { threads, ..self }
    }

    /// What calls and bursts keep alive at most, with what is kept, over the limit; without queues.
    pub fn live_over_limit(&self) -> f64 {
        let instants = (0..=(self.seconds * 10.0) as u32).map(|tenth| f64::from(tenth) / 10.0);
        let over = |at: f64| {
            let burst = self.burst.map_or(0.0, |(bytes, _)| bytes);
            let calls = self.rate.at(at) * (self.wait + self.work) * self.held;
            (self.kept.at(at) + burst + calls + self.neighbour.at(at)) / self.limit.at(at)
        };
        instants.map(over).fold(0.0, f64::max)
    }
}
