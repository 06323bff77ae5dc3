//! The figures for people: on the terminal, and as docs/scoreboard-real.md.

use std::fmt::Write;

use super::judge::Line;
use super::rows::{Row, machine, rows, verdict};

/// For a terminal.
pub fn text(lines: &[Line], scale: f64) -> String {
    let mut out = String::new();
    if scale != 1.0 {
        let _ = writeln!(out, "Rates and workers of all scenarios times {scale}, in the simulator too.\n");
    }
    for line in lines {
        let _ = writeln!(out, "{}: {}", line.name, line.about);
        let _ = writeln!(out, "  {:<34}{:<28}real", "", "simulated");
        for Row { figure, simulated, real } in rows(line) {
            let _ = writeln!(out, "  {figure:<34}{simulated:<28}{real}");
        }
        let _ = writeln!(out, "  {}\n  {}\n", verdict(line), machine(line));
    }
    let close = lines.iter().filter(|line| line.is_close()).count();
    let _ = writeln!(out, "{close} of {} scenarios are close enough.", lines.len());
    out
}

/// The page.
pub fn markdown(lines: &[Line]) -> String {
    let mut page = format!("{HEAD}\n");
    for line in lines {
        let limits: Vec<String> = line.limits.iter().map(f64::to_string).collect();
        let _ = writeln!(
            page,
            "## {}: {}\n\n{}\n\nLimits by hand, by phase: {}.\n\n| | simulated | real |\n|---|---|---|",
            line.name,
            verdict(line),
            line.about,
            limits.join(", ")
        );
        for Row { figure, simulated, real } in rows(line) {
            let _ = writeln!(page, "| {figure} | {simulated} | {real} |");
        }
        let _ = writeln!(page, "\n{}.\n", machine(line));
    }
    page + HOW
}

const HEAD: &str = "# Scoreboard on real processes

The same scenarios, played by real processes and compared with the simulator. Written by `make scoreboard-real`; do not edit.

A figure is the median of all runs, with the least and the greatest behind it. What each means: [the
simulator](simulator.md#the-figures).
";

const HOW: &str = "## How it was made, and what it does not say

- A run has two services, each a process with an HTTP server and the SDK's layer. In one a sidecar (the shipped binary, the
  default policy, bounds and deadline of the scenario) sets the limit; in the other it is pinned to the oracle's limit of each
  phase. Both run at the same time and get the same calls, so that what machine and rig cost falls out of their ratio.
- The calls are the very ones that the simulator makes with the same seed: their times, and the work that each brings along.
  They are sent in an open loop over HTTP/1.1, and latency counts from the scheduled time.
- The service's station is the simulator's own, driven by the real clock: work is waiting, not computing, so that two cores can
  play sixteen. What is real is everything around it: sockets, scheduler, timers, the SDK's counters, its session and its
  reflex, the sidecar's loop, the way of a report and of a push.
- The simulator knows no HTTP, and its link is an assumption. Goodput that agrees says that these cost little; oscillation and
  convergence show more of them. None of it says whether the plant is like yours.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::judge::tests::line;

    #[test]
    fn text_and_page_tell_verdict_figures_and_machine() {
        let (near, far) = (line("near", 0.98, 0.95), line("far", 0.98, 0.90));
        let lines = [near, far];
        for told in [text(&lines, 1.0), markdown(&lines)] {
            assert!(told.contains("real -3.0 points from simulated: within 5"), "{told}");
            assert!(told.contains("real -8.0 points from simulated: MORE THAN 5"), "{told}");
            for row in rows(&lines[0]) {
                assert!(told.contains(row.figure) && told.contains(&row.real), "{row:?}");
            }
            assert!(told.contains("CPUs: rig 10 %, others 2 %; load average 0.50"), "{told}");
        }
        assert!(text(&lines, 0.5).contains("times 0.5, in the simulator too"));
        assert!(text(&lines, 1.0).ends_with("1 of 2 scenarios are close enough.\n"));
    }

    #[test]
    fn a_disturbed_or_crowded_run_is_told() {
        let mut line = line("A", 1.0, 1.0);
        assert!(!machine(&line).contains("DISTURBED"));
        line.repetitions[0].busy.others_ratio = 0.5;
        line.repetitions[0].lost = 3;
        line.repetitions[0].busy.ours_ratio = 0.4;
        let told = machine(&line);
        for part in ["DISTURBED in 1 of 1 runs", "3 CALLS FAILED", "use --scale"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
