//! What the SDK showed, again and again, so that a test can speak of "all the time".

use std::sync::{Arc, Mutex};
use std::time::Duration;

use setpoint_sdk::{Health, Limiter, Setpoint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::service::Host;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a service goes through when its sidecar is gone for good.
pub const RUNS_OUT: [Health; 5] =
    [Health::Synced, Health::Quiet, Health::Held, Health::Decaying, Health::Baseline];

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub after: Duration,
    pub limit: f64,
    pub health: Health,
}

/// A running record.
pub struct Recorder {
    look: Look,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Look {
    setpoint: Setpoint,
    limiter: Limiter,
    began: Instant,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Look {
    fn now(&self) {
        let (limit, health) = (self.limiter.limit(), self.setpoint.health());
        self.seen.lock().unwrap().push(Seen { after: self.began.elapsed(), limit, health });
    }
}

impl Recorder {
    /// Looks at `host` now and every 10 ms from now on.
    pub fn start(host: &Host) -> Self {
        let (setpoint, limiter) = (host.setpoint.clone(), host.limiter);
        let look = Look { setpoint, limiter, began: Instant::now(), seen: Arc::default() };
        look.now();
        let looking = look.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                looking.now();
            }
        });
        Self { look, task }
    }

    /// Looks once more, ends the record and gives it.
    pub fn stop(self) -> Record {
        self.task.abort();
        self.look.now();
        Record(std::mem::take(&mut *self.look.seen.lock().unwrap()))
    }
}

/// What was seen, in order.
pub struct Record(pub Vec<Seen>);

impl Record {
    /// The states of health in order, without repetitions.
    pub fn healths(&self) -> Vec<Health> {
        let mut healths: Vec<_> = self.0.iter().map(|seen| seen.health).collect();
        healths.dedup();
        healths
    }

    /// Synced, but for moments in which the machine itself stood still.
    pub fn assert_undisturbed(&self) {
        let usual = [Health::Synced, Health::Quiet];
        assert!(self.0.iter().all(|seen| usual.contains(&seen.health)), "{:?}", self.healths());
        let synced = self.0.iter().filter(|seen| seen.health == Health::Synced).count();
        assert!(10 * synced > 9 * self.0.len(), "synced in {synced} of {} looks", self.0.len());
    }

    /// The limits in order, without repetitions.
    pub fn limits(&self) -> Vec<f64> {
        let mut limits: Vec<_> = self.0.iter().map(|seen| seen.limit).collect();
        limits.dedup();
        limits
    }

    /// The limits seen before `until`, without repetitions.
    pub fn limits_before(&self, until: Duration) -> Vec<f64> {
        Self(self.0.iter().copied().filter(|seen| seen.after < until).collect()).limits()
    }

    /// When a health was first seen.
    pub fn first(&self, health: Health) -> Duration {
        let found = self.0.iter().find(|seen| seen.health == health);
        found.unwrap_or_else(|| panic!("never {health}: {:?}", self.healths())).after
    }
}
