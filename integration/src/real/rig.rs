//! The processes of one run: two services with the same plant, one tuned by a real sidecar, one with limits set by hand.
//!
//! Both run at the same time and get the same calls, so whatever the machine and the rig cost, they cost both, and what is
//! left of it in the ratio of the two is what is to be measured.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use setpoint_policies::engine::LEARN_FOR;
use setpoint_policies::sim::run::SLICE_SECONDS;
use setpoint_policies::sim::scenario::Scenario;
use tokio::task::JoinHandle as Task;
use tokio::time::{Instant, sleep_until, timeout};

use super::calls::{calls, requests};
use super::machine::{Busy, Watch};
use super::policy::policy;
use super::progress::Progress;
use super::record::Recording;
use crate::http::{self, Connection, HttpError, Target};
use crate::load::plan::{Ends, Plan, follow};
use crate::process::sibling::{NotFound, sibling};
use crate::service::running::Running;
use crate::service::staged::Limit;
use crate::sidecar::status::Status;
use crate::sidecar::{Setup, Sidecar, SidecarError};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the sidecar's status is looked at. That costs it time, and nothing is measured by it.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most requests open at once towards one service: more than any limit here.
const MAX_OUTSTANDING: usize = 4000;
/// Answers that come in the last moment have this long to be seen.
const AFTERMATH: Duration = Duration::from_millis(100);

/// The programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The `setpoint` binary.
    pub sidecar: PathBuf,
    /// The `demo-service` binary.
    pub service: PathBuf,
    /// The executable that passes `guarded` on to this library: the running one.
    pub own: PathBuf,
}

impl Programs {
    /// Those that lie beside the running one.
    ///
    /// # Errors
    /// One of them is missing.
    pub fn beside_this() -> Result<Self, NotFound> {
        Ok(Self {
            sidecar: sibling("setpoint")?,
            service: sibling("demo-service")?,
            own: std::env::current_exe()?,
        })
    }
}

/// What is played.
#[derive(Clone, Debug)]
pub struct Play {
    /// The scenario's file, which the service reads as well.
    pub file: PathBuf,
    /// The factor of its rates and workers.
    pub scale: f64,
    /// What comes of both.
    pub scenario: Scenario,
    /// The best limit of each phase.
    pub limits: Vec<f64>,
}

/// What was seen in one run.
#[derive(Clone, Debug)]
pub struct Played {
    /// Of the service that the sidecar tunes.
    pub tuned: Recording,
    /// Of the one with limits by hand.
    pub by_hand: Recording,
    /// Of the machine.
    pub busy: Busy,
}

/// Starts the sidecar of a run. It is best started early: it learns for [`LEARN_FOR`] before it moves anything.
///
/// # Errors
/// It does not start.
pub async fn sidecar(
    programs: &Programs,
    scenario: &Scenario,
    record: Option<&Path>,
) -> Result<Sidecar, SidecarError> {
    let setup = Setup {
        program: programs.sidecar.clone(),
        guard: programs.own.clone(),
        look_every: LOOK_EVERY,
        more: record.map_or_else(Vec::new, |file| vec!["--record".into(), file.into()]),
    };
    Sidecar::start(setup, &policy(scenario)).await
}

/// Plays a scenario once.
///
/// # Errors
/// A process, a request or a thread of the rig's own fails. What the services do with calls is no error.
pub async fn play(
    programs: &Programs,
    play: &Play,
    seed: u64,
    sidecar: &Sidecar,
    progress: &Progress,
) -> anyhow::Result<Played> {
    let learned = |status: &Status| status.uptime_seconds > LEARN_FOR.as_secs_f64();
    sidecar.await_status("its learning come to an end", LEARN_FOR + PATIENCE, learned).await?;
    let by_hand = Service::start(programs, play, seed, None).await?;
    let tuned = Service::start(programs, play, seed, Some(&sidecar.socket())).await?;
    sidecar.await_status("a session of the service", PATIENCE, |status| !status.sessions.is_empty()).await?;

    let ours = [sidecar.id(), Some(tuned.0.id()), Some(by_hand.0.id())];
    let mut watch = Watch::begin(ours.into_iter().flatten().collect());
    let (tuned_side, by_hand_side) = (tuned.begin(play, seed).await?, by_hand.begin(play, seed).await?);
    let (start, length) = (Instant::now(), Duration::from_secs_f64(play.scenario.seconds));
    while start.elapsed() < length {
        progress.tell(start.elapsed(), length, watch.look());
        sleep_until((Instant::now() + Duration::from_secs(1)).min(start + length)).await;
    }
    let busy = watch.end(); // while the processes are there
    Ok(Played { tuned: tuned_side.end().await?, by_hand: by_hand_side.end().await?, busy })
}

/// A service that waits for its beginning.
struct Service(Running);

/// A service under load.
struct Side {
    ends: JoinHandle<Ends>,
    limits: Task<Vec<Limit>>,
    /// Lives as long as the load.
    _service: Service,
}

impl Service {
    /// Starts one that is tuned over this socket, or else has the limits by hand and no sidecar.
    async fn start(
        programs: &Programs,
        play: &Play,
        seed: u64,
        socket: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let running = Running::start(&programs.own, &programs.service, socket, |command| {
            command.args(["--seed", &seed.to_string(), "--scale", &play.scale.to_string()]);
            command.arg("--scenario").arg(&play.file);
            if socket.is_none() {
                let limits: Vec<String> = play.limits.iter().map(f64::to_string).collect();
                command.args(["--limits", &limits.join(",")]);
            }
        });
        Ok(Self(running.await?))
    }

    /// Starts the scenario's clock and the load by it.
    async fn begin(self, play: &Play, seed: u64) -> anyhow::Result<Side> {
        let scenario = &play.scenario;
        let begin = self.0.target("/begin");
        let plan = Plan {
            authority: begin.authority.clone(),
            requests: requests(&calls(scenario, seed)),
            deadline: Duration::try_from_secs_f64(scenario.shortest_deadline())
                .context("a scenario has a deadline")?,
            max_outstanding: MAX_OUTSTANDING,
            until: Duration::from_secs_f64(scenario.seconds) + AFTERMATH,
        };
        let slices = (scenario.seconds / SLICE_SECONDS).round() as u32;
        let looks = self.0.target("/limit");
        http::post(&begin, &(), PATIENCE).await.context("/begin of the service")?;
        let start = Instant::now();
        let ends = follow(plan, start)?;
        Ok(Side { ends, limits: tokio::spawn(limits(looks, start, slices)), _service: self })
    }
}

impl Side {
    async fn end(self) -> anyhow::Result<Recording> {
        let limits = self.limits.await.context("looking at limits")?;
        let ends = tokio::task::spawn_blocking(|| self.ends.join()).await?;
        let ends = ends.map_err(|_| anyhow::anyhow!("the load generator has panicked"))?;
        Ok(Recording { ends, limits })
    }
}

/// The limit at the end of each slice; where it cannot be had in time, the one before.
async fn limits(target: Target, start: Instant, slices: u32) -> Vec<Limit> {
    let every = Duration::from_secs_f64(SLICE_SECONDS);
    let mut seen = Vec::new();
    let mut connection = None;
    for slice in 1..=slices {
        sleep_until(start + every * slice).await;
        let limit = match timeout(every, look(&mut connection, &target)).await {
            Ok(Ok(limit)) => limit,
            Ok(Err(_)) | Err(_) => {
                connection = None;
                seen.last().copied().unwrap_or_default()
            }
        };
        seen.push(limit);
    }
    seen
}

async fn look(kept: &mut Option<Connection>, target: &Target) -> Result<Limit, HttpError> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(Connection::open(&target.authority).await?),
    };
    let request = target.request(hyper::Method::GET, bytes::Bytes::new())?;
    let answer = connection.exchange(request).await?;
    serde_json::from_slice(&answer.body).map_err(HttpError::Json)
}
