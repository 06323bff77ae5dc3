//! Waiting for a state, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longer than anything here takes on a busy machine, learning included.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something, and gives it; fails when it does not `within` that time.
pub async fn found<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    found_or(within, async || look().await.ok_or(()), |()| what.to_owned()).await
}

/// The same for a look that gives what there is instead; when it fails it says `what` of the last one.
pub async fn found_or<T, L>(
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, L>,
    what: impl FnOnce(L) -> String,
) -> T {
    let until = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(last) if Instant::now() >= until => panic!("not within {within:?}: {}", what(last)),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// Waits until `is` true, and says how long that took.
pub async fn eventually(what: &str, within: Duration, mut is: impl FnMut() -> bool) -> Duration {
    let from = Instant::now();
    found(what, within, async || is().then_some(())).await;
    from.elapsed()
}
