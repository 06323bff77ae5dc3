//! Looks at a JSON page again and again, over one kept connection.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::http::{Connection, HttpError, Target};

/// An answer and when it came.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// When.
    pub at: Instant,
    /// What.
    pub value: T,
}

/// What was seen last; `None` before the first answer.
pub type Latest<T> = watch::Receiver<Option<Seen<T>>>;

/// A running poll. Dropping it ends it.
#[derive(Debug)]
pub struct Poll<T> {
    latest: Latest<T>,
    task: JoinHandle<()>,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Poll<T> {
    /// Polls `target` every `every`. What does not answer within ten times that is skipped: the last answer stays, and its
    /// age tells.
    pub fn start(target: Target, every: Duration) -> Self {
        let (sender, latest) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut connection = None;
            loop {
                ticks.tick().await;
                match timeout(every * 10, look(&mut connection, &target)).await {
                    Ok(Ok(value)) => drop(sender.send_replace(Some(Seen { at: Instant::now(), value }))),
                    Ok(Err(_)) | Err(_) => connection = None,
                }
            }
        });
        Self { latest, task }
    }

    /// What was seen last, now and later.
    pub fn latest(&self) -> Latest<T> {
        self.latest.clone()
    }
}

impl<T> Drop for Poll<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look<T: DeserializeOwned>(kept: &mut Option<Connection>, target: &Target) -> Result<T, HttpError> {
    let reusable = match kept {
        Some(connection) => connection.reusable().await,
        None => false,
    };
    if !reusable {
        *kept = None; // closed before another is opened
    }
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(Connection::open(&target.authority).await?),
    };
    let answer = connection.exchange(target.request(Method::GET, Bytes::new())?).await?;
    serde_json::from_slice(&answer.body).map_err(HttpError::Json)
}

/// Waits until something seen after now satisfies `is`, and says when it was seen; `None` when nothing does `within`.
pub async fn seen<T>(
    latest: &mut Latest<T>,
    within: Duration,
    mut is: impl FnMut(&T) -> bool,
) -> Option<Instant> {
    let now = Instant::now();
    let found = latest.wait_for(|seen| seen.as_ref().is_some_and(|seen| seen.at >= now && is(&seen.value)));
    let found = timeout(within, found).await.ok()?.ok()?;
    found.as_ref().map(|seen| seen.at)
}
