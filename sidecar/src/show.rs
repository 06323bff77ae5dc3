//! A [`Status`] as text for a terminal.

use std::fmt::Write;

use crate::status::{Alert, Change, Knob, Session, Status};

/// Changes that are shown.
const CHANGES: usize = 10;

/// The status as a few tables.
pub fn text(status: &Status) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, status);
    out
}

fn write(out: &mut String, status: &Status) -> std::fmt::Result {
    if status.disabled {
        let file = &status.disable_file;
        writeln!(out, "DISABLED {file} is there: every call is admitted, every number is at its baseline")?;
    }
    let (config, revision) = (&status.config, &status.config.revision);
    let revision = revision.get(..12).unwrap_or(revision);
    let restored = if config.restored { " (kept by an earlier start)" } else { "" };
    writeln!(out, "config   {} {revision}{restored}", config.state.name())?;
    if let Some(error) = &config.error {
        writeln!(out, "error    {error}")?;
    }
    if let Some(error) = &config.kept.error {
        writeln!(out, "kept     {}: {error}", config.kept.state.name())?;
    }
    let (up, age) = (status.uptime_seconds, status.loop_age_seconds * 1e3);
    writeln!(out, "loop     tick {}, {age:.0} ms ago, up {up:.0} s", status.tick)?;
    for (title, knobs) in [("unbound", &status.unbound), ("missing", &status.missing)] {
        if !knobs.is_empty() {
            writeln!(out, "{title}  {}", knobs.join(", "))?;
        }
    }
    if !status.alerts.is_empty() {
        writeln!(out, "\nalerts")?;
        let rows = status.alerts.iter().map(|alert| row_of_alert(alert, status.uptime_seconds));
        table(out, ["FOR", "SEVERITY", "PROCESS", "POLICY", "REASON"], &rows.collect::<Vec<_>>())?;
    }
    for session in &status.sessions {
        write_session(out, session)?;
    }
    if status.sessions.is_empty() {
        writeln!(out, "\nno sessions")?;
    }
    if !status.decisions.is_empty() {
        writeln!(out, "\nnewest changes")?;
        let skipped = status.decisions.len().saturating_sub(CHANGES);
        let rows =
            status.decisions.iter().skip(skipped).map(|change| row_of_change(change, status.uptime_seconds));
        table(out, ["AGO", "KNOB", "FROM", "TO", "POLICY", "REASON"], &rows.collect::<Vec<_>>())?;
    }
    Ok(())
}

fn write_session(out: &mut String, session: &Session) -> std::fmt::Result {
    writeln!(out, "\n{} {} ({})", session.service, session.instance, session.state.name())?;
    let dash = || "-".to_owned();
    let rows = session.knobs.iter().map(|knob| {
        [
            knob.name.clone(),
            in_force(knob),
            knob.want.map_or_else(dash, |want| value(want, knob.want_state.as_deref())),
            knob.policy.clone().unwrap_or_else(dash),
            knob.action.clone().unwrap_or_else(dash),
            knob.reason.clone().unwrap_or_else(|| "no policy names it".to_owned()),
        ]
    });
    table(out, ["KNOB", "IN FORCE", "WANTED", "POLICY", "ACTION", "REASON"], &rows.collect::<Vec<_>>())?;
    for (signal, value) in &session.signals {
        let age = session.signal_age_seconds.get(signal).copied().unwrap_or_default();
        writeln!(out, "  {signal} {} ({age:.1} s ago)", number(*value))?;
    }
    Ok(())
}

fn row_of_alert(alert: &Alert, now_seconds: f64) -> [String; 5] {
    [
        format!("{:.0} s", (now_seconds - alert.since_seconds).max(0.0)),
        alert.severity.clone(),
        format!("{}/{}", alert.service, alert.instance),
        alert.policy.clone(),
        alert.reason.clone(),
    ]
}

fn row_of_change(change: &Change, now_seconds: f64) -> [String; 6] {
    [
        format!("{:.1} s", (now_seconds - change.at_seconds).max(0.0)),
        format!("{}/{}", change.service, change.knob),
        value(change.from, change.from_state.as_deref()),
        value(change.to, change.to_state.as_deref()),
        change.policy.clone(),
        change.reason.clone(),
    ]
}

/// The value in force; of a breaker that is left to its own rule also what has come of that.
fn in_force(knob: &Knob) -> String {
    let value = value(knob.in_force, knob.in_force_state.as_deref());
    match &knob.breaker {
        Some(does) if *does != value => format!("{value}: {does}"),
        _ => value,
    }
}

/// A number, or the state that it stands for.
pub(crate) fn value(value: f64, state: Option<&str>) -> String {
    state.map_or_else(|| number(value), str::to_owned)
}

/// At most three decimals, and none that say nothing.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn table<const N: usize>(out: &mut String, titles: [&str; N], rows: &[[String; N]]) -> std::fmt::Result {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].len()]).max().unwrap_or_default()
    });
    let titles = titles.map(str::to_owned);
    for row in std::iter::once(&titles).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Config, ConfigState, Kept, KeptState, SessionState};

    #[test]
    fn a_status_is_readable() {
        let knob = |name: &str, want: Option<f64>| Knob {
            name: name.to_owned(),
            in_force: 50.0,
            in_force_state: None,
            want,
            want_state: None,
            policy: want.map(|_| "inbound".to_owned()),
            action: want.map(|_| "decrease".to_owned()),
            reason: want.map(|_| "4 calls dropped".to_owned()),
            breaker: None,
            limiter: None,
        };
        let status = Status {
            tick: 12,
            uptime_seconds: 61.0,
            config: Config {
                state: ConfigState::LastGood,
                revision: "0123456789abcdef".to_owned(),
                error: Some("policy.yaml:3:7: unknown field".to_owned()),
                restored: true,
                kept: Kept { state: KeptState::Failed, error: Some("no space left on device".to_owned()) },
            },
            sessions: vec![Session {
                service: "demo".to_owned(),
                instance: "a".to_owned(),
                state: SessionState::Synced,
                knobs: vec![knob("limit.inbound", Some(35.5)), knob("batch", None)],
                signals: [("cpu_some_ratio".to_owned(), 0.1)].into(),
                signal_age_seconds: [("cpu_some_ratio".to_owned(), 0.04)].into(),
            }],
            unbound: vec!["demo/batch".to_owned()],
            alerts: vec![Alert {
                service: "demo".to_owned(),
                instance: "a".to_owned(),
                policy: "answers".to_owned(),
                knob: Some("limit.inbound".to_owned()),
                severity: "critical".to_owned(),
                since_seconds: 19.0,
                rule: "fast_burn".to_owned(),
                reason: "90.00 % of 600 calls in time".to_owned(),
                evidence: Vec::new(),
            }],
            ..Status::default()
        };
        let expected = "\
config   last_good 0123456789ab (kept by an earlier start)
error    policy.yaml:3:7: unknown field
kept     failed: no space left on device
loop     tick 12, 0 ms ago, up 61 s
unbound  demo/batch

alerts
  FOR   SEVERITY  PROCESS  POLICY   REASON
  42 s  critical  demo/a   answers  90.00 % of 600 calls in time

demo a (synced)
  KNOB           IN FORCE  WANTED  POLICY   ACTION    REASON
  limit.inbound  50        35.5    inbound  decrease  4 calls dropped
  batch          50        -       -        -         no policy names it
  cpu_some_ratio 0.1 (0.0 s ago)
";
        assert_eq!(text(&status), expected);
        assert!(text(&Status::default()).ends_with("no sessions\n"));
    }

    #[test]
    fn the_state_of_a_breaker_is_shown_by_its_name() {
        let breaker = |name: &str, does: Option<&str>| Knob {
            in_force_state: Some(name.to_owned()),
            breaker: does.map(str::to_owned),
            ..Knob::default()
        };
        for (knob, shown) in [
            (breaker("open", Some("open")), "open"),
            (breaker("open", None), "open"),
            (breaker("local", Some("half_open")), "local: half_open"),
            (Knob { in_force: 3.0, ..Knob::default() }, "3"),
        ] {
            assert_eq!(in_force(&knob), shown);
        }
        let change = Change {
            from_state: Some("closed".to_owned()),
            to_state: Some("open".to_owned()),
            ..Change::default()
        };
        assert_eq!(row_of_change(&change, 0.0)[2..4], ["closed", "open"]);
    }

    #[test]
    fn the_kill_switch_is_shown_at_the_top() {
        let disable_file = "/run/setpoint/disable".to_owned();
        let shown = text(&Status { disabled: true, disable_file, ..Status::default() });
        assert!(
            shown.starts_with("DISABLED /run/setpoint/disable is there: every call is admitted"),
            "{shown}"
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 1234.0, 0.1, 0.12345, -2.5].map(number), ["0", "1234", "0.1", "0.123", "-2.5"]);
    }
}
