//! Sends what is due.
//!
//! One task per open request, on connections that are kept (see [`super::connections`]).

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Options;
use super::connections::Connections;
use super::outcome::classify;
use super::schedule::Schedule;
use super::tally::{Slot, Tally, locked};
use crate::http::Target;

/// Sends in a row before answers get a turn, when the generator has fallen behind.
const BURST: usize = 64;

/// What the dispatcher, the requests and the owner of the generator share.
#[derive(Debug)]
pub(super) struct Shared {
    target: Mutex<Arc<Target>>,
    deadline: Duration,
    max_outstanding: usize,
    outstanding: AtomicUsize,
    connections: Connections,
    phase: Mutex<Slot>,
    window: Slot,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            target: Mutex::new(Arc::new(options.target.clone())),
            deadline: options.deadline,
            max_outstanding: options.max_outstanding,
            outstanding: AtomicUsize::new(0),
            connections: Connections::default(),
            phase: Mutex::default(),
            window: Slot::default(),
        }
    }

    pub(super) fn redirect(&self, target: Target) {
        *locked(&self.target) = Arc::new(target);
        self.connections.clear();
    }

    pub(super) fn begin_phase(&self) -> Slot {
        let slot = Slot::default();
        *locked(&self.phase) = slot.clone();
        slot
    }

    pub(super) fn window(&self) -> Tally {
        self.window.take()
    }

    /// Counts in the tally of the request's phase and in the live window.
    fn count(&self, phase: &Slot, change: impl Fn(&mut Tally)) {
        phase.with(&change);
        self.window.with(&change);
    }
}

/// Sends what is due until the sender of `rates` is gone.
pub(super) async fn run(shared: Arc<Shared>, options: Options, mut rates: watch::Receiver<f64>) {
    let start = Instant::now();
    let mut schedule = Schedule::new(options.arrivals, options.rate_per_second, options.seed);
    loop {
        let due = schedule.due();
        tokio::select! {
            biased;
            changed = rates.changed() => match changed {
                Ok(()) => {
                    let now = start.elapsed();
                    fire_due(&shared, &mut schedule, start, now, usize::MAX);
                    schedule.change_rate(now, *rates.borrow_and_update());
                }
                Err(_) => return,
            },
            () = sleep_until(start + due.unwrap_or_default()), if due.is_some() => {
                fire_due(&shared, &mut schedule, start, start.elapsed(), BURST);
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Sends what is due at `now`, but at most `most` requests.
fn fire_due(shared: &Arc<Shared>, schedule: &mut Schedule, start: Instant, now: Duration, most: usize) {
    for _ in 0..most {
        let Some(due) = schedule.due().filter(|due| *due <= now) else { return };
        fire(shared, start + due, now - due);
        schedule.advance();
    }
}

fn fire(shared: &Arc<Shared>, scheduled: Instant, lateness: Duration) {
    let phase = locked(&shared.phase).clone();
    let shed = shared.outstanding.load(Relaxed) >= shared.max_outstanding;
    shared.count(&phase, |tally| {
        tally.scheduled += 1;
        if shed {
            tally.shed_by_client += 1;
        } else {
            tally.record_sent(lateness);
        }
    });
    if !shed {
        shared.outstanding.fetch_add(1, Relaxed);
        tokio::spawn(request(Arc::clone(shared), phase, scheduled));
    }
}

async fn request(shared: Arc<Shared>, phase: Slot, scheduled: Instant) {
    let target = Arc::clone(&locked(&shared.target));
    let (result, connection) = shared.connections.exchange(&target).await;
    let latency = scheduled.elapsed();
    let outcome = classify(&result, latency, shared.deadline);
    shared.count(&phase, |tally| tally.record(outcome, latency));
    shared.outstanding.fetch_sub(1, Relaxed);
    shared.connections.keep(connection, || Arc::ptr_eq(&target, &locked(&shared.target))).await;
}
