//! Who calls: rate, bursts, modulation, retries, and whether a run of it is affordable.

use setpoint_policies::sim::scenario::{Bursts, Clients, Modulation, Rate, Retries, Steps};

use super::values::{SECONDS, Take, list, steps, whole};
use crate::yaml::{FLAG, Fields, NUMBER, Position, Value};

/// Most calls of a run: a few minutes of work, and some hundred megabytes of latencies.
const CALLS: f64 = 1e8;
/// Most values of a trace: two hours of seconds.
const TRACE: usize = 7200;
/// Highest rate, calls per second.
const RATE: f64 = 1e7;

pub(super) fn clients(mut fields: Fields<'_>, seconds: f64) -> Option<Clients> {
    fields.needed("rate");
    let points = points(&mut fields, seconds);
    let linear = fields.look("linear", &FLAG).unwrap_or(false);
    let even = fields.look("even", &FLAG).unwrap_or(false);
    let batch = fields.take("batch", &NUMBER, 1.0..=1e4).unwrap_or(1.0);
    let bursts = fields.section("bursts", |fields| bursts(fields, seconds));
    let modulation = fields.section("modulation", modulation);
    let retries = fields.section("retries", retries);
    if let Some(Steps(points)) = points {
        let rate = Rate { points, linear, bursts, modulation };
        let attempts = retries.map_or(1.0, |retries: Retries| f64::from(retries.attempts));
        let calls = most_calls(&rate, seconds) * attempts;
        if calls > CALLS {
            let at = fields.entry("rate").map_or(Position::START, |entry| entry.at);
            let calls = calls / 1e6;
            fields.complain(
                "rate",
                at,
                format!("up to {calls:.0} million calls, with bursts, modulation and retries: at most 100 million are simulated"),
            );
        }
        return fields.finish().then_some(Clients { rate, batch, even, retries });
    }
    fields.finish();
    None
}

/// The curve of the rate: a number, steps, or a recorded trace.
fn points(fields: &mut Fields<'_>, seconds: f64) -> Option<Steps<f64>> {
    match fields.entry("rate")?.value.value {
        Value::Map(_) => fields.section("rate", |fields| trace(fields, seconds)),
        _ => steps(fields, "rate", seconds, |fields, field| fields.take(field, &NUMBER, 0.0..=RATE)),
    }
}

/// What was recorded somewhere: a number for each stretch of time, in few characters. The last one stays in force.
fn trace(mut fields: Fields<'_>, seconds: f64) -> Option<Steps<f64>> {
    let every = fields.must("every", &SECONDS, 0.01..=3600.0);
    fields.needed("values");
    let values = list(&mut fields, "values", TRACE, &NUMBER, 0.0..=RATE);
    if let (Some(every), Some(entry)) = (every, fields.entry("values"))
        && values.len().saturating_sub(1) as f64 * every >= seconds
    {
        let (count, every) = (values.len(), (SECONDS.show)(&every));
        let why = format!("{count} values for {every} each are longer than the scenario");
        fields.complain("values", entry.at, why);
    }
    if !fields.finish() || values.is_empty() {
        return None;
    }
    let every = every?;
    Some(Steps((0u32..).map(|place| f64::from(place) * every).zip(values).collect()))
}

/// How many first attempts there are at most.
fn most_calls(rate: &Rate, seconds: f64) -> f64 {
    let end = (seconds, rate.points.last().map_or(0.0, |(_, last)| *last));
    let next = rate.points.iter().skip(1).chain([&end]);
    let plain: f64 = rate
        .points
        .iter()
        .zip(next)
        .map(|((from, rate_from), (to, rate_to))| {
            let height = if rate.linear { rate_from.max(*rate_to) } else { *rate_from };
            (to - from) * height
        })
        .sum();
    let bursts =
        rate.bursts.map_or(0.0, |bursts| bursts.rate * bursts.length * (seconds / bursts.every + 1.0));
    (plain + bursts) * rate.modulation.map_or(1.0, |modulation| modulation.factor.max(1.0))
}

fn bursts(mut fields: Fields<'_>, seconds: f64) -> Option<Bursts> {
    let from = fields.take("from", &SECONDS, 0.0..=seconds).unwrap_or(0.0);
    let every = fields.must("every", &SECONDS, 0.001..=7200.0);
    let length = fields.must("length", &SECONDS, 0.001..=7200.0);
    let rate = fields.must("rate", &NUMBER, 0.0..=RATE);
    if let (Some(every), Some(length)) = (every, length)
        && length > every
        && let Some(entry) = fields.entry("length")
    {
        fields.complain("length", entry.value.at, "must not exceed `every`");
    }
    fields.finish().then_some(Bursts { from, every: every?, length: length?, rate: rate? })
}

fn modulation(mut fields: Fields<'_>) -> Option<Modulation> {
    let factor = fields.must("factor", &NUMBER, 0.0..=1000.0);
    let high = fields.must("high", &SECONDS, 0.001..=7200.0);
    let low = fields.must("low", &SECONDS, 0.001..=7200.0);
    fields.finish().then_some(Modulation { factor: factor?, high: high?, low: low? })
}

fn retries(mut fields: Fields<'_>) -> Option<Retries> {
    fields.needed("attempts");
    let attempts = whole(&mut fields, "attempts", 1.0..=10.0);
    let backoff = fields.must("backoff", &SECONDS, 0.0..=600.0);
    fields.finish().then_some(Retries { attempts: attempts?, backoff: backoff? })
}
