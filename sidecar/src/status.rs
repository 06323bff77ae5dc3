//! What `/status` shows, as types that the admin server writes and `setpoint status` reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything about one sidecar now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Random for each start.
    pub epoch: u64,
    /// Finished ticks.
    pub tick: u64,
    /// Since the last finished tick.
    pub loop_age_seconds: f64,
    /// Since the start.
    pub uptime_seconds: f64,
    /// The kill switch is turned: SDKs on this socket admit every call and keep every number at its baseline.
    #[serde(default)]
    pub disabled: bool,
    /// The file that turns it.
    #[serde(default)]
    pub disable_file: String,
    /// The policy file.
    pub config: Config,
    /// Connected processes.
    pub sessions: Vec<Session>,
    /// Knobs that no policy names, as `service/knob`.
    pub unbound: Vec<String>,
    /// Knobs that a policy names and no connected process has.
    pub missing: Vec<String>,
    /// What fires now.
    pub alerts: Vec<Alert>,
    /// The newest beginnings and ends of alerts, oldest first.
    pub alert_changes: Vec<AlertChange>,
    /// The newest changes, oldest first.
    pub decisions: Vec<Change>,
}

/// The policy file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// What runs.
    pub state: ConfigState,
    /// Hash of what runs; empty without policies.
    pub revision: String,
    /// What is wrong with the file, with file, line and column.
    pub error: Option<String>,
    /// What runs was kept in the state directory by an earlier start; this one has seen no good file yet.
    #[serde(default)]
    pub restored: bool,
    /// What a restart with a bad file would run.
    #[serde(default)]
    pub kept: Kept,
}

/// The last good policy in the state directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How well it is kept.
    pub state: KeptState,
    /// Why it is not, if it is not.
    pub error: Option<String>,
}

/// How well the last good policy is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptState {
    /// There is none, and none has come into force yet.
    #[default]
    Nothing,
    /// What was found at the start is of no use, and none has come into force yet.
    Refused,
    /// What runs is being written.
    Saving,
    /// What runs is on the disk.
    Saved,
    /// What runs could not be written; an older one may be there.
    Failed,
}

impl KeptState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Nothing, Self::Refused, Self::Saving, Self::Saved, Self::Failed];

    /// The name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Refused => "refused",
            Self::Saving => "saving",
            Self::Saved => "saved",
            Self::Failed => "failed",
        }
    }
}

/// What runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigState {
    /// The file as it is.
    Active,
    /// An earlier content of the file: the newest one is bad or gone.
    LastGood,
    /// No policies: there has been no good content yet.
    #[default]
    ObserveOnly,
}

impl ConfigState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Active, Self::LastGood, Self::ObserveOnly];

    /// The name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::LastGood => "last_good",
            Self::ObserveOnly => "observe_only",
        }
    }
}

/// One connected process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The name of its service.
    pub service: String,
    /// Its own name.
    pub instance: String,
    /// How well it follows.
    pub state: SessionState,
    /// What it lets be tuned.
    pub knobs: Vec<Knob>,
    /// What policies see of it, by name: its own readings, else the sidecar's.
    pub signals: BTreeMap<String, f64>,
    /// How old each of these readings is.
    pub signal_age_seconds: BTreeMap<String, f64>,
}

/// How well a process follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Everything sent is acknowledged.
    Synced,
    /// A frame is on its way.
    Sent,
    /// A frame has waited for its ack for over a second.
    Lagging,
    /// A wanted value was refused.
    Nacked,
}

impl SessionState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Synced, Self::Sent, Self::Lagging, Self::Nacked];

    /// The name in metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Sent => "sent",
            Self::Lagging => "lagging",
            Self::Nacked => "nacked",
        }
    }
}

/// One knob of one process. Values are numbers in the knob's unit; a breaker's is that of its state: 0 local, 1 closed,
/// 2 half open, 3 open, 4 forced open, 5 recovering, 6 disabled, 7 shadow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The value in force, as read back.
    pub in_force: f64,
    /// The name of the state that is in force (`local`, `half_open`), of a breaker only.
    #[serde(default)]
    pub in_force_state: Option<String>,
    /// The value wanted; absent when no policy names the knob.
    pub want: Option<f64>,
    /// The name of the state that is wanted, of a breaker only.
    #[serde(default)]
    pub want_state: Option<String>,
    /// The policy that decides.
    pub policy: Option<String>,
    /// What it does now.
    pub action: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What a breaker does with calls now, as its process reports, also where its own rule decides (0, local): the name of a state
    /// but `local`. Absent for other knobs and for SDKs that do not tell.
    #[serde(default)]
    pub breaker: Option<String>,
    /// What a limiter does by itself; absent for other knobs.
    pub limiter: Option<Limiter>,
}

/// What a limiter does by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limiter {
    /// The limit that calls meet; below the value in force while the reflex holds it down.
    pub limit: f64,
    /// Calls in flight.
    pub in_flight: u64,
    /// The share of the limit that each priority may fill, critical to background, if it was pushed.
    pub priority_share: Option<Vec<f64>>,
    /// How often its reflex has cut the limit since its process started.
    pub reflexes: u64,
    /// Why the reflex holds the limit down now, if it does.
    pub reflex: Option<String>,
    /// Calls that waited for a place and were admitted or refused since.
    pub queue_waits: u64,
    /// How long they waited, all together.
    pub queue_wait_seconds: f64,
    /// Calls that wait now.
    pub waiting: u64,
}

/// What a person should know of one process, for as long as it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Of which service.
    pub service: String,
    /// Of which process.
    pub instance: String,
    /// The policy that says so.
    pub policy: String,
    /// The knob that the policy moves or watches; absent: the process as a whole.
    pub knob: Option<String>,
    /// `warning` or `critical`.
    pub severity: String,
    /// Since when, since the start of the sidecar.
    pub since_seconds: f64,
    /// The rule that fires.
    pub rule: String,
    /// One sentence.
    pub reason: String,
    /// The numbers behind it.
    pub evidence: Vec<Evidence>,
}

/// One number behind an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was observed.
    pub signal: String,
    /// Its value.
    pub observed: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// Unit of both.
    pub unit: String,
}

/// The beginning or the end of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// When, since the start.
    pub at_seconds: f64,
    /// `began`, `worsened` or `ended`.
    pub happened: String,
    /// The alert, as it was said last.
    pub alert: Alert,
}

/// One change of a knob.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Counts changes.
    pub id: u64,
    /// When, since the start.
    pub at_seconds: f64,
    /// Of which service.
    pub service: String,
    /// Of which process.
    pub instance: String,
    /// Which knob.
    pub knob: String,
    /// The value before.
    pub from: f64,
    /// The name of the state before, of a breaker only.
    #[serde(default)]
    pub from_state: Option<String>,
    /// The value wanted.
    pub to: f64,
    /// The name of the state wanted, of a breaker only.
    #[serde(default)]
    pub to_state: Option<String>,
    /// The policy that decided.
    pub policy: String,
    /// What it does.
    pub action: String,
    /// The rule that fired.
    pub rule: String,
    /// One sentence.
    pub reason: String,
}
