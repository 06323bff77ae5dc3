//! The processes of one repetition: for each arm a service with its load, and its sidecar if it has one.

use std::time::Duration;

use anyhow::Context;
use setpoint_policies::engine::LEARN_FOR;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::record::{ArmRecord, Repetition, Window};
use super::script::{Incident, Phase};
use crate::http;
use crate::load::{self, Arrivals, Generator, Slot};
use crate::process::descriptor_limit;
use crate::real::machine::Watch;
use crate::real::progress::Progress;
use crate::real::rig::Programs;
use crate::service::running::Running;
use crate::service::{Control, Stats};
use crate::sidecar::poll::Poll;
use crate::sidecar::status::Status;
use crate::sidecar::{Setup, Sidecar};
use crate::units::milliseconds;

/// How long a start may take, and how long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a sidecar's status is looked at; nothing is measured by it.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time of a window of the record.
pub const WINDOW: Duration = Duration::from_millis(250);
/// Most requests open at once on a route: more than pile up here, unless the machine does other work.
const MAX_OUTSTANDING: usize = 4000;
/// Share of all open files that may be connections of the load: without the others nothing could be controlled any more.
const CONNECTIONS: f64 = 0.8;

/// Most requests open at once on a route, so that all of them together leave descriptors for everything else.
fn max_outstanding(incident: &Incident) -> usize {
    let share = CONNECTIONS / (incident.arms.len() * incident.routes.len()) as f64;
    MAX_OUTSTANDING.min((descriptor_limit() as f64 * share) as usize)
}

/// The sidecars of all arms. They are best started early: one learns for [`LEARN_FOR`] before it moves anything.
#[derive(Debug)]
pub struct Sidecars(Vec<Option<Sidecar>>);

impl Sidecars {
    /// Starts one for each arm that has a policy.
    ///
    /// # Errors
    /// One does not start.
    pub async fn start(programs: &Programs, incident: &Incident) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for arm in &incident.arms {
            let setup = Setup {
                program: programs.sidecar.clone(),
                guard: programs.own.clone(),
                look_every: LOOK_EVERY,
                more: Vec::new(),
            };
            all.push(match &arm.policy {
                Some(policy) => Some(Sidecar::start(setup, policy).await.context(arm.name)?),
                None => None,
            });
        }
        Ok(Self(all))
    }

    async fn have_learned(&self) -> anyhow::Result<()> {
        let learned = |status: &Status| status.uptime_seconds > LEARN_FOR.as_secs_f64();
        for sidecar in self.0.iter().flatten() {
            sidecar.await_status("its learning come to an end", LEARN_FOR + PATIENCE, learned).await?;
        }
        Ok(())
    }
}

/// Plays an incident once.
///
/// # Errors
/// A process, a request or a thread of the arena's own fails. What the services do with the load is no error.
pub async fn play(
    programs: &Programs,
    incident: &Incident,
    seed: u64,
    sidecars: &Sidecars,
    progress: &Progress,
) -> anyhow::Result<Repetition> {
    sidecars.have_learned().await?;
    let mut lanes = Vec::new();
    for (arm, sidecar) in incident.arms.iter().zip(&sidecars.0) {
        lanes.push(Lane::start(programs, incident, seed, sidecar.as_ref()).await.context(arm.name)?);
    }
    let ids = lanes.iter().map(|lane| lane.service.id());
    let mut watch = Watch::begin(ids.chain(sidecars.0.iter().flatten().filter_map(Sidecar::id)).collect());
    let clock = Clock { start: Instant::now(), length: incident.length(), progress };
    let warm_up = Phase { lasts: incident.warm_up, ..incident.phases[0] };
    clock.section(&mut lanes, &warm_up, &mut watch).await?;
    let mut lasted = Vec::new();
    for phase in &incident.phases {
        let began = Instant::now();
        lanes.iter_mut().for_each(Lane::begin_phase);
        clock.section(&mut lanes, phase, &mut watch).await?;
        lasted.push(began.elapsed());
    }
    let busy = watch.end(); // while the processes are there
    lanes.iter().for_each(|lane| lane.rate(0.0));
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && lanes.iter().any(|lane| lane.unanswered() > 0) {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(Repetition { seed, lasted, arms: lanes.into_iter().map(Lane::record).collect(), busy })
}

/// The time of a repetition.
struct Clock<'a> {
    start: Instant,
    length: Duration,
    progress: &'a Progress,
}

impl Clock<'_> {
    /// Brings about the state of a phase on all lanes at once, and looks on while it lasts.
    async fn section(&self, lanes: &mut [Lane], phase: &Phase, watch: &mut Watch) -> anyhow::Result<()> {
        let until = Instant::now() + phase.lasts;
        let control = Control { query_ms: Some(milliseconds(phase.query)), ..Control::default() };
        for lane in &mut *lanes {
            let target = lane.service.target("/control");
            http::post(&target, &control, PATIENCE).await.context("/control of the service")?;
            lane.rate(phase.per_second);
        }
        let mut ticks = interval(WINDOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await; // the first comes at once
        let mut told = Instant::now();
        while Instant::now() + WINDOW / 2 < until {
            ticks.tick().await;
            let at = self.start.elapsed();
            lanes.iter_mut().for_each(|lane| lane.look(at));
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                self.progress.tell(at, self.length, watch.look());
            }
        }
        Ok(())
    }
}

/// A service and the load on its routes.
struct Lane {
    generators: Vec<Generator>,
    phases: Vec<Vec<Slot>>,
    windows: Vec<Window>,
    stats: Poll<Stats>,
    // After the load, so that the load ends before the service does.
    service: Running,
}

impl Lane {
    async fn start(
        programs: &Programs,
        incident: &Incident,
        seed: u64,
        sidecar: Option<&Sidecar>,
    ) -> anyhow::Result<Self> {
        let socket = sidecar.map(Sidecar::socket);
        let service = Running::start(&programs.own, &programs.service, socket.as_deref(), |command| {
            command.args([
                "--setpoint",
                if sidecar.is_some() { "on" } else { "off" },
                "--seed",
                &seed.to_string(),
            ]);
            command
                .args(["--deadline", &format!("{}us", incident.deadline.as_micros())])
                .args(incident.service.split_whitespace());
        })
        .await?;
        if let Some(sidecar) = sidecar {
            let known = |status: &Status| !status.sessions.is_empty();
            sidecar.await_status("a session of the service", PATIENCE, known).await?;
        }
        let generator = |(number, route): (u64, &&str)| {
            Generator::start(load::Options {
                target: service.target(route),
                rate_per_second: 0.0,
                arrivals: Arrivals::Poisson,
                seed: seed * 100 + number,
                deadline: incident.deadline,
                max_outstanding: max_outstanding(incident),
            })
        };
        let generators = (0..).zip(incident.routes).map(generator).collect::<Result<Vec<_>, _>>()?;
        let stats = Poll::start(service.target("/stats"), Duration::from_millis(100));
        Ok(Self { generators, phases: Vec::new(), windows: Vec::new(), stats, service })
    }

    fn rate(&self, per_second: f64) {
        self.generators.iter().for_each(|generator| generator.rate(per_second));
    }

    fn begin_phase(&mut self) {
        self.phases.push(self.generators.iter().map(Generator::begin_phase).collect());
    }

    fn look(&mut self, at: Duration) {
        let in_flight = self.stats.latest().borrow().as_ref().map(|seen| seen.value.in_flight);
        let routes = self.generators.iter().map(Generator::window).collect();
        self.windows.push(Window { at, routes, in_flight });
    }

    fn unanswered(&self) -> u64 {
        self.phases.iter().flatten().map(|slot| slot.with(|tally| tally.unanswered())).sum()
    }

    fn record(self) -> ArmRecord {
        let tallies = |slots: &Vec<Slot>| slots.iter().map(Slot::snapshot).collect();
        ArmRecord { phases: self.phases.iter().map(tallies).collect(), windows: self.windows }
    }
}
