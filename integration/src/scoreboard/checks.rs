//! What the board has to show, and whether it does.

use setpoint_policies::sim::score::measure::Score;

use super::board::{Board, Line, mean};
use super::laws::{ORACLE, OURS};

/// Services of 20 to 50 ms that see a step of about twice their load.
const STEPS: [&str; 3] = ["A", "I", "J"];
/// The dependency that gets ten times slower.
const SLOW_DEPENDENCY: &str = "G";
/// Differences below half a point are no difference.
const SMALLEST: f64 = 0.005;
/// Most exceptions that are named.
const NAMED: usize = 12;

/// Something that was promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The promise.
    pub what: String,
    /// What was found, exceptions included.
    pub found: String,
    /// Whether it is kept.
    pub kept: bool,
}

/// All promises that can be judged from this board.
pub fn all(board: &Board, sensitivity: Option<Sensitivity>) -> Vec<Check> {
    let mut checks = goodput(board);
    checks.extend([against_peers(board), false_rejects(board)]);
    checks.extend(p99(board));
    checks.extend(convergence(board));
    checks.push(oscillation(board));
    checks.extend(sensitivity.map(|found| found.checks()).into_iter().flatten());
    checks
}

fn check(what: impl Into<String>, found: String, kept: bool) -> Check {
    Check { what: what.into(), found, kept }
}

fn goodput(board: &Board) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(named) = board.summary(OURS, true) {
        checks.push(at_least("named scenarios: mean goodput / oracle", named.mean, 0.985));
        checks.push(at_least("named scenarios: worst goodput / oracle", named.worst, 0.94));
    }
    if let Some(drawn) = board.summary(OURS, false) {
        checks.push(at_least("random draws: mean goodput / oracle", drawn.mean, 0.975));
        checks.push(at_least("random draws: worst goodput / oracle", drawn.worst, 0.80));
        checks.push(at_least("random draws: share with at least 0.90", drawn.good, 0.95));
        let peers = board.peers.iter().filter_map(|peer| Some((peer, board.summary(peer, false)?.mean)));
        if let Some((peer, best)) = peers.max_by(|a, b| a.1.total_cmp(&b.1)) {
            let ahead = drawn.mean - best;
            let found = format!("{ahead:+.3} to {peer} ({best:.3})");
            checks.push(check("random draws: mean ahead of the best peer by 0.03", found, ahead >= 0.03));
        }
    }
    checks
}

fn at_least(what: &str, found: f64, wanted: f64) -> Check {
    check(format!("{what} >= {wanted}"), format!("{found:.3}"), found >= wanted)
}

/// By how much `peer` is ahead in a line, if that is more than the seeds explain: twice the standard error of the
/// difference of runs with the same seed.
pub fn ahead(line: &Line, peer: &str) -> Option<f64> {
    let (ours, theirs) = (line.laws.get(OURS)?, line.laws.get(peer)?);
    let differences: Vec<f64> =
        theirs.by_seed.iter().zip(&ours.by_seed).map(|(theirs, ours)| theirs - ours).collect();
    let middle = mean(&differences)?;
    let count = differences.len() as f64;
    let square: f64 = differences.iter().map(|difference| (difference - middle).powi(2)).sum();
    let error = (square / (count - 1.0).max(1.0) / count).sqrt();
    (middle > SMALLEST.max(2.0 * error)).then_some(middle)
}

fn against_peers(board: &Board) -> Check {
    let lost = board.lines(true).filter_map(|line| {
        let ahead = board.peers.iter().filter_map(|peer| Some((peer, ahead(line, peer)?)));
        let (peer, by) = ahead.max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(format!("{} ({peer} {by:+.3})", line.name))
    });
    exceptions("named scenarios: no peer ahead in any, beyond the noise of the seeds", lost.collect())
}

fn exceptions(what: &str, lost: Vec<String>) -> Check {
    let more = lost.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let found = match lost.len() {
        0 => "none".to_owned(),
        count => format!("{count}: {}{rest}", lost[..count.min(NAMED)].join(", ")),
    };
    check(what, found, lost.is_empty())
}

fn false_rejects(board: &Board) -> Check {
    let lost = board.lines.iter().filter_map(|line| {
        let more = line.laws.get(OURS)?.false_reject_ratio - line.laws.get(ORACLE)?.false_reject_ratio;
        (more > SMALLEST).then(|| format!("{} {:+.1}", line.name, more * 100.0))
    });
    exceptions(
        "false rejects under normal load at most half a point above the oracle's, in each",
        lost.collect(),
    )
}

fn p99(board: &Board) -> Vec<Check> {
    let of = |named| {
        board.summary(OURS, named).map(|summary| summary.p99_factor).filter(|factor| factor.is_finite())
    };
    let check = |(name, named)| {
        of(named).map(|factor| {
            check(
                format!("{name}: median of settled p99 / oracle's <= 1.25"),
                format!("{factor:.2}"),
                factor <= 1.25,
            )
        })
    };
    [("named scenarios", true), ("random draws", false)].into_iter().filter_map(check).collect()
}

fn convergence(board: &Board) -> Vec<Check> {
    let score = |name: &str| board.lines(true).find(|line| line.name == name)?.laws.get(OURS);
    let within = |name: &'static str, seconds: f64, what: &str| {
        score(name).map(|score: &Score| {
            let found = score.convergence.map_or("never".to_owned(), |found| format!("{found:.1} s"));
            check(format!("{name}: {what}"), found, score.convergence.is_some_and(|found| found <= seconds))
        })
    };
    let steps =
        STEPS.iter().filter_map(|name| within(name, 0.99, "converged in less than 1 s after the step"));
    let slow = within(
        SLOW_DEPENDENCY,
        5.0,
        "0.9 of the oracle within 5 s of the dependency getting ten times slower",
    );
    steps.chain(slow).collect()
}

fn oscillation(board: &Board) -> Check {
    let lost = board.lines.iter().filter_map(|line| {
        let unrest = line.laws.get(OURS)?.oscillation;
        (unrest >= 0.15).then(|| format!("{} {:.0} %", line.name, unrest * 100.0))
    });
    exceptions("sd(limit) / limit < 15 % at steady load, in each", lost.collect())
}

/// Our law's mean goodput ratio over the named scenarios, by what its messages suffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensitivity {
    /// With the scenarios' own link.
    pub plain: f64,
    /// With 250 ms more from report to limit.
    pub lagged: f64,
    /// With a fifth of the reports and pushes lost.
    pub lossy: f64,
}

impl Sensitivity {
    fn checks(self) -> [Check; 2] {
        let cost = |what: &str, mean: f64, most: f64| {
            let lost = self.plain - mean;
            check(format!("{what} < {most}"), format!("{lost:.4}"), lost < most)
        };
        [
            cost("named scenarios: mean goodput ratio lost to 250 ms of lag", self.lagged, 0.01),
            cost(
                "named scenarios: mean goodput ratio lost to 20 % of reports and pushes lost",
                self.lossy,
                0.02,
            ),
        ]
    }
}

/// Of how many promises how many are kept, and which.
pub fn text(checks: &[Check]) -> String {
    let line = |check: &Check| {
        let mark = if check.kept { "kept  " } else { "BROKEN" };
        format!("{mark} {}: {}\n", check.what, check.found)
    };
    checks.iter().map(line).collect()
}
