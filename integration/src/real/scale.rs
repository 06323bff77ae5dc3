//! A scenario for a smaller or a larger machine.

use setpoint_policies::sim::scenario::Scenario;

/// The same scenario with so many times the calls, the workers and the room before contention. What one call needs, and so
/// every latency without a queue, stays; workers are whole numbers, so capacity is what the rounding leaves of it.
pub fn scaled(scenario: &Scenario, factor: f64) -> Scenario {
    let mut scaled = scenario.clone();
    if factor == 1.0 {
        return scaled;
    }
    let rate = &mut scaled.clients.rate;
    rate.points.iter_mut().for_each(|(_, value)| *value *= factor);
    if let Some(bursts) = &mut rate.bursts {
        bursts.rate *= factor;
    }
    let station = &mut scaled.server.station;
    for (_, workers) in &mut station.workers.0 {
        *workers = (f64::from(*workers) * factor).round().max(1.0) as u32;
    }
    if let Some(contention) = &mut station.contention {
        contention.from *= factor;
    }
    scaled
}
