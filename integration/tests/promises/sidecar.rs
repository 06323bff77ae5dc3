//! The real `setpoint` binary, its folders, its policy file, and what it says of itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use setpoint::show::text;
use setpoint::status::{KeptState, Knob, Session, Status};
use setpoint_integration::http::{self, Target};
use setpoint_integration::process::sibling::sibling;
use setpoint_integration::process::{Process, guarded};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::Instant;

use crate::until::{PATIENCE, found, found_or};

/// What services call their limit.
pub const KNOB: &str = "limit.inbound";
/// What most policies here want: something else than the baseline.
pub const PUSHED: f64 = 40.0;
/// Leases of these tests, so short that hold and decay can be watched. Three seconds are the shortest ttl.
pub const TTL: Duration = Duration::from_secs(3);
pub const HOLD: Duration = Duration::from_secs(2);
pub const DECAY: Duration = Duration::from_secs(3);
/// Period of beats: the age of a lease when a sidecar dies is at most this.
pub const BEAT: Duration = Duration::from_secs(1);

const ANSWER: Duration = Duration::from_secs(5);

/// A policy file with these policies.
pub fn policies(policies: &str) -> String {
    format!(
        "version: setpoint/v1\nname: promises\n\
         defaults: {{lease: {{ttl: 3s, hold: 2s, decay: 3s}}}}\npolicies:\n{policies}"
    )
}

/// A policy file that wants exactly this limit, whatever the load: so every other value has another cause.
pub fn fixed(limit: f64) -> String {
    policies(&format!(
        "  - name: inbound\n    adaptive_concurrency: {{knob: {KNOB}, min: {limit}, max: {limit}, initial: {limit}}}\n"
    ))
}

/// A command that dies with this process, even when that is killed.
pub fn guarded_command(program: &Path) -> std::process::Command {
    guarded::command(Path::new(env!("CARGO_BIN_EXE_demo")), program)
}

/// A sidecar with a place of its own, to which it can come back.
pub struct Sidecar {
    folder: TempDir,
    admin: SocketAddr,
    process: Option<Process>,
}

impl Sidecar {
    /// Makes its folders, the one of the policy file excepted, and starts nothing.
    pub fn prepare() -> Self {
        let folder = TempDir::with_prefix("setpoint-promise-").unwrap();
        Self { folder, admin: admin_address(), process: None }
    }

    /// Starts one with this policy file.
    pub async fn start(policy: &str) -> Self {
        let mut sidecar = Self::prepare();
        fs::create_dir(sidecar.config()).unwrap();
        sidecar.write(policy);
        sidecar.launch().await;
        sidecar
    }

    /// Starts it (again) and waits until its socket and its admin address answer; says how long the socket took.
    pub async fn launch(&mut self) -> Duration {
        let began = Instant::now();
        self.process = Some(self.spawn(self.admin, "state"));
        let socket = self.socket();
        let connects = async || UnixStream::connect(&socket).await.ok();
        found("the socket answers", PATIENCE, connects).await;
        let took = began.elapsed();
        found("the status page answers", PATIENCE, async || self.look().await).await;
        took
    }

    /// Another sidecar on the same socket and policy file, with its own admin address and state.
    pub fn second(&self) -> Process {
        self.spawn(admin_address(), "state-2")
    }

    fn spawn(&self, admin: SocketAddr, state: &str) -> Process {
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = guarded_command(&sibling("setpoint").unwrap());
        command.arg("run").arg("--config").arg(self.config()).arg("--socket").arg(self.socket());
        command.arg("--admin").arg(admin.to_string()).arg("--state-dir").arg(self.folder.path().join(state));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Process::spawn("setpoint", &mut command).unwrap()
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was launched")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None; // dropping kills and reaps
    }

    /// The folder for what outlives it.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where SDKs connect.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("sdk.sock")
    }

    /// The folder of the policy file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// Replaces the policy file as a careful editor does: whole, by renaming.
    pub fn write(&self, content: impl AsRef<[u8]>) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, content).unwrap();
        fs::rename(&draft, self.config().join("policy.yaml")).unwrap();
    }

    /// What it says of itself, if it answers.
    pub async fn look(&self) -> Option<Status> {
        http::json(&Target::new(self.admin, "/status"), ANSWER).await.ok()
    }

    /// What it says of itself.
    pub async fn status(&self) -> Status {
        self.look().await.unwrap_or_else(|| panic!("no status page; its log ends in\n{}", self.log()))
    }

    /// Waits until what it says of itself `is` so, and gives that.
    pub async fn shows(&self, what: &str, within: Duration, mut is: impl FnMut(&Status) -> bool) -> Status {
        let look = async || match self.look().await {
            Some(status) if is(&status) => Ok(status),
            last => Err(last),
        };
        let lacks = |last: Option<Status>| {
            let last = last.map_or_else(|| "no status page".to_owned(), |status| text(&status));
            format!("{what}; it shows\n{last}\nits log ends in\n{}", self.log())
        };
        found_or(within, look, lacks).await
    }

    /// Waits until what runs would survive its death.
    pub async fn kept(&self) -> Status {
        self.shows("it keeps what runs", PATIENCE, |status| status.config.kept.state == KeptState::Saved)
            .await
    }

    /// What `setpoint status` prints.
    pub async fn printed(&self) -> String {
        let mut command = Command::new(sibling("setpoint").unwrap());
        let output = command.arg("status").arg("--admin").arg(self.admin.to_string()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The value of a metric with its labels as written; `None` while it does not exist.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let target = Target::new(self.admin, "/metrics");
        let answer = http::send(&target, Method::GET, Bytes::new(), ANSWER).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// The most memory that it ever had, in MiB.
    pub fn peak_rss_mib(&mut self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process().id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: f64 = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kib / 1024.0
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the sidecar's log ends in\n{}", self.log());
        }
    }
}

/// The only session of a service.
pub fn session<'a>(status: &'a Status, service: &str) -> Option<&'a Session> {
    status.sessions.iter().find(|session| session.service == service)
}

/// The limit of the only session of a service.
pub fn limit<'a>(status: &'a Status, service: &str) -> Option<&'a Knob> {
    session(status, service)?.knobs.iter().find(|knob| knob.name == KNOB)
}

/// An address that nobody else takes, so that a sidecar can come back to it: a loopback host of this process's own.
/// Connections are never *from* such an address.
fn admin_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 128 | (high & 0x7f), low, NEXT.fetch_add(1, Ordering::Relaxed));
    SocketAddr::from((host, 9847))
}
