//! Why a decision was made.
//!
//! One closed enum feeds the log field, the metric label, the page, the journal and the tests. A [`Reason`] carries its
//! evidence as numbers; [`Reason::rule`] is the stable label, `Display` the one sentence for people.

use std::fmt;
use std::time::Duration;

use crate::signal::Signal;

/// Why. Times are seconds, ratios 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The sidecar is new and observes what is in force before it moves anything.
    Learning {
        /// Until it may act.
        left: Duration,
    },
    /// A needed signal has no reading yet.
    SignalMissing(Signal),
    /// A needed signal is too old.
    SignalStale {
        /// Which.
        signal: Signal,
        /// How old.
        age: Duration,
    },
    /// The counters of the limiter have not arrived, or not for a while.
    ReportStale {
        /// How old; `None`: never seen.
        age: Option<Duration>,
    },
    /// The SDK was stalled in this window, so it proves nothing.
    Stalled,
    /// Not enough samples in the window yet.
    Measuring {
        /// Successes so far.
        samples: u64,
    },
    /// A change takes effect; samples from before it are discarded.
    Settling,
    /// No baseline latency known yet.
    NoBaseline,
    /// Calls ended in overload.
    Drops {
        /// How many.
        drops: u64,
        /// Share of the releases.
        ratio: f64,
    },
    /// Drops stayed when the limit was cut: it is not what causes them.
    FutileCut {
        /// Share of the releases.
        ratio: f64,
    },
    /// As high as can be answered in time.
    InTime {
        /// Capacity, calls per second.
        per_second: f64,
        /// Latency that a full limit may cause.
        seconds: f64,
    },
    /// A little more than what keeps the service busy.
    Knee {
        /// Capacity, calls per second.
        per_second: f64,
        /// Latency of a call that does not wait.
        floor_seconds: f64,
    },
    /// Goodput at this limit is not what it was: conditions have changed.
    GoodputChanged {
        /// Answers in time per second, before.
        from_per_second: f64,
        /// Now.
        to_per_second: f64,
    },
    /// A higher or a lower limit is tried.
    Trial {
        /// A higher one.
        above: bool,
        /// Answers in time per second, to be compared with.
        per_second: f64,
    },
    /// A limit that was tried is kept.
    TrialKept {
        /// A higher one.
        above: bool,
        /// Answers in time per second.
        per_second: f64,
        /// At the limit before.
        before_per_second: f64,
    },
    /// A limit that was tried is given up.
    TrialDropped {
        /// A higher one.
        above: bool,
        /// Answers in time per second.
        per_second: f64,
        /// At the limit before, which is back.
        before_per_second: f64,
    },
    /// After a cut throughput fell with the limit: no queue, the latency floor has moved.
    FloorMoved {
        /// Latency before, at the higher concurrency.
        before_seconds: f64,
        /// Latency now.
        now_seconds: f64,
    },
    /// A decrease is being verified.
    Verifying,
    /// The limit is in use and there is no queue.
    Headroom {
        /// Mean latency over baseline latency.
        gradient: f64,
    },
    /// The limit is not the bottleneck, so it must not grow.
    AppLimited {
        /// Most calls in flight at once.
        peak: u64,
    },
    /// Memory is short.
    MemoryPressure {
        /// Working set over limit.
        ratio: f64,
        /// Where capping starts.
        start: f64,
    },
    /// Threads wait too long for a CPU.
    SchedulerPressure {
        /// What shows it.
        signal: Signal,
        /// Its value.
        observed: f64,
        /// Its threshold.
        threshold: f64,
    },
    /// Nothing presses.
    Calm,
    /// Another policy holds the knob lower.
    Capped,
    /// Failures in a row.
    ConsecutiveFailures {
        /// How many.
        count: u64,
        /// How many trip.
        threshold: u64,
    },
    /// Too many calls fail.
    FailureRate {
        /// Share of failed calls.
        ratio: f64,
        /// Share that trips.
        threshold: f64,
        /// Counted calls.
        calls: u64,
    },
    /// The wait in the open state goes on.
    WaitInOpen {
        /// How long still.
        left: Duration,
    },
    /// Probes decide.
    Probing {
        /// Successes so far.
        successes: u64,
        /// Successes needed.
        needed: u64,
    },
    /// Probes succeeded.
    Recovered,
    /// A probe failed.
    ProbeFailed,
    /// The bounds of the policy or the knob.
    Bounds,
    /// The knob's pace: largest change or dwell.
    Paced,
    /// Too small a change to be worth a push.
    Deadband,
    /// A restrictive move was made a moment ago.
    CoolDown {
        /// How long still.
        left: Duration,
    },
    /// No policy names the knob any more.
    Unbound,
}

impl Reason {
    /// The stable name of the rule, for labels.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Learning { .. } => "learning",
            Self::SignalMissing(_) => "signal_missing",
            Self::SignalStale { .. } => "signal_stale",
            Self::ReportStale { .. } => "report_stale",
            Self::Stalled => "stalled",
            Self::Measuring { .. } => "measuring",
            Self::Settling => "settling",
            Self::NoBaseline => "no_baseline",
            Self::Drops { .. } => "drops",
            Self::FutileCut { .. } => "futile_cut",
            Self::InTime { .. } => "in_time",
            Self::Knee { .. } => "knee",
            Self::GoodputChanged { .. } => "goodput_changed",
            Self::Trial { .. } => "trial",
            Self::TrialKept { .. } => "trial_kept",
            Self::TrialDropped { .. } => "trial_dropped",
            Self::FloorMoved { .. } => "floor_moved",
            Self::Verifying => "verifying",
            Self::Headroom { .. } => "headroom",
            Self::AppLimited { .. } => "app_limited",
            Self::MemoryPressure { .. } => "memory_pressure",
            Self::SchedulerPressure { .. } => "scheduler_pressure",
            Self::Calm => "calm",
            Self::Capped => "capped",
            Self::ConsecutiveFailures { .. } => "consecutive_failures",
            Self::FailureRate { .. } => "failure_rate",
            Self::WaitInOpen { .. } => "wait_in_open",
            Self::Probing { .. } => "probing",
            Self::Recovered => "recovered",
            Self::ProbeFailed => "probe_failed",
            Self::Bounds => "bounds",
            Self::Paced => "paced",
            Self::Deadband => "deadband",
            Self::CoolDown { .. } => "cool_down",
            Self::Unbound => "unbound",
        }
    }

    /// The numbers behind it, for machines.
    pub fn evidence(&self) -> Vec<Evidence> {
        let one = |signal, observed, threshold, unit| vec![Evidence { signal, observed, threshold, unit }];
        match *self {
            Self::Drops { drops, ratio } => {
                let mut both = one("drops", drops as f64, 5.0, "1");
                both.extend(one("drop_ratio", ratio, 0.1, "ratio"));
                both
            }
            Self::InTime { per_second, seconds } => one("capacity", per_second, seconds, "per_second"),
            Self::Knee { per_second, floor_seconds } => {
                one("capacity", per_second, floor_seconds, "per_second")
            }
            Self::GoodputChanged { from_per_second, to_per_second } => {
                one("goodput", to_per_second, from_per_second, "per_second")
            }
            Self::Trial { per_second, .. } => one("goodput", per_second, per_second, "per_second"),
            Self::TrialKept { per_second, before_per_second, .. }
            | Self::TrialDropped { per_second, before_per_second, .. } => {
                one("goodput", per_second, before_per_second, "per_second")
            }
            Self::FutileCut { ratio } => one("drop_ratio", ratio, 0.1, "ratio"),
            Self::FloorMoved { before_seconds, now_seconds } => {
                one("sample_latency", now_seconds, before_seconds, "seconds")
            }
            Self::Headroom { gradient } => one("gradient", gradient, 1.0, "ratio"),
            Self::AppLimited { peak } => one("in_flight_peak", peak as f64, 0.0, "1"),
            Self::MemoryPressure { ratio, start } => {
                one(Signal::MemoryWorkingSetRatio.name(), ratio, start, "ratio")
            }
            Self::SchedulerPressure { signal, observed, threshold } => {
                one(signal.name(), observed, threshold, "1")
            }
            Self::ConsecutiveFailures { count, threshold } => {
                one("consecutive_failures", count as f64, threshold as f64, "1")
            }
            Self::FailureRate { ratio, threshold, .. } => one("failure_rate", ratio, threshold, "ratio"),
            Self::Probing { successes, needed } => {
                one("probe_successes", successes as f64, needed as f64, "1")
            }
            _ => Vec::new(),
        }
    }
}

/// One number that a reason rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What was observed.
    pub signal: &'static str,
    /// Its value.
    pub observed: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// Unit of both.
    pub unit: &'static str,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |seconds: f64| seconds * 1e3;
        match *self {
            Self::Learning { left } => write!(f, "observing before acting, {:.1} s left", left.as_secs_f64()),
            Self::SignalMissing(signal) => write!(f, "{} has no reading", signal.name()),
            Self::SignalStale { signal, age } => {
                write!(f, "{} is {:.1} s old", signal.name(), age.as_secs_f64())
            }
            Self::ReportStale { age: None } => f.write_str("no counters reported yet"),
            Self::ReportStale { age: Some(age) } => write!(f, "counters are {:.1} s old", age.as_secs_f64()),
            Self::Stalled => f.write_str("the process was stalled in this window"),
            Self::Measuring { samples } => write!(f, "{samples} samples, not enough yet"),
            Self::Settling => f.write_str("waiting for the last change to take effect"),
            Self::NoBaseline => f.write_str("no baseline latency yet"),
            Self::Drops { drops, ratio } => write!(f, "{drops} calls dropped, {:.0} % of all", ratio * 100.0),
            Self::FutileCut { ratio } => {
                write!(
                    f,
                    "still {:.0} % dropped after cuts: taken back, the limit is not the cause",
                    ratio * 100.0
                )
            }
            Self::InTime { per_second, seconds } => {
                write!(f, "{per_second:.0} calls/s can be answered within {:.0} ms", ms(seconds))
            }
            Self::Knee { per_second, floor_seconds } => {
                write!(f, "enough for {per_second:.0} calls/s of {:.1} ms each", ms(floor_seconds))
            }
            Self::GoodputChanged { from_per_second, to_per_second } => {
                write!(f, "{to_per_second:.0} answers/s in time instead of {from_per_second:.0}")
            }
            Self::Trial { above, per_second } => {
                write!(f, "trying {}: {per_second:.0} answers/s in time so far", side(above))
            }
            Self::TrialKept { above, per_second, before_per_second } => {
                let what = side(above);
                write!(f, "{what} keeps {per_second:.0} answers/s in time, {before_per_second:.0} before")
            }
            Self::TrialDropped { above, per_second, before_per_second } => {
                let what = side(above);
                write!(
                    f,
                    "{what} gave {per_second:.0} answers/s in time, {before_per_second:.0} before: back"
                )
            }
            Self::FloorMoved { before_seconds, now_seconds } => write!(
                f,
                "throughput fell with the limit: calls take {:.1} ms (were {:.1} ms), that is no queue",
                ms(now_seconds),
                ms(before_seconds)
            ),
            Self::Verifying => f.write_str("verifying that the decrease helps"),
            Self::Headroom { gradient } => write!(f, "limit in use, latency {gradient:.2} x baseline"),
            Self::AppLimited { peak } => write!(f, "peak of {peak} calls: the limit is not the bottleneck"),
            Self::MemoryPressure { ratio, start } => {
                write!(f, "working set {:.0} % of the limit, over {:.0} %", ratio * 100.0, start * 100.0)
            }
            Self::SchedulerPressure { signal, observed, threshold } => {
                write!(f, "{} {observed:.3} over {threshold:.3}", signal.name())
            }
            Self::Calm => f.write_str("no pressure"),
            Self::Capped => f.write_str("held lower by another policy"),
            Self::ConsecutiveFailures { count, threshold } => {
                write!(f, "{count} failures in a row, {threshold} trip")
            }
            Self::FailureRate { ratio, threshold, calls } => {
                write!(f, "{:.0} % of {calls} calls failed, over {:.0} %", ratio * 100.0, threshold * 100.0)
            }
            Self::WaitInOpen { left } => write!(f, "open for {:.1} s more", left.as_secs_f64()),
            Self::Probing { successes, needed } => write!(f, "{successes} of {needed} probes succeeded"),
            Self::Recovered => f.write_str("probes succeeded"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::Bounds => f.write_str("at the bound"),
            Self::Paced => f.write_str("moving at the knob's pace"),
            Self::Deadband => f.write_str("change too small"),
            Self::CoolDown { left } => write!(f, "cooling down, {:.1} s left", left.as_secs_f64()),
            Self::Unbound => f.write_str("no policy names this knob, back to baseline"),
        }
    }
}

const fn side(above: bool) -> &'static str {
    if above { "a higher limit" } else { "a lower limit" }
}
