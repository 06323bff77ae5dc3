//! Children are awaited, frozen, killed and reaped.

use std::path::PathBuf;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdout(Stdio::piped());
    command
}

/// The state letter of a process (`T` stopped, `Z` zombie), `None` when there is none.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[tokio::test]
async fn lines_and_the_exit_status_are_awaited() {
    let mut child = Process::spawn("talker", &mut shell("echo one; echo two; exit 3")).unwrap();
    assert_eq!(child.line(PATIENCE).await.unwrap(), "one");
    assert_eq!(child.line(PATIENCE).await.unwrap(), "two");
    let ended = child.line(PATIENCE).await;
    assert!(matches!(ended, Err(ProcessError::Ended(_, status)) if status.code() == Some(3)), "{ended:?}");
    assert_eq!(child.wait(PATIENCE).await.unwrap().code(), Some(3), "asking again is harmless");
    child.signal(Signal::TERM).unwrap();
}

#[tokio::test]
async fn a_silent_child_times_out_and_is_gone_with_its_own_children() {
    let mut child = Process::spawn("silent", &mut shell("sleep 1000 & echo $!; wait")).unwrap();
    let grandchild: u32 = child.line(PATIENCE).await.unwrap().parse().unwrap();
    let short = Duration::from_millis(20);
    assert!(matches!(child.line(short).await, Err(ProcessError::TimedOut { .. })));
    assert!(matches!(child.wait(short).await, Err(ProcessError::TimedOut { .. })));
    let pid = child.id();
    drop(child);
    assert_eq!(state(pid), None, "killed and reaped");
    // Killed with the group; its end may take its next turn on a core, and its zombie is reaped by init.
    let gone = async {
        while !matches!(state(grandchild), None | Some('Z' | 'X')) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the grandchild dies with the group");
}

#[tokio::test]
async fn freeze_and_thaw() {
    let mut child = Process::spawn("frozen", &mut shell("echo up; sleep 1000")).unwrap();
    child.line(PATIENCE).await.unwrap();
    child.freeze().unwrap();
    while state(child.id()) != Some('T') {
        tokio::task::yield_now().await;
    }
    child.thaw().unwrap();
    while state(child.id()) == Some('T') {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn terminate_asks_first_and_kills_when_ignored() {
    let mut polite =
        Process::spawn("polite", &mut shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"))
            .unwrap();
    polite.line(PATIENCE).await.unwrap();
    assert_eq!(polite.terminate(PATIENCE).await.unwrap().code(), Some(7));

    let mut deaf =
        Process::spawn("deaf", &mut shell("trap '' TERM; echo up; while :; do sleep 0.01; done")).unwrap();
    deaf.line(PATIENCE).await.unwrap();
    assert!(deaf.terminate(Duration::from_millis(50)).await.is_err());
    assert_eq!(state(deaf.id()), None);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Process::spawn("ghost", &mut Command::new("/no/such/program")).unwrap_err();
    assert_eq!(error.to_string(), "cannot start ghost (\"/no/such/program\")");
}

#[test]
fn guarded_needs_its_arguments_and_the_right_parent() {
    assert_eq!(guarded::exec(&["1".into()]).kind(), io::ErrorKind::InvalidInput);
}
