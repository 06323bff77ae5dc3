//! What serves the calls: station, work, pauses, dependency.

use setpoint_policies::sim::distribution::Distribution;
use setpoint_policies::sim::scenario::{Accepts, Contention, Discipline, Pauses, Server, Station, Steps};

use super::distribution::distribution;
use super::values::{SECONDS, SHARE, Take, steps, whole};
use crate::yaml::{FLAG, Fields, NUMBER, Position, Value, quoted};

/// Most workers of a station.
const WORKERS: f64 = 100_000.0;

pub(super) fn server(mut fields: Fields<'_>, seconds: f64) -> Option<Server> {
    let workers = workers(&mut fields, seconds);
    let discipline = discipline(&mut fields);
    let contention = fields.section("contention", contention);
    let work = work(&mut fields, seconds);
    let speed =
        steps(&mut fields, "speed", seconds, |fields, field| fields.take(field, &NUMBER, 0.001..=1000.0));
    let pauses = fields.section("pauses", pauses);
    let delay = steps(&mut fields, "delay", seconds, distribution);
    let second = fields.section("second", |fields| second(fields, seconds));
    let reject_cost = fields.take("reject_cost", &SECONDS, 0.0..=1.0).unwrap_or(0.0);
    let drop_ratio =
        steps(&mut fields, "drop_ratio", seconds, |fields, field| fields.take(field, &SHARE, 0.0..=1.0));
    let accepts = fields.section("accepts", accepts);
    if !fields.finish() {
        return None;
    }
    Some(Server {
        station: Station { workers: workers?, discipline, contention },
        work: work?,
        speed: speed.unwrap_or(Steps::constant(1.0)),
        pauses,
        delay: delay.unwrap_or(Steps::constant(Distribution::Fixed(0.0))),
        second,
        reject_cost,
        drop_ratio: drop_ratio.unwrap_or(Steps::constant(0.0)),
        accepts,
    })
}

fn workers(fields: &mut Fields<'_>, seconds: f64) -> Option<Steps<u32>> {
    fields.needed("workers");
    steps(fields, "workers", seconds, |fields, field| whole(fields, field, 1.0..=WORKERS))
}

/// Work that takes no time would have no capacity to speak of.
fn work(fields: &mut Fields<'_>, seconds: f64) -> Option<Steps<Distribution>> {
    fields.needed("work");
    steps(fields, "work", seconds, some_work)
}

fn some_work(fields: &mut Fields<'_>, field: &'static str) -> Option<Distribution> {
    let work = distribution(fields, field)?;
    if work.mean() < 1e-6 {
        let at = fields.entry(field).map_or(Position::START, |entry| entry.at);
        fields.complain(field, at, "must take 1us at least, on average");
    }
    Some(work)
}

fn discipline(fields: &mut Fields<'_>) -> Discipline {
    let Some(entry) = fields.entry("discipline") else { return Discipline::Fifo };
    match &entry.value.value {
        Value::Plain(text) | Value::Quoted(text) => match text.as_str() {
            "fifo" => return Discipline::Fifo,
            "processor_sharing" => return Discipline::ProcessorSharing,
            other => {
                let message =
                    format!("expected fifo, processor_sharing or {{usl: ...}}, found {}", quoted(other));
                fields.complain("discipline", entry.value.at, message);
            }
        },
        _ => return fields.section("discipline", law_of_scalability).unwrap_or(Discipline::Fifo),
    }
    Discipline::Fifo
}

fn law_of_scalability(mut fields: Fields<'_>) -> Option<Discipline> {
    fields.needed("usl");
    let usl = fields.section("usl", |mut fields| {
        let sigma = fields.must("sigma", &NUMBER, 0.0..=1000.0);
        let kappa = fields.must("kappa", &NUMBER, 0.0..=1000.0);
        fields.finish().then_some(Discipline::Usl { sigma: sigma?, kappa: kappa? })
    });
    fields.finish().then_some(usl).flatten()
}

fn contention(mut fields: Fields<'_>) -> Option<Contention> {
    let from = fields.must("from", &NUMBER, 1.0..=1e6);
    let slope = fields.must("slope", &NUMBER, 0.0..=1000.0);
    let worst = fields.must("worst", &NUMBER, 1.0..=1e6);
    fields.finish().then_some(Contention { from: from?, slope: slope?, worst: worst? })
}

fn pauses(mut fields: Fields<'_>) -> Option<Pauses> {
    let length = fields.must("length", &SECONDS, 0.0..=600.0);
    let every = fields.must("every", &SECONDS, 0.001..=7200.0);
    let random = fields.look("random", &FLAG).unwrap_or(false);
    if let (Some(length), Some(every)) = (length, every)
        && length >= every
        && let Some(entry) = fields.entry("length")
    {
        fields.complain("length", entry.value.at, "must be less than `every`");
    }
    fields.finish().then_some(Pauses { length: length?, every: every?, random })
}

fn second(mut fields: Fields<'_>, seconds: f64) -> Option<(Steps<u32>, Distribution)> {
    let workers = workers(&mut fields, seconds);
    fields.needed("work");
    let work = some_work(&mut fields, "work");
    fields.finish().then_some((workers?, work?))
}

/// A door that lets everything through would be a mistake.
fn accepts(mut fields: Fields<'_>) -> Option<Accepts> {
    let in_flight = whole(&mut fields, "in_flight", 0.0..=1e6);
    let rate = fields.take("rate", &NUMBER, 0.0..=1e7);
    if in_flight.is_none() && rate.is_none() {
        fields.needed("in_flight");
    }
    let refused_after = fields.take("refused_after", &SECONDS, 0.0..=600.0).unwrap_or(0.0);
    let silent = fields.look("silent", &FLAG).unwrap_or(false);
    fields.finish().then_some(Accepts { in_flight, rate, refused_after, silent })
}
