//! Waiting for a state of another process, never for a time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::time::{Instant, sleep};

use crate::http::{self, HttpError, Target};

/// How often a state is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `target` answers with a success; the last error when it does not `within` that time.
pub async fn http_ok(target: &Target, within: Duration) -> Result<(), HttpError> {
    let until = Instant::now() + within;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match http::send(target, Method::GET, Bytes::new(), left).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// A port of 127.0.0.1 that was free just now, for a program that has to be told its port before it starts.
///
/// Somebody else may take it in between. The kernel hands out ephemeral ports in turn, so that is rare; programs that can
/// report the port they were given (`:0`) are better started that way.
pub fn free_local_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
