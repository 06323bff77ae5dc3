//! The control loop: the one place where signals become setpoints, and the only async code in the decision path.
//!
//! It waits for its tick, or for the first report of a new process, and for nothing else. Whatever talks to a client, a disk
//! or an operator runs elsewhere and meets the loop in plain memory, so none of them can delay a decision. A tick that is
//! missed is not made up for: the next one uses the time that really passed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use setpoint_policies::decision::Decision;
use setpoint_policies::engine::{Engine, Step};
use setpoint_policies::signal::Signals;
use setpoint_policies::snapshot::Snapshot;
use setpoint_policies::spec::PolicySet;
use setpoint_policies::time::Timestamp;

use crate::alarm::Alarm;
use crate::alerts::{Alerts, Entry};
use crate::clock::Clock;
use crate::config::{LastGood, Reloader, Status};
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::record::Recorder;
use crate::reload::Requests;
use crate::sessions::Registry;
use crate::status;
use crate::transport::rounds::{self, Rounds};

/// However soon a policy or the policy file wants the next tick, the loop rests this long.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// Reads the sidecar's own signals, given the time on the one clock.
pub type Sense = Box<dyn FnMut(Duration) -> Signals + Send>;

/// What the newest tick saw and decided, for whoever looks on.
#[derive(Debug, Default)]
pub struct Latest {
    /// One decision per bound knob and process.
    pub decisions: Vec<Decision>,
    /// What the sidecar read itself.
    pub node: Signals,
    /// The policy file.
    pub config: status::Config,
}

/// The newest tick, swapped as a whole.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Arc<Latest>>>);

impl Board {
    /// The newest tick.
    pub fn latest(&self) -> Arc<Latest> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, latest: Latest) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(latest);
    }
}

/// What the loop shares with the rest of the process.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The one clock.
    pub clock: Clock,
    /// The loop's proof of life.
    pub pulse: Arc<Pulse>,
    /// The connected processes.
    pub registry: Registry,
    /// The newest changes.
    pub journal: Arc<Journal>,
    /// What fires.
    pub alerts: Arc<Alerts>,
    /// The newest tick.
    pub board: Board,
    /// The metrics.
    pub metrics: Metrics,
    /// When connections are read.
    pub rounds: Rounds,
    /// The kill switch of the SDKs, beside the socket.
    pub disable_file: Arc<Path>,
}

/// The loop's own state.
pub struct Control {
    shared: Shared,
    engine: Engine,
    source: Reloader,
    sense: Sense,
    alarm: Arc<Alarm>,
    requests: Requests,
    /// When the engine started.
    started: Timestamp,
    recorder: Option<Recorder>,
    last_good: Option<LastGood>,
}

impl Control {
    /// A loop that starts with what `source` has to offer now, or without policies.
    pub fn new(shared: Shared, source: Reloader, sense: Sense, requests: Requests) -> Self {
        let started = shared.clock.now();
        let engine = Engine::new(Arc::new(PolicySet::observe_only()), started);
        let alarm = Arc::new(Alarm::of_runtime(shared.clock));
        Self { shared, engine, source, sense, alarm, requests, started, recorder: None, last_good: None }
    }

    /// The same loop, woken by that.
    #[must_use]
    pub fn woken_by(self, alarm: Alarm) -> Self {
        Self { alarm: Arc::new(alarm), ..self }
    }

    /// The same loop, whose snapshots are recorded.
    #[must_use]
    pub fn recording(self, recorder: Option<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// The same loop, which keeps what comes into force, and starts with that when the policy file is of no use.
    #[must_use]
    pub fn keeping(self, last_good: LastGood) -> Self {
        Self { last_good: Some(last_good), ..self }
    }

    /// Ticks until it is dropped.
    pub async fn run(mut self) {
        let clock = self.shared.clock;
        let (registry, rounds) = (self.shared.registry.clone(), self.shared.rounds.clone());
        let alarm = Arc::clone(&self.alarm);
        let mut slot = clock.now();
        let (mut due, mut rested) = (slot, slot);
        loop {
            tokio::select! {
                () = rest(clock, &alarm, &rounds, due) => {}
                // A new process gets its first setpoints at once; a crowd of them must not drive the loop.
                () = registry.newcomer() => alarm.until(rested.min(due)).await,
            }
            rounds.call().await;
            self.tick(clock.now().since(due));
            let now = clock.now();
            slot = next_slot(slot, now, self.engine.policies().tick);
            let wishes = [self.engine.wake_at(), self.source.wake_at()];
            rested = now + SHORTEST_WAIT;
            let wish = wishes.into_iter().flatten().min().map_or(slot, |wish| wish.max(rested));
            due = wish.min(slot);
        }
    }

    /// One tick, which began this much too late.
    fn tick(&mut self, lateness: Duration) {
        let now = self.shared.clock.now();
        self.shared.metrics.tick(lateness);
        self.take_policies(now);
        let node = (self.sense)(now.since(Timestamp::ZERO));
        let seen = Snapshot { at: now, node, instances: self.shared.registry.instances() };
        let step = self.engine.step(&seen);
        self.shared.metrics.decided(&step.decisions);
        self.shared.journal.record(&seen, &step.decisions);
        self.shared.registry.publish(&step, self.engine.policies(), node);
        let Step { decisions, alerts, .. } = step;
        self.shared.alerts.note(&seen, alerts).iter().for_each(Entry::log);
        self.shared.board.put(Latest { decisions, node, config: self.config() });
        if let Some(recorder) = &self.recorder {
            recorder.offer(self.started, seen);
        }
        self.shared.pulse.finish(self.shared.clock.now());
    }

    /// Takes over what the policy file says now, and answers whoever asked for that.
    fn take_policies(&mut self, now: Timestamp) {
        let asked = std::iter::from_fn(|| self.requests.try_recv().ok()).collect::<Vec<_>>();
        let before = self.source.state().error.clone();
        let first = self.shared.pulse.tick() == 0;
        // The first tick does not wait for the file to settle. Errors are kept in the state.
        let mut new = if asked.is_empty() && !first {
            self.source.poll(now)
        } else {
            self.source.force(now).unwrap_or_default()
        };
        let after = &self.source.state().error;
        if new.is_some() || (*after != before && after.is_some()) {
            self.shared.metrics.reloaded(after.is_none());
        }
        if first && new.is_none() {
            let kept = self.last_good.as_ref().and_then(LastGood::restore);
            new = kept.map(|kept| self.source.restore(now, kept));
        }
        if let Some(policies) = new {
            self.engine.replace(policies);
            if let (Some(last_good), Some(content)) = (&self.last_good, self.source.content()) {
                last_good.keep(Arc::clone(content));
            }
        }
        for answer in asked {
            // Who asked may have left.
            let _ = answer.send(self.config());
        }
    }

    /// What runs, and why.
    fn config(&self) -> status::Config {
        let state = self.source.state();
        let runs = match state.status {
            Status::Active => status::ConfigState::Active,
            Status::LastGood => status::ConfigState::LastGood,
            Status::ObserveOnly => status::ConfigState::ObserveOnly,
        };
        status::Config {
            state: runs,
            revision: state.revision.clone(),
            error: state.error.clone(),
            restored: state.restored,
            kept: self.last_good.as_ref().map(LastGood::kept).unwrap_or_default(),
        }
    }
}

/// Waits for the next tick. In a long wait, connections are read all the same.
async fn rest(clock: Clock, alarm: &Alarm, rounds: &Rounds, due: Timestamp) {
    loop {
        let round = clock.now() + rounds::EVERY;
        alarm.until(round.min(due)).await;
        if round >= due {
            return;
        }
        rounds.call().await;
    }
}

/// The first slot of the regular grid after `now`: slots that were missed stay missed, and a tick between two slots
/// shifts neither.
fn next_slot(slot: Timestamp, now: Timestamp, tick: Duration) -> Timestamp {
    if now < slot {
        return slot;
    }
    let passed = now.since(slot).as_nanos() / tick.as_nanos().max(1);
    slot + tick.saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1))
}

#[cfg(test)]
mod tests;
