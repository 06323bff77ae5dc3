//! What happens in each incident, to which service, and which arms are compared.
//!
//! Both are scaled from the reports to a small machine. What is kept is what makes the incident: the ratio of load to
//! capacity, the latencies, the sizes of pools. What is scaled is the number of calls per second.

use std::time::Duration;

use crate::units::milliseconds;

/// The names of all incidents.
pub const NAMES: [&str; 2] = [SPIKE, DATABASE];
const SPIKE: &str = "spike";
const DATABASE: &str = "database";

/// One incident.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its name on the command line.
    pub name: &'static str,
    /// A heading.
    pub title: &'static str,
    /// What the report tells, and how it was scaled.
    pub about: &'static str,
    /// The routes that are called, each with a load of its own.
    pub routes: &'static [&'static str],
    /// The route that must not suffer.
    pub judged: usize,
    /// More arguments of the service, with spaces between them.
    pub service: String,
    /// An answer later than this is worthless.
    pub deadline: Duration,
    /// In this order. The second is the incident.
    pub phases: [Phase; 3],
    /// Load before the first phase, as in it, that is not counted.
    pub warm_up: Duration,
    /// The first is without Setpoint, the last with it.
    pub arms: Vec<Arm>,
}

/// Part of an incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// How long it lasts.
    pub lasts: Duration,
    /// Calls per second of each route.
    pub per_second: f64,
    /// Time that a query of the database takes.
    pub query: Duration,
}

/// One of the services that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// What it is called.
    pub name: &'static str,
    /// The policy file of its sidecar; without one it has neither sidecar nor SDK.
    pub policy: Option<String>,
}

/// The phase in which it happens.
pub const INCIDENT: usize = 1;

/// The incident of a name, in its full length or shorter.
pub fn incident(name: &str, quick: bool) -> Option<Incident> {
    match name {
        SPIKE => Some(spike(quick)),
        DATABASE => Some(database(quick)),
        _ => None,
    }
}

/// Workers of the service under the spike, and the mean time that a call keeps one: 1,000 calls per second.
const WORKERS: u32 = 8;
const SERVICE_TIME: Duration = Duration::from_millis(8);
/// Connections to the database, and what a query takes on a good day and on a bad one.
const CONNECTIONS: u32 = 20;
const QUERY: Duration = Duration::from_millis(40);
const SLOW_QUERY: Duration = Duration::from_secs(3);

const PERMITS: &str = include_str!("policies/permits.yaml");
const LIMIT: &str = include_str!("policies/limit.yaml");
const WEB_SERVICE: &str = include_str!("../../../policies/presets/web-service.yaml");
const DATABASE_CLIENT: &str = include_str!("../../../policies/presets/database-client.yaml");
/// What the presets ask their reader to put in place: deadline and objective of this service, size of this pool.
const OWN_SERVICE: [Edit; 2] = [("deadline: 1s", "deadline: 200ms"), ("within: 500ms", "within: 200ms")];
const OWN_POOL: [Edit; 2] = [("max: 32", "max: 20"), ("value: 32", "value: 20")];

/// What is replaced, and by what.
type Edit = (&'static str, &'static str);

fn without() -> Arm {
    Arm { name: "without Setpoint", policy: None }
}

fn with(name: &'static str, policy: &str, edits: &[Edit]) -> Arm {
    let edit = |policy: String, (from, to): &Edit| policy.replace(from, to);
    Arm { name, policy: Some(edits.iter().fold(policy.to_owned(), edit)) }
}

fn spike(quick: bool) -> Incident {
    let phase =
        |name, full, short, per_second| phase(name, if quick { short } else { full }, per_second, QUERY);
    Incident {
        name: SPIKE,
        title: "A regional spike: 8,000 to 12,000 requests per second",
        about: "The report: requests went from 8,000 to 12,000 per second, and p99 from 45 ms to 1.2 s; its fix reached 62 ms. \
                Here everything that is per second is a tenth: 800 to 1,200 requests per second on a service that can do 1,000 (8 \
                workers, 8 ms each, exponential, behind an unbounded queue). So the load is 80 % of capacity, then 120 %, \
                which gives the report's latencies on both sides of the spike.",
        routes: &["/work"],
        judged: 0,
        service: format!(
            "--workers {WORKERS} --service-time {}ms --jitter exp --cpu 0us --dependency 0us",
            milliseconds(SERVICE_TIME)
        ),
        deadline: Duration::from_millis(200),
        phases: [
            phase("before", 6.0, 4.0, 800.0),
            phase("spike", 8.0, 5.0, 1200.0),
            phase("after", 9.0, 5.0, 800.0),
        ],
        warm_up: Duration::from_secs(2),
        arms: vec![
            without(),
            with("50 permits by hand", PERMITS, &[]),
            with("with Setpoint", WEB_SERVICE, &OWN_SERVICE),
        ],
    }
}

fn database(quick: bool) -> Incident {
    let phase = |name, full, short, query| phase(name, if quick { short } else { full }, 150.0, query);
    Incident {
        name: DATABASE,
        title: "A slow database that piles up tasks",
        about: "The report: the pool of connections to the database was full, nobody had a deadline, and waiting tasks piled up until \
                nothing was scheduled in time. Here 20 connections (the report's number) answer in 40 ms, and then in 3 s; /order \
                asks the database through a blocking driver, /page reads a file and never touches it, 150 requests per second each. \
                A blocking call takes one of the runtime's 512 threads, as it does unless somebody changes it; when all of them \
                wait for a connection, the page waits for a thread.",
        routes: &["/order", "/page"],
        judged: 1,
        service: format!("--connections {CONNECTIONS} --query {}ms", milliseconds(QUERY)),
        deadline: Duration::from_secs(1),
        phases: [
            phase("before", 5.0, 3.0, QUERY),
            phase("slow", 12.0, 7.0, SLOW_QUERY),
            phase("after", 12.0, 8.0, QUERY),
        ],
        warm_up: Duration::from_secs(2),
        arms: vec![
            without(),
            with("its limit alone", LIMIT, &[]),
            with("with Setpoint", DATABASE_CLIENT, &OWN_POOL),
        ],
    }
}

fn phase(name: &'static str, seconds: f64, per_second: f64, query: Duration) -> Phase {
    Phase { name, lasts: Duration::from_secs_f64(seconds), per_second, query }
}

impl Incident {
    /// How long all of it takes.
    pub fn length(&self) -> Duration {
        self.warm_up + self.phases.iter().map(|phase| phase.lasts).sum::<Duration>()
    }

    /// When the incident begins and ends, since the start of the warm-up.
    pub fn span(&self) -> (Duration, Duration) {
        let from = self.warm_up + self.phases[0].lasts;
        (from, from + self.phases[INCIDENT].lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_the_time_of_a_spectator_and_compares_without_to_with() {
        for (quick, repetitions, most) in [(false, 3, 190), (true, 1, 45)] {
            let all = NAMES.map(|name| incident(name, quick).unwrap());
            let length: Duration = all.iter().map(Incident::length).sum();
            assert!(length * repetitions <= Duration::from_secs(most), "{quick} {length:?}");
            for incident in all {
                let policies: Vec<bool> = incident.arms.iter().map(|arm| arm.policy.is_some()).collect();
                assert!(!policies[0] && policies[1..].iter().all(|has| *has), "{}", incident.name);
                assert!(incident.judged < incident.routes.len());
            }
        }
        assert!(incident("flood", true).is_none());
    }

    #[test]
    fn the_edits_of_a_preset_find_their_places() {
        for (preset, edits) in [(WEB_SERVICE, OWN_SERVICE), (DATABASE_CLIENT, OWN_POOL)] {
            for (from, to) in edits {
                assert!(preset.contains(from) && !preset.contains(to), "{from}");
            }
        }
    }

    #[test]
    fn p3_the_spike_is_the_reports_to_scale() {
        let spike = spike(false);
        let capacity = f64::from(WORKERS) / SERVICE_TIME.as_secs_f64();
        let load = |phase: usize| spike.phases[phase].per_second / capacity;
        assert_eq!((load(0), load(INCIDENT), load(2)), (0.8, 1.2, 0.8));
        assert_eq!(spike.phases[INCIDENT].per_second / spike.phases[0].per_second, 12.0 / 8.0);
    }
}
