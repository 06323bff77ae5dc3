//! Watches everything four times a second, whatever else is going on, and draws it.

use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::history::{EVERY, History, LaneSample, Sample};
use super::policy::{KNOB, LOOK_EVERY, SERVICE};
use super::screen::{Scene, Screen};
use super::script::Phase;
use super::stage::View;
use super::timeline::{Decisions, Events, change};
use crate::sidecar::poll::{Latest, Seen};
use crate::sidecar::status::Status;

/// A status that is older than this shows a sidecar that does not answer.
const ALIVE_WITHIN: Duration = Duration::from_millis(10 * LOOK_EVERY.as_millis() as u64);

/// The demo's eye.
#[derive(Debug)]
pub struct Observer<'a, W: Write> {
    story: &'a [Phase],
    capacity_per_second: f64,
    phase: usize,
    lanes: [View; 2],
    status: Latest<Status>,
    events: Events,
    decisions: Decisions,
    history: History,
    screen: Screen<W>,
    ticks: Interval,
    looked: Instant,
}

impl<'a, W: Write> Observer<'a, W> {
    /// Looks at `lanes` and `status` from now on.
    pub fn new(
        story: &'a [Phase],
        capacity_per_second: f64,
        lanes: [View; 2],
        status: Latest<Status>,
        events: Events,
        screen: Screen<W>,
    ) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let decisions = Decisions::default();
        let (history, looked) = (History::default(), Instant::now());
        Self {
            story,
            capacity_per_second,
            phase: 0,
            lanes,
            status,
            events,
            decisions,
            history,
            screen,
            ticks,
            looked,
        }
    }

    /// A phase begins; the lanes may have been replaced.
    pub fn enter(&mut self, phase: usize, lanes: [View; 2]) {
        self.phase = phase;
        self.lanes = lanes;
    }

    /// Watches while `act` goes on, and returns its result.
    pub async fn during<F: Future>(&mut self, act: F) -> F::Output {
        let mut act = pin!(act);
        loop {
            tokio::select! {
                biased;
                result = &mut act => return result,
                _ = self.ticks.tick() => self.look(),
            }
        }
    }

    fn look(&mut self) {
        let elapsed = self.looked.elapsed();
        if elapsed < EVERY / 2 {
            return; // an interval's first tick comes at once
        }
        self.looked = Instant::now();
        let at = self.events.now();
        let tallies = self.lanes.each_ref().map(|lane| lane.generator.window());
        let stats =
            self.lanes.each_ref().map(|lane| lane.stats.borrow().as_ref().map(|seen| seen.value.in_flight));
        let status = self.status.borrow().clone();
        if let Some(seen) = &status {
            self.decisions.take(&seen.value, at.saturating_sub(seen.at.elapsed()));
        }
        let sidecar_alive = status.as_ref().is_some_and(|seen| seen.at.elapsed() < ALIVE_WITHIN);
        let limit = |seen: &Seen<Status>| seen.value.in_force(SERVICE, KNOB);
        self.history.push(Sample {
            at,
            phase: self.phase,
            offered_per_second: tallies[0].scheduled as f64 / elapsed.as_secs_f64(),
            lanes: [0, 1].map(|lane| LaneSample::of(&tallies[lane], elapsed, stats[lane])),
            limit: status.as_ref().filter(|_| sidecar_alive).and_then(limit),
            sidecar_alive,
        });
        let news = self.news();
        let (story, history) = (self.story, &self.history);
        let capacity_per_second = self.capacity_per_second;
        self.screen.draw(&Scene { story, capacity_per_second, history, news: &news });
    }

    /// The latest event or change.
    fn news(&self) -> String {
        let event = self.events.last();
        let decision = self.decisions.all().last();
        match (event, decision) {
            (Some(event), Some(decision)) if event.at_seconds > decision.at_seconds => event.what,
            (_, Some(decision)) => format!("{}: {}", change(decision), decision.reason),
            (Some(event), None) => event.what,
            (None, None) => String::new(),
        }
    }

    /// All that was seen.
    pub fn end(self) -> (History, Decisions) {
        (self.history, self.decisions)
    }
}
