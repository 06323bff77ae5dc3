//! An open-loop load generator that measures from the scheduled time.
//!
//! A closed loop (N clients, each waiting for its answer) slows down together with the service and so hides the very
//! collapse that is to be shown. Here requests are due on a clock that knows nothing of answers, and latency counts from the
//! moment a request was *due*, so that neither a stall of the service nor one of this generator is omitted ("coordinated
//! omission"). Whatever could not be sent is counted, and the generator reports its own lateness, so that a reader can tell
//! whether to believe the rest.
//!
//! Each generator runs on a thread of its own with a single-threaded runtime: several can run beside a terminal display
//! without disturbing one another, at a cost of about 20 us of CPU per request.

pub mod capacity;
pub mod outcome;
pub mod plan;
pub mod schedule;
pub mod tally;

mod connections;
mod dispatch;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::http::Target;
use dispatch::Shared;
pub use schedule::Arrivals;
pub use tally::{Slot, Tally};

/// What to send, how often and how patiently.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub target: Target,
    /// Requests per second at the start; may be changed later.
    pub rate_per_second: f64,
    /// How arrivals are spread.
    pub arrivals: Arrivals,
    /// Seed of the arrival times: the same seed and rates give the same schedule.
    pub seed: u64,
    /// An answer later than this after the scheduled time counts as late. It is still read.
    pub deadline: Duration,
    /// Most requests (and so connections) open at once. A request due beyond it is counted as shed by the client.
    pub max_outstanding: usize,
}

/// Why a generator could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the load generator")]
pub struct StartError(#[from] std::io::Error);

/// A running generator. Dropping it stops it at once; requests still open stay unanswered in their tally.
#[derive(Debug)]
pub struct Generator {
    shared: Arc<Shared>,
    rate: Option<watch::Sender<f64>>,
    thread: Option<JoinHandle<()>>,
}

impl Generator {
    /// Starts sending.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let shared = Arc::new(Shared::new(&options));
        let (rate, rates) = watch::channel(options.rate_per_second);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || runtime.block_on(dispatch::run(worker, options, rates)))?;
        Ok(Self { shared, rate: Some(rate), thread: Some(thread) })
    }

    /// Changes the rate from now on; zero pauses.
    pub fn rate(&self, per_second: f64) {
        if let Some(rate) = &self.rate {
            rate.send_replace(per_second);
        }
    }

    /// Sends to `target` from now on, without a break in the schedule. Requests under way stay with the old one.
    pub fn redirect(&self, target: Target) {
        self.shared.redirect(target);
    }

    /// Counts every request *scheduled* from now on in a fresh tally and returns it. It keeps settling while answers to
    /// requests of its time come in, even after the next phase has begun.
    pub fn begin_phase(&self) -> Slot {
        self.shared.begin_phase()
    }

    /// What happened since the last call, by time of completion: the live view.
    pub fn window(&self) -> Tally {
        self.shared.window()
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.rate = None; // the dispatcher ends when its rate has no owner
        if let Some(thread) = self.thread.take() {
            // A panic there has already been printed, and there is nothing left to save.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
