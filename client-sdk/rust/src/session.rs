//! The session with the sidecar: one loop that touches the application only through its knobs.
//!
//! It runs on a thread of its own (`thread`), so that it goes on when the application's runtime is saturated, which is
//! exactly when it is needed. One timer of 50 ms drives everything: leases, slices, reports, beats. A
//! second one of 10 ms runs while calls are in flight, for what cannot wait: the reflexes of limiters.
//! The loop owns all state, so there is nothing to lock and nothing to get stuck in.
//!
//! | part | does |
//! |---|---|
//! | `line`, `backoff` | the way to the sidecar: wait, connect, greet, listen |
//! | `heard` | what comes over it, and what follows |
//! | `apply`, `tuned`, `goal`, `pace`, `actuate`, `verdict` | from frames to values in force, and the acks |
//! | `lease`, `stall` | how old the sidecar's word is, and when that is our own fault |
//! | `speech` | what is said, and when |
//! | `kill_switch`, `standing` | the `disable` file; the health that a service sees |

mod actuate;
mod apply;
mod backoff;
mod goal;
mod heard;
mod kill_switch;
mod lease;
mod line;
mod pace;
mod speech;
mod stall;
mod standing;
#[cfg(test)]
mod tests;
mod thread;
mod tuned;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use setpoint_policies::reflex;
use setpoint_policies::time::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::actuator::Inner;
use crate::builder::Options;
use crate::health::Health;
use crate::own::Own;
use crate::transport::{Dial, Heard};
use apply::Applier;
use backoff::Backoff;
use kill_switch::KillSwitch;
use lease::Liveness;
use line::{Line, Step};
use speech::Speech;
use stall::StallWatch;
use standing::standing;
pub(crate) use thread::spawn;

/// The one timer: as often as a limiter closes a slice.
const TICK: Duration = Duration::from_millis(50);
/// The other one: what cannot wait that long, while there is something to watch.
const WATCH: Duration = reflex::EVERY;
/// Before the first welcome.
const BEAT: Duration = Duration::from_secs(1);
/// What is left to be sent at the end has this long.
const FAREWELL: Duration = Duration::from_millis(200);

/// Keeps a session with the sidecar until the service stops it, and then leaves every knob at its baseline.
async fn run<D: Dial>(inner: &Arc<Inner>, options: &Options, dial: D) {
    let mut tick = interval_at(Instant::now() + TICK, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = interval_at(Instant::now() + WATCH, WATCH);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut registered = inner.registry.changes();
    let mut session = Session::new(inner, options, dial);
    session.knobs_changed();
    while !session.abandoned() {
        tokio::select! {
            due = tick.tick() => session.tick(due),
            _ = watch.tick(), if session.watchful => session.watch(),
            step = session.line.next() => session.step(step),
            Ok(()) = registered.changed() => session.knobs_changed(),
        }
    }
    session.farewell().await;
}

struct Session<'a, D> {
    inner: &'a Arc<Inner>,
    options: &'a Options,
    dial: D,
    origin: Instant,
    line: Line,
    backoff: Backoff,
    /// Of the stream that is up.
    liveness: Option<Liveness>,
    /// How far the loop of an epoch had come on the last stream.
    heard_of: Option<(u64, u64)>,
    beat_every: Duration,
    applier: Applier,
    stalls: StallWatch,
    speech: Speech,
    own: Own,
    kill_switch: KillSwitch,
    /// A failure to connect is told once until a session has come about.
    complained: bool,
    /// Messages on this stream that could not be read.
    unreadable: u64,
    /// Some knob wants to be watched closely.
    watchful: bool,
}

impl<'a, D: Dial> Session<'a, D> {
    fn new(inner: &'a Arc<Inner>, options: &'a Options, dial: D) -> Self {
        Self {
            line: Line::dial(dial.clone()),
            dial,
            origin: Instant::now(),
            backoff: Backoff::new(inner.seed),
            liveness: None,
            heard_of: None,
            beat_every: BEAT,
            applier: Applier::default(),
            stalls: StallWatch::default(),
            speech: Speech::default(),
            own: Own::new(options.runtime.as_ref()),
            kill_switch: KillSwitch::new(options.disable_file(), inner.registry.disabled()),
            complained: false,
            unreadable: 0,
            watchful: false,
            inner,
            options,
        }
    }

    /// The service has no use for the session any more: it said so, or it let go without having registered anything. A
    /// limiter that was handed out goes on limiting when the `Setpoint` that made it is dropped, so the session goes on too.
    fn abandoned(&self) -> bool {
        self.inner.stopped.load(Ordering::Relaxed)
            || (Arc::strong_count(self.inner) == 1 && self.inner.registry.is_empty())
    }

    /// The session's clock. It stands still with paused time in tests, unlike the one of the counters.
    fn at(&self, instant: Instant) -> Timestamp {
        let since = instant.saturating_duration_since(self.origin);
        Timestamp::ZERO + since
    }

    fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    fn tick(&mut self, due: Instant) {
        let (due, now) = (self.at(due), self.now());
        self.stalls.fired(due, now, self.beat_every);
        let counted_at = self.inner.clock.checked();
        self.watchful = false;
        for tuned in self.applier.tuned() {
            self.watchful |= tuned.actuator().close_slice(counted_at);
        }
        if let Some(disabled) = self.kill_switch.turned(now) {
            self.inner.set_disabled(disabled);
            self.applier.set_disabled(disabled);
            self.speech.acks(self.applier.acks());
        }
        let judge_at = self.stalls.judge_at(now);
        self.speech.acks(self.applier.tick(now, judge_at));
        self.speech.flush(&self.line);
        if let Some(liveness) = &self.liveness {
            if self.speech.beat_due(due) {
                self.speech.beat(&self.line, self.stalls.take_worst());
            }
            // Reports that pile up before a stopped sidecar would hit it all at once when it goes on.
            if self.speech.report_due(due) && liveness.fresh(judge_at) {
                self.report(counted_at);
            }
        }
        let phases = self.applier.phases(judge_at);
        let health = standing(self.kill_switch.disabled(), phases, self.liveness.as_ref(), judge_at);
        self.inner.health.set(health);
    }

    /// What cannot wait for a tick.
    fn watch(&mut self) {
        let at = self.inner.clock.now();
        self.watchful = self.applier.tuned().fold(false, |more, tuned| tuned.actuator().watch(at) | more);
    }

    fn report(&mut self, counted_at: u64) {
        let counted = (counted_at, self.stalls.total_nanos());
        let mut signals = self.own.signals();
        signals.extend(self.applier.tuned().flat_map(|tuned| tuned.actuator().signals()));
        self.speech.report(&self.line, &self.applier, counted, signals);
    }

    fn knobs_changed(&mut self) {
        let update = self.applier.sync(self.inner.registry.actuators());
        self.speech.knobs(update);
        self.speech.flush(&self.line);
    }

    /// The orderly end: the sidecar forgets this process at once, and nothing that was pushed outlives the session.
    async fn farewell(mut self) {
        self.applier.release_all(self.now());
        if self.line.send(&speech::goodbye()) {
            let heard_out = async {
                while let Step::Heard(Heard::Message(_) | Heard::Bad(..)) = self.line.next().await {}
            };
            // The sidecar answers a goodbye by ending the stream; nobody waits for one that does not.
            let _ = tokio::time::timeout(FAREWELL, heard_out).await;
        }
        self.inner.health.set(Health::Baseline);
    }
}
