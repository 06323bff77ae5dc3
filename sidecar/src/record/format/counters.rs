//! The counters of a limiter.
//!
//! What a limiter cannot do without must be there; what counts rare events is 0 when it is absent.

use std::sync::Arc;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use setpoint_policies::probes::Probed;
use setpoint_policies::reflex::Cause;
use setpoint_policies::snapshot::Received;
use setpoint_policies::time::Timestamp;
use setpoint_policies::totals::{PRIORITIES, SlowCalls, Totals};

use super::names::Word;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counters {
    /// When they arrived, on the engine's clock; absent: at the time of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received_nanos: Option<u64>,
    at_nanos: u64,
    arrived: u64,
    admitted: u64,
    completed: u64,
    admit_time_sum: u64,
    release_time_sum: u64,
    latency_sum: u64,
    success_latency_sum: u64,
    success_latency_sq_sum: u64,
    in_flight_peak: u64,
    #[serde(deserialize_with = "not_negative")]
    limit_in_force: f64,
    limited: bool,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    failed: u64,
    #[serde(default)]
    cancelled: u64,
    #[serde(default)]
    rejected: [u64; PRIORITIES],
    #[serde(default)]
    late: u64,
    #[serde(default)]
    stall_nanos: u64,
    #[serde(default)]
    consecutive_failures: u64,
    #[serde(default)]
    reflexes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reflex: Option<Word<Cause>>,
    #[serde(default)]
    queue_waits: u64,
    #[serde(default)]
    queue_wait_sum: u64,
    #[serde(default)]
    waiting: u64,
    #[serde(default)]
    slow: Vec<SlowLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probed: Option<ProbedLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_nanos: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct ProbedLine(#[serde(with = "AnyProbed")] Probed);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Probed", deny_unknown_fields)]
struct AnyProbed {
    round: u32,
    let_out: u32,
    succeeded: u32,
    failed: u32,
    ignored: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowLine {
    after_nanos: u64,
    calls: u64,
}

fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number >= 0.0 { Ok(number) } else { Err(D::Error::custom("must not be negative")) }
}

impl Counters {
    pub(super) fn of(received: &Received) -> Self {
        let totals = &received.totals;
        let slow = |slow: &SlowCalls| SlowLine {
            after_nanos: u64::try_from(slow.after.as_nanos()).unwrap_or(u64::MAX),
            calls: slow.calls,
        };
        Self {
            received_nanos: Some(received.at.as_nanos()),
            at_nanos: totals.at_nanos,
            arrived: totals.arrived,
            admitted: totals.admitted,
            completed: totals.completed,
            admit_time_sum: totals.admit_time_sum,
            release_time_sum: totals.release_time_sum,
            latency_sum: totals.latency_sum,
            success_latency_sum: totals.success_latency_sum,
            success_latency_sq_sum: totals.success_latency_sq_sum,
            in_flight_peak: totals.in_flight_peak,
            limit_in_force: totals.limit_in_force,
            limited: totals.limited,
            dropped: totals.dropped,
            failed: totals.failed,
            cancelled: totals.cancelled,
            rejected: totals.rejected,
            late: totals.late,
            stall_nanos: totals.stall_nanos,
            consecutive_failures: totals.consecutive_failures,
            reflexes: totals.reflexes,
            reflex: totals.reflex.map(Word),
            queue_waits: totals.queue_waits,
            queue_wait_sum: totals.queue_wait_sum,
            waiting: totals.waiting,
            slow: totals.slow.iter().map(slow).collect(),
            probed: totals.probed.map(ProbedLine),
            retry_after_nanos: totals
                .retry_after
                .map(|after| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    pub(super) fn into_received(self, at: Timestamp) -> Received {
        let slow =
            |slow: SlowLine| SlowCalls { after: Duration::from_nanos(slow.after_nanos), calls: slow.calls };
        let totals = Totals {
            at_nanos: self.at_nanos,
            stall_nanos: self.stall_nanos,
            arrived: self.arrived,
            admitted: self.admitted,
            completed: self.completed,
            dropped: self.dropped,
            failed: self.failed,
            cancelled: self.cancelled,
            rejected: self.rejected,
            late: self.late,
            admit_time_sum: self.admit_time_sum,
            release_time_sum: self.release_time_sum,
            latency_sum: self.latency_sum,
            success_latency_sum: self.success_latency_sum,
            success_latency_sq_sum: self.success_latency_sq_sum,
            in_flight_peak: self.in_flight_peak,
            consecutive_failures: self.consecutive_failures,
            limit_in_force: self.limit_in_force,
            limited: self.limited,
            reflexes: self.reflexes,
            reflex: self.reflex.map(|cause| cause.0),
            queue_waits: self.queue_waits,
            queue_wait_sum: self.queue_wait_sum,
            waiting: self.waiting,
            slow: self.slow.into_iter().map(slow).collect(),
            probed: self.probed.map(|line| line.0),
            retry_after: self.retry_after_nanos.map(Duration::from_nanos),
        };
        Received { at: self.received_nanos.map_or(at, Timestamp::from_nanos), totals: Arc::new(totals) }
    }
}
