//! What is done to the services and the sidecar while the load goes on.

use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::death::{self, Death};
use super::policy::{Bounds, FREE, KNOB, SERVICE, policy};
use super::script::{Act, Phase};
use super::stage::{DEPENDENCY, Stage};
use super::timeline::Events;
use super::{DemoError, Options};
use crate::load::Slot;
use crate::process::{Process, guarded};
use crate::sidecar::Sidecar;
use crate::sidecar::poll::{Latest, Seen, seen};
use crate::sidecar::status::Status;
use crate::units::milliseconds;

/// How long an edit may take before it counts as without effect.
const EDIT_PATIENCE: Duration = Duration::from_secs(3);
/// Enough for a median, few enough for the spectator.
const MOST_EDITS: usize = 8;
/// Time between two edits, so that each begins from a settled state.
const BETWEEN_EDITS: Duration = Duration::from_millis(600);
/// After the phase before: a cap that it left behind would overrule an edit, and rightly so.
const CALM_DOWN: Duration = Duration::from_millis(1500);
/// The limits that the edits ask for, in turn.
const PINS: [u32; 2] = [40, 60];

/// One live edit of the policy file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edit {
    /// The one limit that the new policy allows.
    pub limit: u32,
    /// From the write until the sidecar shows a new revision in force.
    pub accepted_ms: Option<f64>,
    /// From the write until the service has that limit.
    pub in_force_ms: Option<f64>,
}

/// What acts have found out.
#[derive(Debug, Default)]
pub struct Findings {
    /// All edits of the policy.
    pub edits: Vec<Edit>,
    /// The sidecar's death.
    pub death: Option<Death>,
    /// Tallies that a phase was split into, protected then unprotected, beside its first.
    pub splits: Vec<[Slot; 2]>,
}

/// Does what `phase` asks for until `until`.
pub async fn perform(
    phase: &Phase,
    until: Instant,
    stage: &mut Stage,
    options: &Options,
    events: &Events,
    findings: &mut Findings,
) -> Result<(), DemoError> {
    match phase.act {
        Act::Nothing | Act::RestartTheChoked => sleep_until(until).await,
        Act::SlowDependency => {
            let slow = DEPENDENCY * 10;
            stage.dependency(slow).await?;
            events.add(format!("dependency {DEPENDENCY:?} -> {slow:?}"));
            sleep_until(until).await;
            stage.dependency(DEPENDENCY).await?;
        }
        Act::CpuHog => {
            let hogs = hogs(options)?;
            events.add(format!("{} processes spin", hogs.len()));
            sleep_until(until).await;
        }
        Act::EditPolicy => edits(until, &stage.sidecar, events, findings).await?,
        Act::KillSidecar => {
            findings.death = Some(death::act(until, stage, phase.lasts, events, findings).await?);
        }
    }
    Ok(())
}

/// Twice as many spinning processes as there are cores.
fn hogs(options: &Options) -> Result<Vec<Process>, DemoError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let one = |_| -> Result<Process, DemoError> {
        let mut command: Command = guarded::command(&options.own, &options.own);
        Ok(Process::spawn("hog", command.arg(HOG))?)
    };
    (0..2 * cores).map(one).collect()
}

/// First argument with which an executable must call [`hog`].
pub const HOG: &str = "hog";

/// Uses one core until it is killed.
pub fn hog() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Pins the limit to one value and to another, in turn, and lets it free again at the end. Both are more than the service
/// needs at this load, so that an edit costs nobody an answer.
async fn edits(
    until: Instant,
    sidecar: &Sidecar,
    events: &Events,
    findings: &mut Findings,
) -> Result<(), DemoError> {
    sleep(CALM_DOWN).await;
    for limit in PINS.into_iter().cycle().take(MOST_EDITS) {
        sleep(BETWEEN_EDITS).await;
        let took = edit(sidecar, limit).await?;
        let ms = |took: Option<f64>| took.map_or("never".to_owned(), |ms| format!("{ms:.0} ms"));
        let (accepted, in_force) = (ms(took.accepted_ms), ms(took.in_force_ms));
        events.add(format!(
            "policy.yaml edited: limit {limit}; accepted after {accepted}, in force after {in_force}"
        ));
        findings.edits.push(took);
        if Instant::now() + 2 * BETWEEN_EDITS > until {
            break;
        }
    }
    sidecar.write_policy(&policy(FREE))?;
    sleep_until(until).await;
    Ok(())
}

async fn edit(sidecar: &Sidecar, limit: u32) -> Result<Edit, DemoError> {
    let mut status = sidecar.status();
    let revision = revision(&status);
    let written = Instant::now();
    sidecar.write_policy(&policy(Bounds { min: limit, max: limit }))?;
    let is_new = |status: &Status| Some(&status.config.revision) != revision.as_ref();
    let accepted = seen(&mut status, EDIT_PATIENCE, is_new).await;
    let is_in_force =
        |status: &Status| is_new(status) && status.in_force(SERVICE, KNOB) == Some(f64::from(limit));
    // The answer that showed the new revision may already show the new limit.
    let at_once =
        status.borrow().as_ref().is_some_and(|seen| is_in_force(&seen.value)).then_some(accepted).flatten();
    let in_force = match at_once {
        Some(at) => Some(at),
        None => seen(&mut status, EDIT_PATIENCE, is_in_force).await,
    };
    let after = |at: Option<Instant>| at.map(|at| milliseconds(at - written));
    Ok(Edit { limit, accepted_ms: after(accepted), in_force_ms: after(in_force) })
}

fn revision(status: &Latest<Status>) -> Option<serde_json::Value> {
    status.borrow().as_ref().map(|Seen { value, .. }| value.config.revision.clone())
}
