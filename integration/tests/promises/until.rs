//! Waiting for a state, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longer than anything here takes on a busy machine, learning included.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something, and gives it; fails when it does not `within` that time.
pub async fn found<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "not within {within:?}: {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until `is` true, and says how long that took.
pub async fn eventually(what: &str, within: Duration, mut is: impl FnMut() -> bool) -> Duration {
    let from = Instant::now();
    found(what, within, async || is().then_some(())).await;
    from.elapsed()
}
