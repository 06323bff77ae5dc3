//! The real binary: what an operator and a supervisor see.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use setpoint::{admin, status};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_setpoint");
const GOOD: &str = "version: setpoint/v1\nname: demo\npolicies:\n  \
                    - name: inbound\n    adaptive_concurrency: {knob: limit.inbound}\n";

/// A line of the log comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running sidecar; killed when dropped.
struct Sidecar {
    child: Child,
    log: Receiver<String>,
    admin: SocketAddr,
}

impl Sidecar {
    /// Starts on the socket, policy and state below `home`, and waits until it says that it runs.
    fn start(home: &Path) -> Self {
        Self::following(run(home).stderr(Stdio::piped()).spawn().expect("the binary runs"))
    }

    /// Follows the log of one that was started, and waits until it says that it runs.
    fn following(mut child: Child) -> Self {
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let (line, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|text| line.send(text)));
        let mut sidecar = Self { child, log, admin: admin::DEFAULT_ADDR };
        let started = sidecar.wait_for("sidecar started");
        let admin = started.split_once("admin_addr=").and_then(|(_, rest)| rest.split(' ').next());
        sidecar.admin = admin.and_then(|addr| addr.parse().ok()).expect("it says where");
        sidecar
    }

    /// Reads the log up to a line with this text.
    fn wait_for(&self, text: &str) -> String {
        let mut seen = String::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("it did not say {text:?}:\n{seen}");
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("it runs");
    }

    /// The exit code, once it has ended.
    fn exit(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("a child of ours")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(home: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("run").arg("--config").arg(home.join("config")).arg("--socket").arg(home.join("sdk.sock"));
    command.env("SETPOINT_ADMIN", "127.0.0.1:0").arg("--state-dir").arg(home.join("state"));
    command
}

fn setpoint(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn write_policy(home: &Path, policy: &str) {
    std::fs::create_dir_all(home.join("config")).expect("made");
    std::fs::write(home.join("config/policy.yaml"), policy).expect("written");
}

#[test]
fn a_second_sidecar_on_one_socket_exits_3_and_names_the_first() {
    let home = home();
    let first = Sidecar::start(home.path());
    let second = run(home.path()).output().expect("the binary runs");
    assert_eq!(second.status.code(), Some(3));
    let said = text(&second.stderr);
    assert!(
        said.contains("held by another sidecar") && said.contains(&format!("pid {}", first.child.id())),
        "{said}"
    );
    assert!(admin::client::get(first.admin, "/livez").is_ok(), "the first goes on");
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let home = home();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = taken.local_addr().expect("bound").to_string();
    let failed = run(home.path()).args(["--admin", &admin]).output().expect("the binary runs");
    assert_eq!(failed.status.code(), Some(1));
    let said = text(&failed.stderr);
    assert!(said.contains("cannot listen on the admin address"), "{said}");
    let left = std::fs::read_dir(home.path()).expect("there").map(|entry| entry.expect("there").file_name());
    assert_eq!(left.collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new());
}

#[test]
fn what_a_killed_sidecar_leaves_behind_is_taken_over() {
    let home = home();
    let first = Sidecar::start(home.path());
    first.signal(Signal::KILL);
    assert_eq!(first.exit().signal(), Some(9));
    assert!(home.path().join("sdk.sock").exists(), "left behind");
    let second = Sidecar::start(home.path());
    std::os::unix::net::UnixStream::connect(home.path().join("sdk.sock")).expect("somebody listens");
    drop(second);
}

#[test]
fn the_socket_is_for_owner_and_group() {
    let home = home();
    let _sidecar = Sidecar::start(home.path());
    let socket = std::fs::metadata(home.path().join("sdk.sock")).expect("there");
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o7777, 0o660);
}

#[test]
fn terminate_and_interrupt_end_it_in_an_orderly_manner() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = home();
        let sidecar = Sidecar::start(home.path());
        sidecar.signal(signal);
        sidecar.wait_for("sidecar stops");
        assert_eq!(sidecar.exit().code(), Some(0));
        assert!(!home.path().join("sdk.sock").exists());
    }
}

#[test]
fn a_bad_policy_does_not_keep_it_from_starting_and_hang_up_reads_the_good_one() {
    let home = home();
    write_policy(home.path(), "version: setpoint/v1\nname: demo\npolicies: []\n");
    let sidecar = Sidecar::start(home.path());
    let refused = sidecar.wait_for("policy file refused");
    assert!(refused.contains("policy.yaml:3:"), "{refused}");
    write_policy(home.path(), GOOD);
    sidecar.signal(Signal::HUP);
    sidecar.wait_for("policy file loaded");
    let shown = setpoint(&["status", "--admin", &sidecar.admin.to_string(), "--json"]);
    let status: status::Status = serde_json::from_slice(&shown.stdout).expect("a status");
    assert_eq!((status.config.state, status.config.error), (status::ConfigState::Active, None));
    assert_eq!(status.missing, ["limit.inbound"]);
    let shown = setpoint(&["status", "--admin", &sidecar.admin.to_string()]);
    assert_eq!(shown.status.code(), Some(0));
    let shown = text(&shown.stdout);
    assert!(shown.starts_with("config   active ") && shown.ends_with("no sessions\n"), "{shown}");
}

#[test]
fn l4_a_state_directory_that_cannot_be_made_is_told_and_nothing_else_suffers() {
    let home = home();
    write_policy(home.path(), GOOD);
    std::fs::write(home.path().join("state"), "in the way").expect("written");
    let sidecar = Sidecar::start(home.path());
    let warned = sidecar.wait_for("last good policy cannot be saved");
    assert!(warned.contains("cannot make the directory") && warned.contains("state"), "{warned}");
    // The page is of the newest tick.
    let began = Instant::now();
    let shown = loop {
        let shown = text(&setpoint(&["status", "--admin", &sidecar.admin.to_string()]).stdout);
        if shown.contains("\nkept     failed: cannot make") {
            break shown;
        }
        assert!(began.elapsed() < PATIENCE, "{shown}");
    };
    assert!(shown.starts_with("config   active "), "{shown}");
    let metrics = admin::client::get(sidecar.admin, "/metrics").expect("served");
    assert!(metrics.contains("setpoint_last_good_state{state=\"failed\"} 1"), "{metrics}");
    sidecar.signal(Signal::TERM);
    assert_eq!(sidecar.exit().code(), Some(0));
}

#[test]
fn l4_what_ran_runs_after_a_kill_even_when_the_file_is_gone() {
    let home = home();
    write_policy(home.path(), GOOD);
    let sidecar = Sidecar::start(home.path());
    sidecar.wait_for("last good policy saved");
    sidecar.signal(Signal::KILL);
    assert_eq!(sidecar.exit().signal(), Some(9));
    std::fs::remove_dir_all(home.path().join("config")).expect("removed");
    let sidecar = Sidecar::start(home.path());
    sidecar.wait_for("the last good policy that was kept runs");
    write_policy(home.path(), GOOD);
    sidecar.wait_for("policy file is good again");
}

#[test]
fn what_is_to_be_watched_and_is_not_there_is_told_and_keeps_nothing_from_starting() {
    let home = home();
    // No process has this number: it is above the kernel's largest.
    for (option, value, why, missing) in [
        ("--pid", "4194305", "the process of --pid: no such file", "run_delay_per_slice_seconds"),
        ("--cgroup", "/nope", "--cgroup: /nope is not a cgroup directory", "memory_working_set_ratio"),
    ] {
        let child = run(home.path()).args([option, value]).stderr(Stdio::piped()).spawn().expect("it runs");
        let sidecar = Sidecar::following(child);
        let told = sidecar.wait_for("is not there");
        assert!(told.contains("WARN") && told.contains(why) && told.contains(missing), "{told}");
        assert!(admin::client::get(sidecar.admin, "/livez").is_ok(), "it runs");
    }
}

#[test]
fn the_kill_switch_beside_the_socket_is_shown() {
    let home = home();
    let sidecar = Sidecar::start(home.path());
    let admin = sidecar.admin.to_string();
    let shown = || {
        let status = setpoint(&["status", "--admin", &admin, "--json"]);
        let status: status::Status = serde_json::from_slice(&status.stdout).expect("a status");
        let metrics = admin::client::get(sidecar.admin, "/metrics").expect("served");
        let text = text(&setpoint(&["status", "--admin", &admin]).stdout);
        (status.disabled, metrics.contains("\nsetpoint_disabled 1\n"), text.starts_with("DISABLED "))
    };
    assert_eq!(shown(), (false, false, false));
    std::fs::write(home.path().join("disable"), "").expect("written");
    assert_eq!(shown(), (true, true, true));
    std::fs::remove_file(home.path().join("disable")).expect("removed");
    assert_eq!(shown(), (false, false, false));
}

#[test]
fn livez_answers_while_it_runs() {
    let home = home();
    write_policy(home.path(), GOOD);
    let sidecar = Sidecar::start(home.path());
    // The loop has ticked when it has read the file.
    sidecar.wait_for("policy file loaded");
    let body = admin::client::get(sidecar.admin, "/livez").expect("alive");
    assert!(body.starts_with("{\"alive\":true,\"tick\":"), "{body}");
    let metrics = admin::client::get(sidecar.admin, "/metrics").expect("served");
    assert!(metrics.contains("setpoint_config_state{state=\"active\"} 1"), "{metrics}");
}

#[test]
fn check_tells_good_from_bad() {
    let home = home();
    let directory = home.path().join("config");
    let directory = directory.to_str().expect("text");
    assert_eq!(setpoint(&["check", directory]).status.code(), Some(64), "not there");
    write_policy(home.path(), "version: setpoint/v1\nname: demo\npolicies: []\n");
    let bad = setpoint(&["check", directory]);
    assert_eq!(bad.status.code(), Some(64));
    assert!(text(&bad.stdout).contains("policy.yaml:3:"), "{}", text(&bad.stdout));
    write_policy(home.path(), GOOD);
    assert_eq!(setpoint(&["check", directory]).status.code(), Some(0));
    assert_eq!(text(&setpoint(&["check", directory, "--json"]).stdout).trim(), "[]");
}

#[test]
fn check_takes_a_file_of_any_name_and_standard_input() {
    let home = home();
    let (good, bad) = (home.path().join("good.yaml"), home.path().join("bad.yaml"));
    let (good, bad) = (good.to_str().expect("text"), bad.to_str().expect("text"));
    let wrong = GOOD.replace("name: demo", "name: DEMO");
    std::fs::write(good, GOOD).expect("written");
    std::fs::write(bad, &wrong).expect("written");
    let said = |output: Output| {
        (output.status.code(), text(&output.stdout).lines().next().unwrap_or_default().to_owned())
    };
    let piped = |policy: &str| {
        let mut command = Command::new(BINARY);
        let mut child = command
            .args(["check", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("piped").write_all(policy.as_bytes()).expect("it reads");
        child.wait_with_output().expect("a child of ours")
    };
    for (name, good, bad) in
        [(true, setpoint(&["check", good]), setpoint(&["check", bad])), (false, piped(GOOD), piped(&wrong))]
    {
        let (good, bad) = (said(good), said(bad));
        let names = if name { ["good.yaml", "bad.yaml"] } else { ["-", "-"] };
        assert!(good.0 == Some(0) && good.1.contains(&format!("{} is good: `demo`", names[0])), "{good:?}");
        assert!(bad.0 == Some(64) && bad.1.contains(&format!("{}:2:7: `name`: ", names[1])), "{bad:?}");
    }
}

#[test]
fn the_command_line_is_explained() {
    for usage in [&["run"][..], &["nonsense"], &[], &["run", "--config", "x", "--nonsense"]] {
        assert_eq!(setpoint(usage).status.code(), Some(64), "{usage:?}");
    }
    let help = setpoint(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Examples:"));
    let completions = setpoint(&["completions", "bash"]);
    assert_eq!(completions.status.code(), Some(0));
    let script = text(&completions.stdout);
    assert!(script.contains("_setpoint()") && script.contains("gradient2 "), "the laws by name, too");
    // Port 1 is reserved and nobody listens on it.
    let nobody = setpoint(&["status", "--admin", "127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        text(&nobody.stderr).starts_with("error: no answer from 127.0.0.1:1: "),
        "{}",
        text(&nobody.stderr)
    );
}

#[test]
fn a_scenario_can_come_from_standard_input() {
    let simulated = |scenario: &str| {
        let mut command = Command::new(BINARY);
        command.args(["simulate", "-", "--no-oracle", "--seeds", "1", "--json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let written = child.stdin.take().expect("piped").write_all(scenario.as_bytes());
        written.expect("it reads");
        child.wait_with_output().expect("a child of ours")
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/scenarios/j.yaml");
    let scenario = std::fs::read_to_string(file).expect("built in");
    let done = simulated(&scenario);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let named = setpoint(&["simulate", "J", "--no-oracle", "--seeds", "1", "--json"]);
    assert_eq!(text(&done.stdout), text(&named.stdout), "the same as by its name");
    let wrong = simulated("version: setpoint/v1\nkind: Scenario\nname: x\nduration: 12\n");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(text(&wrong.stderr).contains("-:4:11: `duration`: unit missing"), "{}", text(&wrong.stderr));
}

#[test]
fn what_run_records_is_replayed() {
    let home = home();
    write_policy(home.path(), GOOD);
    let tape = home.path().join("tape.ndjson");
    let child = run(home.path()).arg("--record").arg(&tape).stderr(Stdio::piped()).spawn().expect("it runs");
    let sidecar = Sidecar::following(child);
    // The loop has ticked when it has read the file.
    sidecar.wait_for("policy file loaded");
    sidecar.signal(Signal::TERM);
    assert_eq!(sidecar.exit().code(), Some(0));
    let recorded = std::fs::read_to_string(&tape).expect("recorded");
    assert!(recorded.lines().count() >= 1 && recorded.ends_with('\n'), "{recorded}");
    assert!(recorded.lines().all(|line| line.starts_with("{\"v\":1,")), "{recorded}");
    let policy = home.path().join("config");
    let replayed =
        setpoint(&["replay", tape.to_str().expect("text"), "--policy", policy.to_str().expect("text")]);
    assert_eq!((replayed.status.code(), text(&replayed.stdout)), (Some(0), String::new()));
    assert!(
        text(&replayed.stderr).contains("no decisions: no snapshot has a knob"),
        "{}",
        text(&replayed.stderr)
    );
}

#[test]
fn replay_and_simulate_tell_bad_input_by_their_exit_code() {
    let home = home();
    write_policy(home.path(), GOOD);
    let policy = home.path().join("config/policy.yaml");
    let policy = policy.to_str().expect("text");
    let bad = home.path().join("bad");
    std::fs::write(&bad, "{\"v\":1}\n").expect("written");
    let bad = bad.to_str().expect("text");
    for (arguments, code, said) in [
        (&["replay", bad, "--policy", policy][..], 65, "bad:1:7: missing field `at_nanos`"),
        (&["replay", bad, "--policy", policy, "--keep-going"], 0, "1 bad line skipped"),
        (&["replay", bad, "--policy", bad], 64, "bad:1:1: the file needs the field `version`"),
        (&["replay", "/no/such", "--policy", policy], 1, "cannot open /no/such"),
        (&["simulate", bad], 64, "bad:1:1: the file needs the field `version`"),
        (&["simulate", "no-such"], 64, "no scenario is named `no-such`"),
        (
            &["simulate", "T01", "--no-oracle", "--seeds", "1", "--html", "/no/such/page"],
            1,
            "cannot write /no/such/page",
        ),
    ] {
        let output = setpoint(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
    }
}
