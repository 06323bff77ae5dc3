use super::*;
use crate::config;

const POLICY: &str = "
version: setpoint/v1
name: demo
policies:
  - name: db
    breaker: {knob: breaker.db, consecutive: 3, probe: {fixed: {wait: 1s, jitter: 0%}}}
";

/// A process whose calls fail this often in a row.
fn line(at_millis: u64, failures: u64) -> String {
    format!(
        r#"{{"v":1,"at_nanos":{}000000,"instances":[{{"id":"a/1","service":"a","knobs":[{{"name":"breaker.db","kind":"breaker","min":0,"max":4,"baseline":0}}],"totals":{{"limit.db":{{"at_nanos":{at_millis}000000,"arrived":{failures},"admitted":{failures},"completed":0,"failed":{failures},"consecutive_failures":{failures},"admit_time_sum":0,"release_time_sum":0,"latency_sum":0,"success_latency_sum":0,"success_latency_sq_sum":0,"in_flight_peak":1,"limit_in_force":4,"limited":false}}}}}}]}}"#,
        at_millis
    )
}

fn run(input: &str, options: Options) -> (u8, String, String) {
    run_by(POLICY, input, options)
}

fn run_by(policy: &str, input: &str, options: Options) -> (u8, String, String) {
    let set = config::parse(policy.as_bytes()).unwrap().set;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = replay(input.as_bytes(), "in", set, options, &mut out, &mut err).unwrap();
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn each_decision_is_a_line() {
    let input = format!("{}\n\n{}\n", line(100, 0), line(200, 3));
    let (code, out, err) = run(&input, Options::default());
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("0.100 s  a/1  breaker.db  local -> local  hold  db: "), "{out}");
    assert_eq!(
        lines[1],
        "0.200 s  a/1  breaker.db  local -> open  decrease  db: 3 failures in a row, 3 trip"
    );
    let (_, out, _) = run(&input, Options { changes: true, ..Options::default() });
    assert_eq!(out.lines().collect::<Vec<_>>(), lines[1..]);
}

#[test]
fn machines_get_objects() {
    let (_, out, _) = run(&line(200, 3), Options { json: true, ..Options::default() });
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({
        "at_nanos": 200_000_000, "id": 1, "service": "a", "instance": "a/1", "knob": "breaker.db", "from": 0.0, "to": 3.0,
        "value": {"breaker": {"open": {"retry_after_nanos": 1_000_000_000}}}, "action": "decrease", "policy": "db",
        "rule": "consecutive_failures", "reason": "3 failures in a row, 3 trip", "guarded": null,
        "evidence": [{"signal": "consecutive_failures", "observed": 3.0, "threshold": 3.0, "unit": "1"}],
        "overruled": [],
    });
    assert_eq!(said, expected);
}

/// Readings of how late timers are, one a line, in milliseconds.
fn delays(millis: &[u64]) -> String {
    let line = |(n, delay): (usize, &u64)| {
        let at = (n + 1) * 100_000_000;
        format!(
            r#"{{"v":1,"at_nanos":{at},"instances":[{{"id":"a/1","service":"a","knobs":[{{"name":"health.ready","kind":"switch","min":0,"max":1,"baseline":1}}],"signals":{{"runtime_delay_seconds":{}}}}}]}}"#,
            *delay as f64 / 1e3
        ) + "\n"
    };
    millis.iter().enumerate().map(line).collect()
}

const LATE: &str = "
version: setpoint/v1
name: demo
policies:
  - name: late
    runtime_health: {knob: health.ready, above: 5ms, raw: true}
";

#[test]
fn b5_an_alert_is_a_line_when_it_begins_and_one_when_it_ends() {
    let changes = Options { changes: true, ..Options::default() };
    let (code, out, err) = run_by(LATE, &delays(&[1, 20, 30, 1, 1]), changes);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().filter(|line| line.contains("  alert ")).collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].starts_with("0.200 s  a/1  health.ready  alert began  warning  late: "), "{out}");
    assert!(lines[1].starts_with("0.400 s  a/1  health.ready  alert ended  warning  late: "), "{out}");
    let at = |what: &str| out.lines().position(|line| line.contains(what)).unwrap();
    assert_eq!(
        at("alert began"),
        at("0.200 s  a/1  health.ready  1 -> 0") + 1,
        "after the decisions of its snapshot"
    );
}

#[test]
fn b5_an_alert_is_an_object_for_machines_which_is_told_from_a_decision() {
    let (_, out, _) = run_by(LATE, &delays(&[1, 20]), Options { json: true, ..Options::default() });
    let objects: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let alerts: Vec<_> = objects.iter().filter(|object| object.get("alert").is_some()).collect();
    assert_eq!((objects.len(), alerts.len()), (3, 1), "{out}");
    let mut alert = alerts[0].clone();
    let reason = alert["reason"].take();
    assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()));
    let evidence = serde_json::json!([{"signal": "runtime_delay_seconds", "observed": 0.02, "threshold": 0.005, "unit": "seconds"}]);
    assert_eq!(
        alert,
        serde_json::json!({
            "at_nanos": 200_000_000, "alert": "began", "severity": "warning", "service": "a", "instance": "a/1",
            "knob": "health.ready", "policy": "late", "since_nanos": 200_000_000, "rule": objects[1]["rule"],
            "reason": null, "evidence": evidence,
        })
    );
}

#[test]
fn b7_a_policy_that_only_watches_is_not_said_to_have_found_no_knob() {
    let watch = "version: setpoint/v1\nname: w\npolicies:\n  - {name: trend, task_trend: {}}\n";
    assert_eq!(run_by(watch, &delays(&[1]), Options::default()), (0, String::new(), String::new()));
}

#[test]
fn a_bad_line_ends_it_with_its_place_or_is_skipped() {
    let input = format!("{}\nnonsense\n{}\n{}\n", line(100, 0), line(50, 0), line(200, 3));
    let (code, out, err) = run(&input, Options::default());
    assert_eq!((code, out.lines().count()), (EXIT_DATA, 1));
    assert_eq!(err, "error: in:2:2: expected ident\n");
    let (code, out, err) = run(&input, Options { keep_going: true, ..Options::default() });
    assert_eq!((code, out.lines().count()), (0, 2));
    assert_eq!(
        err,
        "error: in:2:2: expected ident\nerror: in:3:1: time goes back: 0.050 s after 0.100 s\n2 bad lines skipped, 2 snapshots replayed\n"
    );
}

#[test]
fn a_line_that_was_cut_off_is_told_with_the_place_where_it_ends() {
    let cut = &line(100, 0)[..40];
    for end in ["", "\n", "\r\n"] {
        let (code, out, err) = run(&format!("{cut}{end}"), Options::default());
        assert_eq!((code, out.as_str()), (EXIT_DATA, ""));
        assert!(err.starts_with("error: in:1:40: EOF while parsing"), "{end:?}: {err}");
    }
}

#[test]
fn an_input_without_a_snapshot_is_told() {
    for input in ["", "\n \n"] {
        let said = (0, String::new(), "no snapshots: the input is empty\n".to_owned());
        assert_eq!(run(input, Options::default()), said);
    }
}

#[test]
fn very_many_bad_lines_are_counted() {
    let (code, _, err) = run(&"x\n".repeat(100_000), Options { keep_going: true, ..Options::default() });
    assert_eq!((code, err.lines().count()), (0, 21));
    assert!(err.ends_with("100000 bad lines skipped, 0 snapshots replayed\n"), "{err}");
}

#[test]
fn what_was_decided_can_be_taken_for_applied() {
    let input = format!("{}\n{}\n", line(100, 3), line(200, 3));
    let from = |options| run(&input, options).1.lines().nth(1).unwrap().contains("  open -> open  ");
    assert!(from(Options { assume_applied: true, ..Options::default() }));
    assert!(!from(Options::default()));
}

#[test]
fn a_replay_that_decides_nothing_says_why() {
    let (code, out, err) = run(r#"{"v":1,"at_nanos":1,"instances":[]}"#, Options::default());
    assert_eq!((code, out.as_str()), (0, ""));
    assert_eq!(err, "no decisions: no snapshot has a knob that a policy names (breaker.db)\n");
}

/// Counts writes, and is gone after some.
struct Reader {
    written: Vec<String>,
    leaves_after: usize,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.len() == self.leaves_after {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.written.push(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Input of which each line comes only when the decision about the one before has been written.
#[test]
fn a_decision_is_written_before_the_next_line_is_read() {
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let answers = ours.try_clone().unwrap();
    let sidecar = std::thread::spawn(move || {
        let set = config::parse(POLICY.as_bytes()).unwrap().set;
        let mut out = theirs.try_clone().unwrap();
        replay(io::BufReader::new(theirs), "in", set, Options::default(), &mut out, &mut io::sink()).unwrap()
    });
    answers.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answers = io::BufReader::new(answers).lines();
    for n in 1..=3 {
        ours.write_all(format!("{}\n", line(n * 100, 0)).as_bytes()).unwrap();
        let answer = answers.next().unwrap().unwrap();
        assert!(answer.starts_with(&format!("0.{n}00 s")), "{answer}");
    }
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(sidecar.join().unwrap(), 0);
}

#[test]
fn a_reader_that_leaves_is_a_quiet_end() {
    let set = config::parse(POLICY.as_bytes()).unwrap().set;
    let mut out = Reader { written: Vec::new(), leaves_after: 2 };
    let (input, mut err) = ((1..9).map(|n| line(n * 100, 0) + "\n").collect::<String>(), Vec::new());
    let code = replay(input.as_bytes(), "in", set, Options::default(), &mut out, &mut err).unwrap();
    assert_eq!((code, out.written.len(), err.len()), (0, 2, 0));
}
