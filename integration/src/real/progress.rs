//! How far it is, on standard error.

use std::io::{IsTerminal, Write};
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
        line(&format!("{}: {elapsed:.0} of {length:.0} s{load}", self.what), false);
    }

    /// The last word on a run.
    pub fn end(&self, outcome: &str) {
        line(&format!("{}: {outcome}", self.what), true);
    }
}

/// Writes a line over the one before; one that is to be `kept` has the next below it. In a file, or another program's input, there
/// are only the kept ones: nothing can be written over there.
pub fn line(text: &str, kept: bool) {
    let mut out = std::io::stderr().lock();
    let end = if kept { "\n" } else { "" };
    // Nobody is left to tell when this cannot be written.
    let _ = match (out.is_terminal(), kept) {
        (true, _) => write!(out, "\r\x1b[K{text}{end}"),
        (false, true) => writeln!(out, "{text}"),
        (false, false) => Ok(()),
    };
}
