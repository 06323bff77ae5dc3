//! The sidecar's death, and whether any request felt it.
//!
//! A death may not cost a request. Failures need no statistics: whatever fails around the death counts. Delays and rejections
//! do, because some requests are late or refused on any day; so those count that exceed, by three standard deviations, what
//! the seconds before and the unprotected service at the same time (which knows no sidecar, but shares the machine) let expect.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::DemoError;
use super::acts::Findings;
use super::stage::Stage;
use super::timeline::Events;
use crate::load::{Slot, Tally};
use crate::units::milliseconds;

/// Counting begins this long before the kill, so that requests under way at the kill are among those "around" it.
const MARGIN: Duration = Duration::from_millis(500);

/// The tallies before the death and around it, protected then unprotected.
#[derive(Debug)]
pub struct Death {
    before: [Slot; 2],
    around: [Slot; 2],
    outage: Duration,
}

/// What the death did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Toll {
    /// Requests of the protected service that failed, or were rejected beyond what was to be expected.
    pub failed: u64,
    /// Requests answered after the deadline beyond what was to be expected.
    pub delayed: u64,
    /// Share answered in time before: without it there is nothing to compare with.
    pub in_time_before_ratio: f64,
    /// From the kill until the sidecar answered again.
    pub outage_seconds: f64,
    /// p99 of the protected service before.
    pub p99_before_ms: Option<f64>,
    /// p99 of the protected service around the death.
    pub p99_around_ms: Option<f64>,
}

/// Kills the sidecar after a quarter of the phase and brings it back after half of it.
pub async fn act(
    until: Instant,
    stage: &mut Stage,
    lasts: Duration,
    events: &Events,
    findings: &mut Findings,
) -> Result<Death, DemoError> {
    let begin = |stage: &Stage| stage.lanes().map(|lane| lane.generator.begin_phase());
    let before = begin(stage);
    sleep(lasts / 4).await;
    let around = begin(stage);
    findings.splits.extend([before.clone(), around.clone()]);
    sleep(MARGIN).await;
    stage.sidecar.kill();
    let killed = Instant::now();
    events.add("kill -9 of the sidecar".to_owned());
    sleep(lasts / 2).await;
    stage.sidecar.revive().await?;
    events.add("the sidecar is back".to_owned());
    let outage = killed.elapsed();
    sleep_until(until).await;
    Ok(Death { before, around, outage })
}

impl Death {
    /// The count, once all answers are in.
    pub fn toll(&self) -> Toll {
        let [before, _] = self.before.each_ref().map(Slot::snapshot);
        let [around, control] = self.around.each_ref().map(Slot::snapshot);
        let p99 = |tally: &Tally| tally.latency(0.99).map(milliseconds);
        Toll {
            failed: around.failed() + excess(around.rejected, &around, &[share(before.rejected, &before)]),
            delayed: excess(
                around.late,
                &around,
                &[share(before.late, &before), share(control.late, &control)],
            ),
            in_time_before_ratio: share(before.ok, &before),
            outage_seconds: self.outage.as_secs_f64(),
            p99_before_ms: p99(&before),
            p99_around_ms: p99(&around),
        }
    }
}

fn share(count: u64, of: &Tally) -> f64 {
    count as f64 / of.sent.max(1) as f64
}

/// How many of `count` requests are more than the largest of the `usual` shares and three standard deviations explain.
fn excess(count: u64, of: &Tally, usual: &[f64]) -> u64 {
    let usual = usual.iter().copied().fold(0.0, f64::max);
    let expected = usual * of.sent as f64;
    let allowed = expected + 3.0 * expected.sqrt();
    (count as f64 - allowed).max(0.0).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::Outcome;

    fn slot(ok: u64, late: u64, rejected: u64, failed: u64) -> Slot {
        let slot = Slot::default();
        let outcomes = [
            (ok, Outcome::Ok),
            (late, Outcome::Late),
            (rejected, Outcome::Rejected),
            (failed, Outcome::FailedSocket),
        ];
        for (count, outcome) in outcomes {
            for _ in 0..count {
                slot.with(|tally| {
                    tally.record_sent(Duration::ZERO);
                    tally.record(outcome, Duration::from_millis(10));
                });
            }
        }
        slot
    }

    fn toll(before: Slot, around: Slot, control: Slot) -> (u64, u64) {
        let death =
            Death { before: [before, Slot::default()], around: [around, control], outage: Duration::ZERO };
        let toll = death.toll();
        (toll.failed, toll.delayed)
    }

    #[test]
    fn tolls_by_table() {
        let clean = || slot(1000, 0, 0, 0);
        assert_eq!(toll(clean(), clean(), clean()), (0, 0));
        assert_eq!(toll(clean(), slot(999, 0, 0, 1), clean()), (1, 0), "every failure counts");
        assert_eq!(
            toll(slot(990, 0, 0, 10), slot(999, 0, 0, 1), clean()),
            (1, 0),
            "even if some failed before"
        );
        assert_eq!(toll(clean(), slot(995, 0, 5, 0), clean()), (5, 0), "none were rejected before");
        assert_eq!(toll(slot(900, 0, 100, 0), slot(900, 0, 100, 0), clean()), (0, 0), "as many as before");
        assert_eq!(
            toll(slot(900, 0, 100, 0), slot(800, 0, 200, 0), clean()),
            (70, 0),
            "200 - (100 + 3 x 10)"
        );
        assert_eq!(toll(clean(), slot(995, 5, 0, 0), clean()), (0, 5));
        assert_eq!(toll(clean(), slot(995, 5, 0, 0), slot(995, 5, 0, 0)), (0, 0), "the machine delayed both");
    }
}
