//! Windows that follow each other, and the median of the readings in each.

use std::time::Duration;

use crate::time::Timestamp;

/// Readings of a window; a minute is the longest.
const MOST: usize = 64;

/// The window that is open.
#[derive(Debug)]
pub(super) struct Windows {
    length: Duration,
    began: Option<Timestamp>,
    newest: Option<Timestamp>,
    readings: Vec<f64>,
}

impl Windows {
    pub(super) const fn new(length: Duration) -> Self {
        Self { length, began: None, newest: None, readings: Vec::new() }
    }

    /// Takes in the reading of this instant, one a second at most; gives the median of a window that is over.
    pub(super) fn push(&mut self, now: Timestamp, reading: f64) -> Option<f64> {
        let began = *self.began.get_or_insert(now);
        let over = now.since(began) >= self.length;
        let median = over.then(|| self.close(now)).flatten();
        let every = (self.length / 10).min(Duration::from_secs(1));
        if self.newest.is_none_or(|newest| now.since(newest) >= every) && self.readings.len() < MOST {
            self.newest = Some(now);
            self.readings.push(reading);
        }
        median
    }

    fn close(&mut self, now: Timestamp) -> Option<f64> {
        self.readings.sort_by(f64::total_cmp);
        let median = self.readings.get(self.readings.len() / 2).copied();
        self.readings.clear();
        self.began = Some(now);
        median
    }
}
