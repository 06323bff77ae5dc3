//! `docs/scoreboard.md`: what the board comes to first, then every scenario, then how it was made.

use std::fmt::Write;

use setpoint_policies::sim::score::measure::Score;

use super::board::{Board, Line, Summary, p99_factor};
use super::checks::Check;
use super::laws::{Entry, ORACLE, OURS};

/// Random scenarios that are told one by one: the worst for our law.
const WORST: usize = 12;

/// The page.
pub fn markdown(board: &Board, checks: &[Check], roster: &[Entry]) -> String {
    let mut page = format!("{HEAD}\n");
    promises(&mut page, checks);
    page.push_str(PICTURES);
    for (named, title) in [(true, "The named scenarios"), (false, "Random scenarios")] {
        summary(&mut page, board, named, title);
    }
    page.push_str(FIGURES);
    ours(&mut page, board);
    matrix(&mut page, board);
    mixes(&mut page, board);
    worst(&mut page, board);
    laws(&mut page, roster);
    let _ = write!(page, "{HOW}");
    let _ = writeln!(
        page,
        "\nThis page: {} million calls in {:.0} s of wall-clock time on {} cores.",
        board.calls / 1_000_000,
        board.seconds,
        std::thread::available_parallelism().map_or(1, usize::from),
    );
    page
}

fn promises(page: &mut String, checks: &[Check]) {
    let kept = checks.iter().filter(|check| check.kept).count();
    let _ = writeln!(
        page,
        "## What it has to show: {kept} of {} kept\n\n| | promise | found |\n|---|---|---|",
        checks.len()
    );
    for check in checks {
        let mark = if check.kept { "kept" } else { "**broken**" };
        let _ = writeln!(page, "| {mark} | {} | {} |", check.what, check.found);
    }
    page.push('\n');
}

fn summary(page: &mut String, board: &Board, named: bool, title: &str) {
    let count = board.lines(named).count();
    let _ = writeln!(
        page,
        "## {title} ({count})\n\nBy mean goodput.\n\n| law | mean | worst tenth | worst | ≥ 0.90 | p99 ÷ oracle's, median | false rejects % | convergence s, median | oscillation % |\n|---|---|---|---|---|---|---|---|---|"
    );
    let mut rows: Vec<(&String, Summary)> =
        board.laws.iter().filter_map(|law| Some((law, board.summary(law, named)?))).collect();
    rows.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
    for (law, s) in rows {
        let name = if law == OURS { format!("**{law}**") } else { law.clone() };
        let convergence =
            if s.convergence.is_finite() { format!("{:.1}", s.convergence) } else { "never".to_owned() };
        let _ = writeln!(
            page,
            "| {name} | {:.3} | {:.3} | {:.3} | {:.0} % | {:.2} | {:.2} | {convergence} | {:.1} |",
            s.mean,
            s.p10,
            s.worst,
            s.good * 100.0,
            s.p99_factor,
            s.false_rejects * 100.0,
            s.oscillation * 100.0
        );
    }
    page.push('\n');
}

/// Our law in each named scenario, beside the oracle and the best peer.
fn ours(page: &mut String, board: &Board) {
    page.push_str(
        "## Our law, scenario by scenario\n\n| scenario | goodput ÷ oracle | best peer | p99 ms (oracle's) | false rejects % (oracle's) | convergence s | oscillation % | oracle's limits |\n|---|---|---|---|---|---|---|---|\n",
    );
    for line in board.lines(true) {
        let (Some(ours), Some(oracle)) = (line.laws.get(OURS), line.laws.get(ORACLE)) else { continue };
        let peers = board.peers.iter().filter_map(|peer| Some((peer, line.laws.get(peer)?.goodput_ratio)));
        let best = peers.max_by(|a, b| a.1.total_cmp(&b.1));
        let best = best.map_or(String::new(), |(peer, ratio)| format!("{ratio:.3} {peer}"));
        let _ = writeln!(
            page,
            "| {} | {:.3} | {best} | {} ({}) | {:.2} ({:.2}) | {} | {:.1} | {} |",
            line.name,
            ours.goodput_ratio,
            milliseconds(ours),
            milliseconds(oracle),
            ours.false_reject_ratio * 100.0,
            oracle.false_reject_ratio * 100.0,
            ours.convergence.map_or("never".to_owned(), |seconds| format!("{seconds:.1}")),
            ours.oscillation * 100.0,
            limits(line),
        );
    }
    page.push('\n');
}

fn milliseconds(score: &Score) -> String {
    score.p99.map_or("-".to_owned(), |seconds| format!("{:.0}", seconds * 1e3))
}

/// The limits of the oracle, each kind of phase once where they alternate.
fn limits(line: &Line) -> String {
    let shown = if line.limits.len() > 6 { &line.limits[..2] } else { &line.limits[..] };
    let limit = |limit: &f64| if limit.is_finite() { format!("{limit}") } else { "none".to_owned() };
    shown.iter().map(limit).collect::<Vec<_>>().join(", ")
}

/// Goodput of everybody everywhere.
fn matrix(page: &mut String, board: &Board) {
    let laws: Vec<&String> = board.laws.iter().filter(|law| *law != ORACLE).collect();
    page.push_str(
        "## Everybody, scenario by scenario\n\nGoodput as a percentage of the oracle's.\n\n| scenario |",
    );
    laws.iter().for_each(|law| page.push_str(&format!(" {law} |")));
    page.push_str("\n|---|");
    laws.iter().for_each(|_| page.push_str("---|"));
    for line in board.lines(true) {
        let _ = write!(page, "\n| {} |", line.name);
        for law in &laws {
            let _ = write!(
                page,
                " {} |",
                line.laws.get(*law).map_or("-".to_owned(), |s| format!("{:.0}", s.goodput_ratio * 100.0))
            );
        }
    }
    page.push_str("\n\n| scenario | what happens | runs |\n|---|---|---|\n");
    for line in board.lines(true) {
        let _ = writeln!(page, "| {} | {} | {} |", line.name, line.about, line.seeds);
    }
    page.push('\n');
}

/// Scenarios with several kinds of calls or several instances: who gets what.
fn mixes(page: &mut String, board: &Board) {
    for line in board.lines(true) {
        let fair = line.laws.values().any(|score| score.fairness.is_some());
        if line.classes.len() < 2 && !fair {
            continue;
        }
        let _ = write!(page, "## {}: who gets what\n\n| law |", line.name);
        line.classes.iter().for_each(|class| {
            let _ = write!(page, " {class}: answered in time % |");
        });
        page.push_str(if fair { " fairness |\n|---|---|" } else { "\n|---|" });
        line.classes.iter().for_each(|_| page.push_str("---|"));
        for law in &board.laws {
            let Some(score) = line.laws.get(law) else { continue };
            let _ = write!(page, "\n| {law} |");
            score.classes.iter().for_each(|share| {
                let _ = write!(page, " {:.1} |", share * 100.0);
            });
            if fair {
                let _ = write!(
                    page,
                    " {} |",
                    score.fairness.map_or("-".to_owned(), |index| format!("{index:.3}"))
                );
            }
        }
        page.push_str(if fair { FAIRNESS } else { "\n\n" });
    }
}

fn worst(page: &mut String, board: &Board) {
    let mut lines: Vec<(&Line, &Score)> =
        board.lines(false).filter_map(|line| Some((line, line.laws.get(OURS)?))).collect();
    lines.sort_by(|a, b| a.1.goodput_ratio.total_cmp(&b.1.goodput_ratio));
    let _ = writeln!(
        page,
        "## The random scenarios that our law likes least\n\n| scenario | goodput ÷ oracle | by phase | p99 ÷ oracle's | what happens |\n|---|---|---|---|---|"
    );
    for (line, score) in lines.into_iter().take(WORST) {
        let phases: Vec<String> = score.phases.iter().map(|ratio| format!("{ratio:.2}")).collect();
        let factor = p99_factor(line, score).map_or("-".to_owned(), |factor| format!("{factor:.1}"));
        let _ = writeln!(
            page,
            "| {} | {:.3} | {} | {factor} | {} |",
            line.name,
            score.goodput_ratio,
            phases.join(" "),
            line.about
        );
    }
    page.push('\n');
}

fn laws(page: &mut String, roster: &[Entry]) {
    page.push_str("## Who takes part\n\n| law | source |\n|---|---|\n| oracle | the best limit of each phase, in hindsight |\n");
    for entry in roster {
        let _ = writeln!(page, "| {} | {} |", entry.name, entry.source);
    }
    page.push('\n');
}

const HEAD: &str = "\
# Scoreboard

Concurrency laws in a simulator, measured against an oracle. Written by `make scoreboard`; do not edit.

The oracle is the best limit that a person could have set by hand in each phase, knowing the scenario in advance. A ratio of
0.97 says: of the calls that the perfectly set limit answers within their deadline, the law answers 97 %. Our law is the very
engine that runs in the sidecar, behind a link with 100 ms between reports, 1 ms of delay and 2 ms of jitter; the laws of
other projects stand in the process, as they do at home, and see every call at once.
";

const PICTURES: &str = "\
![Goodput by scenario and law](scoreboard-named.svg)

![Goodput in random scenarios](scoreboard-draws.svg)

In the second picture a dot is a scenario, the red bar the mean, the black tick the worst tenth.

";

const FIGURES: &str = "\
## What the figures mean

- **Goodput**: answers within the deadline per second, from the end of the warm-up on, divided by the oracle's over the same
  seeds. Above 1 is possible: the oracle's limit is static within a phase, and its limits were found on other seeds.
- **p99**: of answers to admitted calls in overload, from 1.5 s after its start; where there is no overload, of all answers.
  The oracle is blind to latency as long as the deadline holds, so less than 1 is common.
- **False rejects**: rejections per arrival in phases without overload, from 1 s after their start.
- **Convergence**: time from a change until four windows of 500 ms in a row have 0.9 of the oracle's goodput, over the mean of
  the seeds; the worst change of the scenario counts. Windows are longer where 500 ms hold fewer than 400 answers.
- **Oscillation**: standard deviation of the limit over its mean in the last third of phases of 6 s or more whose load is
  steady; the worst phase counts.

";

const FAIRNESS: &str = "

Fairness is Jain's index of the instances' limits over their shares of the calls, mean over time: 1 when each limit fits its
share.

";

const HOW: &str = "\
## How it was made, and what it does not say

- `make scoreboard` runs everything anew: the named scenarios are `policies/scenarios/*.yaml`, the random ones come from the
  generator that `policies/src/sim/draw.rs` describes, numbers 1 to 200. Seeds are 1, 2, ...: five for a named scenario,
  three for a drawn one, up to four times as many where a run has few calls. `make scoreboard ARGS=\"--draws 100
  --first-draw-seed 5001\"` takes scenarios that nobody has seen.
- The oracle's limits are in `policies/scenarios/oracle.json`. They were found by search over 47 limits on seeds from
  1,000,001 on; `ARGS=--search` finds them again. The search is greedy: phase by phase, twice.
- A-K and T01-T19 are regression sets: our law's constants were chosen with them in sight. The random scenarios are the
  fairer half, and fresh ones fairer still.
- Everything here is a simulation; some of it was [played on real processes](scoreboard-real.md) as well. No work is cancelled
  when a deadline passes, rejections cost nothing unless a scenario says so, and all calls of most scenarios have one deadline,
  which our law is told (`setpoint-no-deadline` is not). The laws of others were written anew from their public formulas, run
  with their defaults, and were not tuned; neither was ours, per scenario.
- A static limit that happens to be right (`static-right`) is hard to beat, and no law here claims to. What a law is for is
  finding that number and keeping it right: half of it and eight times it are on the board as well.
- Vector's scenarios re-create the public parameters of its tests. There a client with work to do waits for a permit; here
  calls come at a rate and are rejected, so the figures are not comparable with Vector's own.
";
