//! How far it is, on standard error.

use std::io::Write;
use std::time::Duration;

/// Tells how far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is run, for people.
    pub what: String,
}

impl Progress {
    /// One line that is written over and over.
    pub fn tell(&self, elapsed: Duration, length: Duration, load_average: Option<f64>) {
        let load = load_average.map_or(String::new(), |load| format!(", load average {load:.2}"));
        let (elapsed, length) = (elapsed.as_secs_f64(), length.as_secs_f64());
        // Nobody is left to tell when this cannot be written.
        let _ = write!(std::io::stderr(), "\r\x1b[K{}: {elapsed:.0} of {length:.0} s{load}", self.what);
    }

    /// The last word on a run.
    pub fn end(&self, outcome: &str) {
        let _ = writeln!(std::io::stderr(), "\r\x1b[K{}: {outcome}", self.what);
    }
}
