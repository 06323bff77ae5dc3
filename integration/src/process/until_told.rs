//! The end of a program with children: by itself, or because it is told to.

use std::future::Future;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for `work`, which says whether all is well, or for SIGINT or SIGTERM. Either way `work` is dropped then, which kills and
/// reaps all of its processes.
///
/// # Errors
/// Those of `work`; no handler can be installed.
pub async fn until_told(work: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<ExitCode> {
    let (mut interrupted, mut terminated) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        well = work => Ok(if well? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ = interrupted.recv() => Ok(ExitCode::from(130)),
        _ = terminated.recv() => Ok(ExitCode::from(143)),
    }
}
