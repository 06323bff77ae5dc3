//! Values in force.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use setpoint_policies::envelope::{GcMode, GcTarget};
use setpoint_policies::value::{Breaker, Value};

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ValueLine(#[serde(with = "AnyValue")] pub(crate) Value);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Value", rename_all = "snake_case", deny_unknown_fields)]
enum AnyValue {
    Concurrency(f64),
    Rate {
        per_second: f64,
        #[serde(default)]
        burst: Option<f64>,
    },
    Breaker(#[serde(with = "AnyBreaker")] Breaker),
    Gc(#[serde(with = "AnyGcTarget")] GcTarget),
    Parallelism {
        threads: u32,
        #[serde(default)]
        blocking_threads: Option<u32>,
    },
    Number(f64),
    Switch(bool),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Breaker", rename_all = "snake_case", deny_unknown_fields)]
enum AnyBreaker {
    Local,
    Closed,
    HalfOpen {
        round: u32,
        probe_max: u32,
        probe_total: u32,
        #[serde(rename = "deadline_nanos", with = "nanos")]
        deadline: Duration,
    },
    Open {
        #[serde(rename = "retry_after_nanos", with = "nanos")]
        retry_after: Duration,
    },
    ForcedOpen {
        #[serde(rename = "retry_after_nanos", with = "nanos")]
        retry_after: Duration,
    },
    Recovering {
        #[serde(rename = "ramp_nanos", with = "nanos")]
        ramp: Duration,
    },
    Disabled,
    Shadow {
        would_reject: bool,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "GcTarget", deny_unknown_fields)]
struct AnyGcTarget {
    #[serde(with = "AnyGcMode")]
    mode: GcMode,
    #[serde(default)]
    budget_bytes: Option<u64>,
    #[serde(default)]
    memory_limit_bytes: Option<u64>,
    #[serde(default)]
    percent: Option<u32>,
    percent_min: u32,
    percent_max: u32,
    gc_cpu_target: f64,
    gc_cpu_cap: f64,
    #[serde(default)]
    collect: bool,
    #[serde(default)]
    return_memory: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "GcMode", rename_all = "snake_case")]
enum AnyGcMode {
    Throughput,
    Frugal,
    Fixed,
}

/// A duration in nanoseconds, at most 584 years.
mod nanos {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}
