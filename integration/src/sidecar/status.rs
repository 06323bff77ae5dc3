//! The sidecar's `GET /status`, as far as demo and rigs need it.
//!
//! Deliberately tolerant: unknown fields are skipped and absent ones are empty, because this reader also looks at sidecars of
//! other versions. Whatever the demo *relies* on is awaited, not assumed.

use serde::{Deserialize, Serialize};

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Which start of the sidecar this is.
    pub epoch: serde_json::Value,
    /// The loop's counter.
    pub tick: u64,
    /// How long the sidecar has been running.
    pub uptime_seconds: f64,
    /// The configuration in force.
    pub config: Config,
    /// SDK processes that are connected.
    pub sessions: Vec<Session>,
    /// The latest decisions, oldest first.
    pub decisions: Vec<Decision>,
}

/// State of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `active` when a policy is in force.
    pub state: String,
    /// Changes with every policy that comes in force.
    pub revision: serde_json::Value,
    /// Why the newest file was refused.
    pub error: Option<String>,
}

/// One connected SDK.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Name of its service.
    pub service: String,
    /// `synced` when it has acknowledged what is wanted.
    pub state: String,
    /// What it lets be tuned.
    pub knobs: Vec<Knob>,
}

/// One knob of a session.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The value read back from the service.
    pub in_force: Option<f64>,
}

/// One change of a knob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// Unique within an epoch.
    pub id: u64,
    /// When. The sidecar says it in seconds since its start, the demo's report in seconds of the story.
    pub at_seconds: f64,
    /// Whose knob.
    pub service: String,
    /// Which knob.
    pub knob: String,
    /// The value before.
    pub from: Option<f64>,
    /// The value after.
    pub to: Option<f64>,
    /// The policy that decided.
    pub policy: String,
    /// `increase`, `decrease`, ...
    pub action: String,
    /// Why, in words.
    pub reason: String,
}

impl Status {
    /// The value of `knob` that `service` has in force; `None` when nobody has reported it.
    pub fn in_force(&self, service: &str, knob: &str) -> Option<f64> {
        let session = self.sessions.iter().find(|session| session.service == service)?;
        session.knobs.iter().find(|one| one.name == knob)?.in_force
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_sidecar_writes() {
        let status: Status = serde_json::from_str(
            r#"{"epoch": 7, "tick": 12, "uptime_seconds": 1.2,
                "config": {"state": "active", "revision": "3fa2", "error": null},
                "sessions": [{"service": "demo", "instance": "1", "state": "synced", "signals": {"x": null}, "knobs": [
                    {"name": "limit.inbound", "in_force": 50.0, "want": 50.0, "policy": "inbound", "action": "hold"}]}],
                "decisions": [{"id": 1, "at_seconds": 1.2, "service": "demo", "knob": "limit.inbound", "from": 50.0,
                    "to": 35.0, "policy": "inbound", "action": "decrease", "reason": "sample latency 61ms"}]}"#,
        )
        .unwrap();
        assert_eq!(status.in_force("demo", "limit.inbound"), Some(50.0));
        assert_eq!(status.in_force("demo", "limit.db"), None);
        assert_eq!(status.in_force("other", "limit.inbound"), None);
        assert_eq!(status.decisions[0].to, Some(35.0));
        assert_eq!(status.config.revision, "3fa2");
    }

    #[test]
    fn an_unknown_value_stays_unknown() {
        let status: Status = serde_json::from_str(
            r#"{"sessions": [{"service": "demo", "knobs": [{"name": "limit.inbound", "in_force": null}]}]}"#,
        )
        .unwrap();
        assert_eq!(status.in_force("demo", "limit.inbound"), None);
    }
}
