//! The one line that the service prints once it listens, so that it can pick its own port.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where the service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The bound address.
    pub listening: SocketAddr,
}

/// The service printed something else than its address.
#[derive(Debug, thiserror::Error)]
#[error("the service announced `{0}` instead of its address")]
pub struct NotAnnounced(String);

impl Announcement {
    /// Reads the line.
    pub fn read(line: &str) -> Result<Self, NotAnnounced> {
        serde_json::from_str(line).map_err(|_| NotAnnounced(line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_by_table() {
        let announcement = Announcement { listening: "127.0.0.1:4711".parse().unwrap() };
        let line = serde_json::to_string(&announcement).unwrap();
        assert_eq!(line, r#"{"listening":"127.0.0.1:4711"}"#);
        assert_eq!(Announcement::read(&line).unwrap(), announcement);
        for line in ["", "{}", "listening on 4711", r#"{"listening":"localhost"}"#] {
            assert!(matches!(Announcement::read(line), Err(NotAnnounced(text)) if text == line), "{line}");
        }
    }
}
