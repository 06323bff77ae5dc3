//! One pressure file.

use super::source::{Fault, Source};
use crate::parse;
use crate::sample::Pressure;
use crate::window::{Window, micros};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(10);

/// Reads one pressure file and keeps its history.
#[derive(Debug)]
pub(super) struct PressureReader {
    source: Source,
    has_full: bool,
    some: Window<1>,
    full: Window<1>,
    values: Pressure,
}

impl PressureReader {
    pub(super) fn new(path: PathBuf) -> Self {
        let source = Source::new(path, crate::Size::Small);
        Self { source, has_full: true, some: Window::new(), full: Window::new(), values: Pressure::default() }
    }

    /// For a file whose `full` line is not defined although it is printed.
    pub(super) fn without_full(path: PathBuf) -> Self {
        Self { has_full: false, ..Self::new(path) }
    }

    pub(super) fn read(&mut self, now: Duration) {
        let psi = self.source.read(now, parse::psi).ok();
        let full = psi.and_then(|psi| psi.full).filter(|_| self.has_full);
        self.some.push(now, psi.map(|psi| [micros(psi.some)]));
        self.full.push(now, full.map(|full| [micros(full)]));
        self.values = Pressure {
            at: psi.map(|_| now).or(self.values.at),
            some_1s_ratio: share(&self.some, SHORT),
            some_10s_ratio: share(&self.some, LONG),
            full_1s_ratio: share(&self.full, SHORT),
            full_10s_ratio: share(&self.full, LONG),
        };
    }

    pub(super) fn values(&self) -> Pressure {
        self.values
    }

    pub(super) fn fault(&self) -> Option<(&Path, Fault)> {
        self.source.fault()
    }
}

/// Kernel totals are read a moment before or after the caller's clock, so a share can come out a hair above 1.
fn share(window: &Window<1>, span: Duration) -> Option<f64> {
    window.growth(span).map(|growth| (growth.per_second(0) / 1e6).min(1.0))
}
