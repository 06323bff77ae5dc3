//! The smallest HTTP/1 client that the demo and the tests need: one target, one connection, bounded answers.
//!
//! hyper's connection API is used directly. A pooling client would retry and reconnect behind our back, and then a reset
//! that a user would have felt is missing from the figures.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Answers longer than this are refused: nothing that we ask for comes near it.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Where to send requests: `http://host:port/path`, without user, query or TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `host:port`, as connected to and as sent in the `host` header.
    pub authority: String,
    /// The path, beginning with `/`.
    pub path: String,
}

impl Target {
    /// `path` at `authority`.
    pub fn new(authority: impl ToString, path: &str) -> Self {
        Self { authority: authority.to_string(), path: path.to_owned() }
    }

    /// A request to this target.
    pub fn request(&self, method: Method, body: Bytes) -> Result<Request<Full<Bytes>>, HttpError> {
        let request = Request::builder().method(method).uri(&self.path).header(HOST, &self.authority);
        let json = !body.is_empty();
        let request = if json { request.header(CONTENT_TYPE, "application/json") } else { request };
        request.body(Full::new(body)).map_err(|_| HttpError::Target(self.to_string()))
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl FromStr for Target {
    type Err = HttpError;

    fn from_str(url: &str) -> Result<Self, HttpError> {
        let invalid = || HttpError::Target(url.to_owned());
        let rest = url.strip_prefix("http://").ok_or_else(invalid)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let port = authority.rsplit_once(':').map(|(host, port)| (host.is_empty(), port.parse::<u16>()));
        match port {
            Some((false, Ok(_))) => Ok(Self::new(authority, path)),
            _ => Err(invalid()),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a usable address.
    #[error("`{0}` is not of the form http://host:port/path")]
    Target(String),
    /// The connection could not be made.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// The connection broke, or what came over it was not HTTP.
    #[error("connection broke")]
    Broken(#[source] hyper::Error),
    /// The body broke off or was too long.
    #[error("answer broke off or is longer than {MAX_ANSWER_BYTES} bytes")]
    Body,
    /// Nothing within the time given.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// An answer that is not a success.
    #[error("answered {0}: {1}")]
    Status(StatusCode, String),
    /// An answer that is not the expected JSON.
    #[error("answer is not the expected json")]
    Json(#[source] serde_json::Error),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, read to the end.
    pub body: Bytes,
}

/// One open keep-alive connection. Dropping it closes it.
#[derive(Debug)]
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects to `authority` (`host:port`). The connection is driven by a task of the current runtime.
    pub async fn open(authority: &str) -> Result<Self, HttpError> {
        let stream = TcpStream::connect(authority).await.map_err(HttpError::Connect)?;
        stream.set_nodelay(true).map_err(HttpError::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Broken)?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends one request and reads its answer to the end.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, HttpError> {
        let answer = self.0.send_request(request).await.map_err(HttpError::Broken)?;
        let (head, body) = answer.into_parts();
        let body =
            Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|_| HttpError::Body)?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Waits until the next request may be sent; false when the peer has closed the connection.
    pub async fn reusable(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    /// The peer has closed it while it was idle.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Sends `body` (empty for none) over a fresh connection, all within `within`; any answer but a success is an error.
pub async fn send(
    target: &Target,
    method: Method,
    body: Bytes,
    within: Duration,
) -> Result<Answer, HttpError> {
    let request = target.request(method, body)?;
    let exchange = async { Connection::open(&target.authority).await?.exchange(request).await };
    let answer = timeout(within, exchange).await.map_err(|_| HttpError::TimedOut(within))??;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]).into_owned();
    Err(HttpError::Status(answer.status, text))
}

/// `GET target` as JSON.
pub async fn json<T: DeserializeOwned>(target: &Target, within: Duration) -> Result<T, HttpError> {
    let answer = send(target, Method::GET, Bytes::new(), within).await?;
    serde_json::from_slice(&answer.body).map_err(HttpError::Json)
}

/// `POST value` as JSON.
pub async fn post<T: Serialize>(target: &Target, value: &T, within: Duration) -> Result<(), HttpError> {
    let body = serde_json::to_vec(value).map_err(HttpError::Json)?;
    send(target, Method::POST, body.into(), within).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_by_table() {
        let good = [
            ("http://127.0.0.1:80", "/"),
            ("http://localhost:8080/work", "/work"),
            ("http://[::1]:1/a/b", "/a/b"),
        ];
        for (url, path) in good {
            assert_eq!(url.parse::<Target>().unwrap().path, path, "{url}");
        }
        for url in
            ["127.0.0.1:80", "https://a:1/", "http://a/work", "http://:80/", "http://a:99999/", "http://a:x/"]
        {
            assert!(matches!(url.parse::<Target>(), Err(HttpError::Target(_))), "{url}");
        }
    }
}
