//! Histograms must not grow. In a process of its own, because it looks at the memory of the process.

use std::time::Duration;

use setpoint::metrics::Metrics;

/// Samples between two upkeeps; at ten ticks per second there are 50.
const BATCH: usize = 100_000;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number");
    pages * rustix::param::page_size()
}

#[test]
fn with_upkeep_the_samples_of_histograms_do_not_pile_up() {
    let metrics = Metrics::new();
    let batch = || (0..BATCH).for_each(|n| metrics.tick(Duration::from_micros(n as u64 % 2000)));
    batch();
    metrics.upkeep();
    let before = resident_bytes();
    for _ in 0..40 {
        batch();
        metrics.upkeep();
    }
    let grown = resident_bytes().saturating_sub(before);
    // Kept, these samples would take 32 MB.
    assert!(grown < 8 << 20, "{grown} bytes for {} samples", 40 * BATCH);
    let text = metrics.render(&setpoint::status::Status::default());
    let all = format!("setpoint_tick_lateness_seconds_count {}\n", 41 * BATCH);
    assert!(text.contains(&all), "{text}");
}
