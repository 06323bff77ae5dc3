//! Asking the control loop to read the policy file now: by SIGHUP or by POST to `/-/reload`.
//!
//! The loop does it itself in its next tick, so there is never a second place that swaps policies.

use tokio::sync::{mpsc, oneshot};

use crate::status;

/// Requests that wait at once; who comes on top of these waits in line.
const WAITING: usize = 4;

/// The loop's end.
pub type Requests = mpsc::Receiver<oneshot::Sender<status::Config>>;

/// The asking end.
#[derive(Debug, Clone)]
pub struct Reload(mpsc::Sender<oneshot::Sender<status::Config>>);

impl Reload {
    /// Both ends.
    pub fn channel() -> (Self, Requests) {
        let (ask, requests) = mpsc::channel(WAITING);
        (Self(ask), requests)
    }

    /// Has the policy file read; gives what runs then. `None` when the loop is gone.
    pub async fn now(&self) -> Option<status::Config> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        answered.await.ok()
    }
}
