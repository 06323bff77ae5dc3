//! Counts what happens, slice by slice.

use super::calls::Call;
use crate::sim::law::End;
use crate::sim::run::{Counts, Run, SLICE_SECONDS, Slice};
use crate::sim::scenario::Scenario;
use crate::time::Timestamp;

#[derive(Debug)]
pub struct Recorder {
    run: Run,
    slice: Slice,
    classes: usize,
    total: usize,
    in_flight: f64,
    /// Integral of calls in flight in this slice, up to `since`.
    area: f64,
    since: f64,
}

impl Recorder {
    pub fn new(scenario: &Scenario) -> Self {
        let classes = scenario.classes.len();
        Self {
            run: Run::default(),
            slice: empty(classes),
            classes,
            total: (scenario.seconds / SLICE_SECONDS).round() as usize,
            in_flight: 0.0,
            area: 0.0,
            since: 0.0,
        }
    }

    pub fn count(&mut self, class: u8) -> &mut Counts {
        self.run.events += 1;
        &mut self.slice.classes[usize::from(class)]
    }

    pub fn in_flight(&mut self, now: f64, change: i32) {
        self.area += self.in_flight * (now - self.since);
        self.since = now;
        self.in_flight += f64::from(change);
    }

    pub fn answered(&mut self, call: &Call, end: End, latency: f64) {
        let counts = self.count(call.class);
        match end {
            End::InTime => counts.in_time += 1,
            End::Late => counts.late += 1,
            End::Dropped | End::Failed => counts.dropped += 1,
        }
        if matches!(end, End::InTime | End::Late) {
            self.slice.latencies.push(latency as f32);
        }
    }

    pub fn law(&mut self, instance: usize, limit: f64, log: Vec<(Timestamp, String)>) {
        self.slice.limit += limit;
        self.slice.limits.push(limit);
        self.run.log.extend(log.into_iter().map(|(at, text)| (at, instance, text)));
    }

    pub fn slice_end(&self) -> f64 {
        (self.run.slices.len() + 1) as f64 * SLICE_SECONDS
    }

    pub fn close(&mut self, now: f64) {
        self.in_flight(now, 0);
        let mut slice = std::mem::replace(&mut self.slice, empty(self.classes));
        slice.in_flight = self.area / SLICE_SECONDS;
        self.area = 0.0;
        self.run.slices.push(slice);
    }

    pub fn is_complete(&self) -> bool {
        self.run.slices.len() >= self.total
    }

    pub fn finish(self) -> Run {
        self.run
    }
}

fn empty(classes: usize) -> Slice {
    Slice { classes: vec![Counts::default(); classes], ..Slice::default() }
}
