//! Logs to standard error: one line per state change, as text for people or JSON for machines.
//!
//! The control loop logs as well, and must not wait for whoever reads the log: a full pipe would stop it. So a thread of
//! its own writes, from a bounded queue; lines that do not fit are dropped, and their number is told when there is room
//! again.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::fmt;

/// Lines that wait to be written.
const WAITING: usize = 1024;
/// What the end of the process waits for its last lines.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// Makes this process log. Only a `main` calls this, once.
///
/// # Errors
/// When the system gives no thread.
pub fn install(format: Format, level: Level) -> io::Result<Log> {
    let log = Log::start(io::stderr())?;
    let (queue, colours) = (log.clone(), io::stderr().is_terminal());
    let builder = fmt().with_max_level(level).with_target(false).with_writer(move || queue.clone());
    match format {
        Format::Text => builder.with_ansi(colours).init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    Ok(log)
}

/// The queue of lines. Copies share it.
#[derive(Debug, Clone)]
pub struct Log(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Lines that did not fit and were not yet told about.
    dropped: u64,
    writing: bool,
}

impl Log {
    fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let log = Self(Arc::clone(&queue));
        std::thread::Builder::new().name("log".into()).spawn(move || {
            loop {
                // A log that cannot be written has nowhere to say so.
                let _ = out.write_all(&queue.take());
            }
        })?;
        Ok(log)
    }

    /// Waits until what was logged so far is written, but not for long.
    pub fn flush(&self) {
        let busy = |state: &mut State| state.writing || !state.lines.is_empty() || state.dropped > 0;
        // After the time-out the rest is lost, which is what the time-out is for.
        drop(self.0.changed.wait_timeout_while(self.0.lock(), FLUSH_WITHIN, busy));
    }
}

/// One call is one line: that is how the subscriber writes.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.lines.len() < WAITING {
            state.lines.push_back(line.to_vec());
        } else {
            state.dropped += 1;
        }
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next line; waits for it. What was taken before counts as written.
    fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            let line = state.lines.pop_front().or_else(|| {
                let dropped = std::mem::take(&mut state.dropped);
                (dropped > 0).then(|| format!("{dropped} log lines dropped: nobody read them\n").into_bytes())
            });
            state.writing = line.is_some();
            if let Some(line) = line {
                return line;
            }
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is opened.
    #[derive(Clone, Default)]
    struct Stuck(Arc<Pipe>);

    #[derive(Default)]
    struct Pipe {
        state: Mutex<(bool, Vec<u8>)>,
        opened: Condvar,
    }

    impl Stuck {
        fn open(&self) {
            self.0.state.lock().unwrap().0 = true;
            self.0.opened.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.state.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.opened.wait_while(self.0.state.lock().unwrap(), |state| !state.0).unwrap();
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_reading_stops_nobody() {
        let out = Stuck::default();
        let mut log = Log::start(out.clone()).expect("a thread");
        for n in 0..WAITING + 500 {
            log.write_all(format!("line {n}\n").as_bytes()).expect("never fails");
        }
        out.open();
        log.flush();
        // The writer may have taken one line out of the queue before it got stuck.
        let lost = if out.text().contains("500 log lines dropped") { 500 } else { 499 };
        assert!(out.text().contains(&format!("{lost} log lines dropped")), "{}", out.text());
        assert!(out.text().starts_with("line 0\nline 1\n"));
        log.write_all(b"again\n").expect("never fails");
        log.flush();
        assert!(out.text().ends_with("again\n"));
    }
}
