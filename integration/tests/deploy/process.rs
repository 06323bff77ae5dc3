//! A sidecar that was started by one of the shipped command lines, and the folders that its supervisor would have made.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Longer than any step takes on a busy machine; no test waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(15);

/// The `setpoint` binary, which cargo puts one folder above the tests.
pub fn setpoint() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let binary = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").join("setpoint");
    assert!(binary.exists(), "{} is missing: `make test` builds it", binary.display());
    binary
}

/// An address that no other process takes: a loopback host of this process's own, `test` tells its tests apart.
pub fn admin_address(test: u8, port: u16) -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, (test << 6) | (high & 0x3f), middle, low), port))
}

/// The folders of one sidecar.
pub struct Folders(TempDir);

impl Folders {
    pub fn new() -> Folders {
        let folders = Folders(tempfile::tempdir().expect("a folder for the sidecar"));
        for name in ["config", "run", "state"] {
            fs::create_dir_all(folders.path(name).join("setpoint")).expect("a folder below it");
        }
        folders
    }

    /// `config`, `run` or `state`, which stand for /etc, /run and /var/lib.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Lays the policy out as the kubelet does: files in a dated folder, reached through the link `..data`.
    pub fn mount_config_map(&self, policy: &str) -> PathBuf {
        let mount = self.path("config").join("setpoint");
        fs::create_dir(mount.join("..2026_11_21")).expect("the dated folder is new");
        fs::write(mount.join("..2026_11_21/policy.yaml"), policy).expect("the policy is written");
        symlink("..2026_11_21", mount.join("..data")).expect("the link is new");
        symlink("..data/policy.yaml", mount.join("policy.yaml")).expect("the link is new");
        mount
    }
}

/// A running sidecar; killed when dropped.
pub struct Sidecar {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Sidecar {
    /// Starts the binary with these arguments and waits until its loop is alive.
    pub async fn start(folders: &Folders, arguments: &[String], admin: SocketAddr) -> Sidecar {
        let log = folders.path("log");
        let file = || File::options().create(true).append(true).open(&log).expect("the log can be written");
        let child = Command::new(setpoint())
            .args(arguments)
            .env_clear()
            .stdout(file())
            .stderr(file())
            .kill_on_drop(true)
            .spawn()
            .expect("the sidecar starts");
        let mut sidecar = Sidecar { child, admin, log };
        sidecar.wait_until_live().await;
        sidecar
    }

    /// The process id.
    pub fn id(&self) -> String {
        self.child.id().expect("it has not been waited for").to_string()
    }

    /// Waits until /livez answers 200.
    pub async fn wait_until_live(&mut self) {
        let mut pace = interval(Duration::from_millis(10));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        let live = timeout(PATIENCE, async {
            while last != Some(200) {
                pace.tick().await;
                let ended = self.child.try_wait().expect("a child can be asked");
                assert!(ended.is_none(), "the sidecar ended: {ended:?}\n{}", self.log());
                last = status(self.admin, "/livez").await;
            }
        });
        assert!(live.await.is_ok(), "/livez of {} said {last:?}\n{}", self.admin, self.log());
    }

    /// Sends SIGTERM and waits for the end.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        run("/bin/kill", &["-TERM".into(), self.id()]).await;
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it outlives SIGTERM\n{}", self.log()));
        (status.expect("a child can be waited for"), self.log())
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Runs a command to its end, which must be a success.
pub async fn run(program: &str, arguments: &[String]) {
    let out = Command::new(program).args(arguments).output().await;
    let out = out.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// The permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    let about = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    about.permissions().mode() & 0o777
}

/// The HTTP status of a GET; None while nobody answers in full.
async fn status(admin: SocketAddr, path: &str) -> Option<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(admin).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        std::str::from_utf8(head.strip_prefix(b"HTTP/1.1 ")?).ok()?.parse().ok()
    };
    timeout(Duration::from_secs(2), exchange).await.ok().flatten()
}
