//! One line per second, for logs and pipes.

use std::io::Write;

use super::super::figures::{clock, count, latency, percent};
use super::super::history::EVERY;
use super::Scene;

/// Draws every fourth frame, that is once a second.
pub(super) fn draw(out: &mut impl Write, scene: &Scene<'_>, frame: usize) -> std::io::Result<()> {
    let per_second = (1000 / EVERY.as_millis()) as usize;
    if !frame.is_multiple_of(per_second) {
        return Ok(());
    }
    writeln!(out, "{}", line(scene))?;
    out.flush()
}

pub(super) fn line(scene: &Scene<'_>) -> String {
    let Some(now) = scene.history.last() else { return String::new() };
    let [with, without] = &now.lanes;
    let phase = scene.story.get(now.phase).map_or("", |phase| phase.name);
    format!(
        "{} {phase:<15} offered {:>5.0}/s | with: {:>4.0}/s p99 {:>6} rejected {:>4} in flight {:>3} limit {:>3}{} | without: \
         {:>4.0}/s p99 {:>6} in flight {:>4}",
        clock(now.at),
        now.offered_per_second,
        with.goodput_per_second,
        latency(with.p99),
        percent(with.rejected_ratio),
        count(with.in_flight),
        count(now.limit),
        if now.sidecar_alive { "" } else { " (sidecar dead)" },
        without.goodput_per_second,
        latency(without.p99),
        count(without.in_flight),
    )
}
