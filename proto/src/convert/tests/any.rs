//! Strategies for every domain message, within the bounds of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::num::f64::{NORMAL, POSITIVE, ZERO};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use setpoint_policies::admission::{Admission, Shares};
use setpoint_policies::envelope::{GcMode, GcTarget};
use setpoint_policies::knob::{Kind, Knob, KnobName, Restrictive};
use setpoint_policies::lease::{Lease, OnExpiry};
use setpoint_policies::probes::Probed;
use setpoint_policies::reflex::Cause;
use setpoint_policies::signal::Signal;
use setpoint_policies::totals::{SlowCalls, Totals, Watch};
use setpoint_policies::value::{Breaker, Value};

use crate::message::*;

fn name() -> impl Strategy<Value = KnobName> {
    "[a-zA-Z0-9._/-]{1,128}".prop_map(|name| KnobName::try_new(&name).expect("made of allowed characters"))
}

fn short() -> impl Strategy<Value = String> {
    ".{0,40}"
}

fn present() -> impl Strategy<Value = String> {
    ".{1,40}"
}

fn number() -> impl Strategy<Value = f64> {
    NORMAL | ZERO
}

fn quantity() -> impl Strategy<Value = f64> {
    (POSITIVE | ZERO).prop_filter("finite", |number| number.is_finite()).prop_map(f64::abs)
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..86_400_u64, 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        Just(crate::bounds::DURATION),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    any::<(u64, u64)>().prop_map(|(epoch, seq)| Version { epoch, seq })
}

fn channel() -> impl Strategy<Value = Channel> {
    select(Channel::ALL.to_vec())
}

prop_compose! {
    fn knob()(
        (name, kind, unit) in (name(), select(Kind::ALL.to_vec()), short()),
        bounds in [quantity(), quantity(), quantity()],
        (step, max_change_ratio, min_dwell) in (quantity(), quantity(), duration()),
        restrictive in select(Restrictive::ALL.to_vec()),
        hot in any::<bool>(),
        deadline in option::of(duration().prop_filter("a deadline is above 0", |deadline| !deadline.is_zero())),
    ) -> Knob {
        let mut bounds = bounds;
        bounds.sort_by(f64::total_cmp);
        let [min, baseline, max] = bounds;
        let knob = Knob::try_new(name, kind, min, max, baseline).expect("sorted bounds are sound");
        Knob { unit, step, max_change_ratio, min_dwell, restrictive, hot, deadline, ..knob }
    }
}

fn knobs() -> impl Strategy<Value = Vec<Knob>> {
    vec(knob(), 0..6).prop_map(|knobs| {
        let by_name: BTreeMap<_, _> = knobs.into_iter().map(|knob| (knob.name.clone(), knob)).collect();
        by_name.into_values().collect()
    })
}

fn shares() -> impl Strategy<Value = Shares> {
    vec(0.001..=1.0_f64, 4).prop_map(|mut lower| {
        lower.sort_by(|a, b| b.total_cmp(a));
        Shares::try_new([1.0, lower[0], lower[1], lower[2], lower[3]]).expect("sorted downwards from 1")
    })
}

fn admission() -> impl Strategy<Value = Admission> {
    let latency = duration().prop_filter("a latency is above 0", |latency| !latency.is_zero());
    (option::of(latency), option::of(shares()))
        .prop_map(|(baseline_latency, shares)| Admission { baseline_latency, shares })
}

prop_compose! {
    fn applied()(
        knob in short(),
        status in select(vec![
            Status::Applied, Status::Clamped, Status::Deferred, Status::Rejected, Status::Unsupported,
            Status::Shadowed, Status::LocalOverride,
        ]),
        effective in number(),
        detail in short(),
        version in option::of(version()),
        lease_left in option::of(duration()),
        shares in option::of(shares()),
    ) -> Applied {
        Applied { knob, status, effective, detail, version, lease_left, shares }
    }
}

prop_compose! {
    fn hello()(
        (protocol_min, more) in (0..9_u32, 0..9_u32),
        (service, instance_id, sdk, runtime) in (present(), present(), short(), short()),
        incarnation in any::<u64>(),
        labels in btree_map(present(), short(), 0..=16),
        capabilities in btree_map(present(), any::<u32>(), 0..5),
        knobs in knobs(),
        last_applied in option::of(version()),
        state in vec(applied(), 0..5),
    ) -> Hello {
        Hello {
            protocol_min, protocol_max: protocol_min.max(1) + more, service, instance_id, incarnation, sdk, runtime,
            labels, capabilities, knobs, unsupported: Vec::new(), last_applied, state,
        }
    }
}

prop_compose! {
    fn totals(at_nanos: u64, stall_nanos: u64)(
        counts in any::<[u64; 18]>(),
        reflex in option::of(select(Cause::ALL.to_vec())),
        rejected in any::<[u64; 5]>(),
        limit_in_force in quantity(),
        limited in any::<bool>(),
        slow in vec((0..86_400_000_000_000_u64, any::<u64>()), 0..=4),
        probed in option::of(any::<[u32; 5]>()),
        retry_after in option::of(duration()),
    ) -> Totals {
        let probed = probed.map(|[round, let_out, succeeded, failed, ignored]| {
            Probed { round, let_out, succeeded, failed, ignored }
        });
        let slow_calls = |(after, calls)| SlowCalls { after: Duration::from_nanos(after), calls };
        Totals {
            at_nanos, stall_nanos, arrived: counts[0], admitted: counts[1], completed: counts[2],
            dropped: counts[3], failed: counts[4], cancelled: counts[5], rejected, late: counts[6],
            admit_time_sum: counts[7], release_time_sum: counts[8], latency_sum: counts[9],
            success_latency_sum: counts[10], success_latency_sq_sum: counts[11], in_flight_peak: counts[12],
            consecutive_failures: counts[13], limit_in_force, limited, reflexes: counts[14], reflex,
            queue_waits: counts[15], queue_wait_sum: counts[16], waiting: counts[17],
            slow: slow.into_iter().map(slow_calls).collect(), probed, retry_after,
        }
    }
}

/// Signals as a real process sees them: whole bytes, ratios up to 1.
fn signals() -> impl Strategy<Value = Vec<(Signal, f64)>> {
    let ratio = 0.0..=1.0_f64;
    let numbers = (vec(ratio, 7), vec(quantity(), 9), vec(1..1_u64 << 53, 16), 1..=i32::MAX);
    let cores = vec(0.01..1e4_f64, 2);
    let values = (1..1_u64 << 48, 0..1_u64 << 48, numbers, cores);
    (values, subsequence(Signal::ALL.to_vec(), 0..=Signal::ALL.len())).prop_map(|(values, wanted)| {
        let (limit, working_set, (ratios, rates, counts, threads), cores) = values;
        let value = |signal| match signal {
            Signal::MemoryWorkingSetRatio => working_set as f64 / limit as f64,
            Signal::MemoryLimitBytes => limit as f64,
            Signal::MemorySome => ratios[0],
            Signal::MemoryFull => ratios[1],
            Signal::CpuSome => ratios[2],
            Signal::IoSome => ratios[3],
            Signal::ThrottledRatio => ratios[4],
            Signal::RunDelayPerSlice => rates[0],
            Signal::RuntimeDelay => rates[1],
            Signal::RefaultsPerSecond => rates[2],
            Signal::LimitHitsPerSecond => rates[3],
            Signal::GcPause => rates[8],
            Signal::Tasks => counts[15] as f64,
            Signal::OomKills => counts[0] as f64,
            Signal::MemoryHighBytes => counts[1] as f64,
            Signal::MemoryInactiveFileBytes => counts[2] as f64,
            Signal::MemoryGroup => counts[3] as f64,
            Signal::ProcessAnonBytes => counts[4] as f64,
            Signal::RuntimeMemoryBytes => counts[5] as f64,
            Signal::RuntimeOverheadBytes => counts[6] as f64,
            Signal::HeapLiveBytes => counts[7] as f64,
            Signal::HeapRootsBytes => counts[8] as f64,
            Signal::HeapObjectsBytes => counts[9] as f64,
            Signal::HeapGoalBytes => counts[10] as f64,
            Signal::HeapAllocatedBytes => counts[11] as f64,
            Signal::GcCycles => counts[12] as f64,
            Signal::GcLimiterCycle => counts[13] as f64,
            Signal::BlockedThreads => counts[14] as f64,
            Signal::RuntimeParallelism => f64::from(threads),
            Signal::GcCpuSeconds => rates[4],
            Signal::SchedulerLatency => rates[5],
            Signal::RunDelayCores => rates[6],
            Signal::CpuUsedCores => rates[7],
            Signal::CpuQuotaCores => cores[0],
            Signal::CpuAffinityCores => cores[1],
            Signal::GcCpuRatio => ratios[5],
            Signal::ThrottledTimeRatio => ratios[6],
        };
        let limit_is_known = wanted.contains(&Signal::MemoryLimitBytes);
        let sayable = |signal: &Signal| *signal != Signal::MemoryWorkingSetRatio || limit_is_known;
        wanted.into_iter().filter(sayable).map(|signal| (signal, value(signal))).collect()
    })
}

fn report() -> impl Strategy<Value = Report> {
    any::<(u64, u64)>().prop_flat_map(|(at_nanos, stall_nanos)| {
        let totals = btree_map(name(), totals(at_nanos, stall_nanos), 0..4);
        let custom = btree_map(present(), number(), 0..4);
        let breakers = btree_map(name(), select(BreakerState::ALL.to_vec()), 0..4);
        (duration(), any::<bool>(), totals, signals(), breakers, custom).prop_map(
            move |(window, urgent, totals, signals, breakers, custom)| Report {
                at_nanos,
                stall_nanos,
                window,
                urgent,
                totals,
                signals,
                breakers,
                custom,
            },
        )
    })
}

pub fn to_sidecar() -> impl Strategy<Value = ToSidecar> {
    let names = || btree_set(name(), 0..4).prop_map(|names| names.into_iter().collect::<Vec<_>>());
    prop_oneof![
        hello().prop_map(|hello| ToSidecar::Hello(Box::new(hello))),
        (channel(), any::<u64>(), vec(applied(), 0..6))
            .prop_map(|(channel, nonce, results)| ToSidecar::Ack(Ack { channel, nonce, results })),
        report().prop_map(|report| ToSidecar::Report(Box::new(report))),
        (any::<u64>(), duration()).prop_map(|(n, app_stall)| ToSidecar::Beat(SdkBeat { n, app_stall })),
        (knobs(), names()).prop_map(|(add, remove)| {
            ToSidecar::Knobs(KnobUpdate { add, unsupported: Vec::new(), remove })
        }),
        short().prop_map(|why| ToSidecar::Goodbye { why }),
    ]
}

prop_compose! {
    fn gc_target()(
        mode in select(vec![GcMode::Throughput, GcMode::Frugal, GcMode::Fixed]),
        (budget, limit) in (1..=GcTarget::BYTES_LIMIT, option::of(1..=GcTarget::BYTES_LIMIT)),
        (without_budget, without_percent) in any::<(bool, bool)>(),
        (percent, percent_min, more) in (1..=100_000_u32, 1..=800_u32, 0..=800_u32),
        shares in (0.001..=1.0_f64, 0.001..=1.0_f64),
        (collect, return_memory) in any::<(bool, bool)>(),
    ) -> GcTarget {
        GcTarget {
            mode,
            budget_bytes: (mode == GcMode::Throughput || !without_budget).then_some(budget),
            memory_limit_bytes: limit,
            percent: (!without_percent || mode == GcMode::Fixed).then_some(percent),
            percent_min, percent_max: percent_min + more,
            gc_cpu_target: shares.0, gc_cpu_cap: shares.1, collect, return_memory,
        }.checked().expect("sound")
    }
}

fn value() -> impl Strategy<Value = Value> {
    let breaker = prop_oneof![
        Just(Breaker::Local),
        Just(Breaker::Closed),
        (any::<[u32; 3]>(), duration()).prop_map(|([round, probe_max, probe_total], deadline)| {
            Breaker::HalfOpen { round, probe_max, probe_total, deadline }
        }),
        duration().prop_map(|retry_after| Breaker::Open { retry_after }),
        duration().prop_map(|retry_after| Breaker::ForcedOpen { retry_after }),
        duration().prop_map(|ramp| Breaker::Recovering { ramp }),
        Just(Breaker::Disabled),
        any::<bool>().prop_map(|would_reject| Breaker::Shadow { would_reject }),
    ];
    prop_oneof![
        quantity().prop_map(Value::Concurrency),
        (quantity(), option::of(quantity()))
            .prop_map(|(per_second, burst)| Value::Rate { per_second, burst }),
        breaker.prop_map(Value::Breaker),
        gc_target().prop_map(Value::Gc),
        (1..=65_536_u32, option::of(1..=65_536_u32))
            .prop_map(|(threads, blocking_threads)| Value::Parallelism { threads, blocking_threads }),
        number().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Switch),
    ]
}

fn lease() -> impl Strategy<Value = Lease> {
    let on_expiry = prop_oneof![
        Just(OnExpiry::HoldThenDecay),
        Just(OnExpiry::Baseline),
        number().prop_map(OnExpiry::Safe),
        Just(OnExpiry::Keep),
    ];
    let ttl = duration().prop_filter("a lease lives", |ttl| *ttl > Duration::ZERO);
    (ttl, duration(), duration(), on_expiry).prop_map(|(ttl, hold, decay, on_expiry)| Lease {
        ttl,
        hold,
        decay,
        on_expiry,
    })
}

fn why() -> impl Strategy<Value = Why> {
    let evidence = (short(), number(), number(), short())
        .prop_map(|(signal, observed, threshold, unit)| Evidence { signal, observed, threshold, unit });
    (short(), short(), short(), short(), vec(evidence, 0..4))
        .prop_map(|(policy, rule, text, action, evidence)| Why { policy, rule, text, action, evidence })
}

prop_compose! {
    fn frame()(
        channel in channel(),
        nonce in any::<u64>(),
        version in version(),
        config_revision in short(),
        set in btree_map(name(), (value(), admission(), lease(), why(), any::<u64>()), 0..5),
        atomic in any::<bool>(),
        mode in select(vec![Mode::Apply, Mode::Shadow]),
        watched in vec((name(), duration()), 0..3),
    ) -> Frame {
        let watch = |(resource, after): (KnobName, _)| Watch { resource: resource.as_str().into(), after };
        let watched = watched.into_iter().map(watch).collect();
        let set = set.into_iter().map(|(knob, (value, admission, lease, why, decision_id))| {
            let admission =
                if matches!(value, Value::Concurrency(_)) { admission } else { Admission::default() };
            Setpoint { knob, value, admission, lease, why: Arc::new(why), decision_id }
        });
        Frame {
            channel, nonce, version, config_revision, set: set.collect(), unsupported: Vec::new(), atomic, mode,
            watched,
        }
    }
}

prop_compose! {
    fn welcome()(
        (protocol, epoch) in (1..9_u32, any::<u64>()),
        capabilities in btree_map(present(), any::<u32>(), 0..5),
        (beat, lost, report) in (10..60_000_u64, 3..9_u32, 10..60_000_u64),
        unbound in vec(name(), 0..4),
        missing in vec(name(), 0..4),
        config_revision in short(),
    ) -> Welcome {
        let beat_every = Duration::from_millis(beat);
        Welcome {
            protocol, epoch, capabilities, beat_every, lost_after: lost * beat_every,
            report_every: Duration::from_millis(report), unbound, missing, config_revision,
        }
    }
}

prop_compose! {
    fn sidecar_beat()(
        (n, loop_tick, loop_age) in (any::<u64>(), any::<u64>(), duration()),
        oldest_signal_age in option::of(duration()),
        renew in vec((channel(), version()), 0..=16),
    ) -> SidecarBeat {
        SidecarBeat { n, loop_tick, loop_age, oldest_signal_age, renew }
    }
}

pub fn to_sdk() -> impl Strategy<Value = ToSdk> {
    prop_oneof![
        welcome().prop_map(|welcome| ToSdk::Welcome(Box::new(welcome))),
        frame().prop_map(|frame| ToSdk::Frame(Box::new(frame))),
        sidecar_beat().prop_map(ToSdk::Beat),
        (duration(), short()).prop_map(|(retry_after, why)| ToSdk::Drain { retry_after, why }),
    ]
}
