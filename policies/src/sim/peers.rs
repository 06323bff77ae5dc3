//! Other projects' laws, to be measured against.
//!
//! Each is written anew from its project's public formulas, which its file names with their version; defaults are the
//! project's own, except for the highest limit: where it is lower than [`HIGHEST`] there, it is that here, so that no law
//! loses a scenario to a number that every user would raise. Laws stand in the process, as they do at home: they see every
//! call as it happens, while ours sees what comes over its link.
//!
//! Random choices (jitter of probes, rejections) use the draw that comes with each arrival, so a run can be repeated.

use crate::sim::law::Law;
use crate::sim::scenario::Scenario;

mod aegis_bbr;
mod aimd;
mod brpc_auto;
mod buckets;
mod cinnamon;
mod correlation;
mod envoy_gradient;
mod failsafe_go;
mod fixed;
mod go_zero;
mod gradient2;
mod netflix;
mod sre_throttle;
mod statistics;
#[cfg(test)]
mod trace;
mod vector_arc;
mod vegas;

pub use fixed::Fixed;

/// The highest limit of laws whose own default is lower.
pub const HIGHEST: f64 = 1000.0;

/// Another project's law.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its name on the scoreboard, in kebab-case.
    pub name: &'static str,
    /// Where its formulas come from: project, part, version.
    pub source: &'static str,
    /// A fresh one for one instance of a scenario.
    pub new: fn(&Scenario) -> Box<dyn Law>,
}

/// All of them, in the order of the scoreboard.
pub fn all() -> &'static [Peer] {
    ALL
}

macro_rules! peer {
    ($name:literal, $source:literal, $law:expr) => {
        Peer { name: $name, source: $source, new: |_| Box::new($law) }
    };
}

const ALL: &[Peer] = &[
    peer!(
        "gradient2",
        "Netflix concurrency-limits 0.5.4, Gradient2Limit in WindowedLimit (1 s)",
        netflix::Limiter::new(netflix::Windowed::new(gradient2::Gradient2::default()))
    ),
    peer!(
        "gradient2-raw",
        "Netflix concurrency-limits 0.5.4, Gradient2Limit per call",
        netflix::Limiter::new(gradient2::Gradient2::default())
    ),
    peer!(
        "vegas",
        "Netflix concurrency-limits 0.5.4, VegasLimit per call (the limiters' default)",
        netflix::Limiter::new(vegas::Vegas::default())
    ),
    peer!(
        "vegas-1s",
        "Netflix concurrency-limits 0.5.4, VegasLimit in WindowedLimit (1 s)",
        netflix::Limiter::new(netflix::Windowed::new(vegas::Vegas::default()))
    ),
    peer!(
        "aimd",
        "Netflix concurrency-limits 0.5.4, AIMDLimit",
        netflix::Limiter::new(aimd::Aimd::default())
    ),
    peer!(
        "envoy-gradient",
        "Envoy c35f67fb, adaptive_concurrency gradient controller",
        envoy_gradient::EnvoyGradient::default()
    ),
    peer!("failsafe-go", "failsafe-go 0.9.7, adaptivelimiter", failsafe_go::FailsafeGo::default()),
    peer!("brpc", "Apache brpc master 2026-08, auto concurrency limiter", brpc_auto::BrpcAuto::default()),
    peer!("aegis-bbr", "go-kratos/aegis 0.2.0, ratelimit/bbr", aegis_bbr::AegisBbr::default()),
    peer!("go-zero", "go-zero 1.10.3, core/load adaptive shedder", go_zero::GoZero::default()),
    peer!("vector-arc", "Vector 05b56b79, adaptive request concurrency", vector_arc::VectorArc::default()),
    Peer {
        name: "cinnamon",
        source: "Uber Cinnamon as published 2023, reconstructed where nothing is",
        new: |scenario| Box::new(cinnamon::Cinnamon::new(*scenario.server.station.workers.at(0.0))),
    },
    peer!(
        "sre-throttle",
        "Site Reliability Engineering 2016, client-side throttling, K = 2",
        sre_throttle::SreThrottle::default()
    ),
    peer!("none", "no limit", Fixed::new(f64::INFINITY)),
];

#[cfg(test)]
mod tests;
