//! One small HTTP GET, for `setpoint status`: bounded in time and size, over the standard library, so that the tool also
//! works when the sidecar does not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The whole exchange takes no longer.
pub const WITHIN: Duration = Duration::from_secs(5);
/// Bytes of an answer.
pub const MOST_BYTES: usize = 4 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// No connection, or it broke.
    #[error("no answer from {addr}")]
    Io {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Too much came, or too slowly.
    #[error("the answer is longer than {MOST_BYTES} bytes or took longer than {WITHIN:?}")]
    TooMuch,
    /// Something else than HTTP, or with another length than announced.
    #[error("the answer is no complete HTTP response")]
    Malformed,
    /// The server refused.
    #[error("the answer is {0}")]
    Refused(String),
}

/// The body of `http://addr/path`.
///
/// # Errors
/// When there is no complete answer with code 200 within [`WITHIN`].
pub fn get(addr: SocketAddr, path: &str) -> Result<String, GetError> {
    let bytes = exchange(addr, path)?;
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(GetError::Malformed)?;
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| GetError::Malformed)?;
    let body = &bytes[head_end + 4..];
    let mut lines = head.split("\r\n");
    let (version, code) = lines.next().and_then(|line| line.split_once(' ')).ok_or(GetError::Malformed)?;
    if !version.starts_with("HTTP/1.") {
        return Err(GetError::Malformed);
    }
    if code != "200" && !code.starts_with("200 ") {
        return Err(GetError::Refused(code.to_owned()));
    }
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if length != Some(body.len()) {
        return Err(GetError::Malformed);
    }
    String::from_utf8(body.to_vec()).map_err(|_| GetError::Malformed)
}

fn exchange(addr: SocketAddr, path: &str) -> Result<Vec<u8>, GetError> {
    let failed = |source| GetError::Io { addr, source };
    let until = Instant::now() + WITHIN;
    let mut stream = TcpStream::connect_timeout(&addr, WITHIN).map_err(failed)?;
    stream.set_write_timeout(Some(WITHIN)).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > MOST_BYTES {
            return Err(GetError::TooMuch);
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut chunk).map_err(failed)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
