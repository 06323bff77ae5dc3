//! Connections that are kept between requests.
//!
//! A connection carries one request at a time (HTTP/1 without pipelining, as every real client does), so "most requests open"
//! is also "most connections open", and one bound covers both. Idle connections are reused last in, first out, which keeps
//! the set as small as the service's latency allows.

use std::sync::Mutex;

use bytes::Bytes;
use hyper::Method;

use super::tally::locked;
use crate::http::{Answer, Connection, HttpError, Target};

/// Connections without a request.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Vec<Connection>>);

impl Connections {
    /// Closes those that are idle.
    pub(super) fn clear(&self) {
        locked(&self.0).clear();
    }

    /// Keeps a connection for the next request, once it is ready for one and `wanted` still says so.
    pub(super) async fn keep(&self, connection: Option<Connection>, wanted: impl FnOnce() -> bool) {
        if let Some(mut connection) = connection
            && connection.reusable().await
            && wanted()
        {
            locked(&self.0).push(connection);
        }
    }

    /// One answer to a GET, and the connection when it may still be good.
    pub(super) async fn exchange(&self, target: &Target) -> (Result<Answer, HttpError>, Option<Connection>) {
        let mut connection = match self.take(target).await {
            Ok(connection) => connection,
            Err(error) => return (Err(error), None),
        };
        let request = match target.request(Method::GET, Bytes::new()) {
            Ok(request) => request,
            Err(error) => return (Err(error), None),
        };
        let result = connection.exchange(request).await;
        let connection = result.is_ok().then_some(connection);
        (result, connection)
    }

    /// An idle connection that the peer has not closed meanwhile, or a new one.
    async fn take(&self, target: &Target) -> Result<Connection, HttpError> {
        loop {
            let idle = locked(&self.0).pop();
            match idle {
                Some(connection) if connection.is_closed() => {}
                Some(connection) => return Ok(connection),
                None => return Connection::open(&target.authority).await,
            }
        }
    }
}
