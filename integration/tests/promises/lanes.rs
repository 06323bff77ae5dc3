//! The same load on a service with the SDK and on one without, so that what the machine does is told from what we do.

use std::time::Duration;

use setpoint_integration::load::{Generator, Slot, Tally};

use crate::service::{CAPACITY_PER_SECOND, Host, bare, load, report};
use crate::until::{PATIENCE, eventually};

/// The host's load, and that of a service that shares everything with it but the SDK.
pub struct Lanes([Generator; 2]);

impl Lanes {
    /// Both at a fraction of what the service can do: a machine that stands still for a second is not to cause rejections,
    /// which would be right then.
    pub async fn start(host: &Host) -> Self {
        Self([host.at, bare().await].map(|at| load(at, 0.15 * CAPACITY_PER_SECOND)))
    }

    /// Counts from now on.
    pub fn begin(&self) -> [Slot; 2] {
        self.0.each_ref().map(Generator::begin_phase)
    }

    /// Ends the load and waits for its last answers.
    pub async fn finish(&self, slots: &[Slot; 2]) -> [Tally; 2] {
        self.0.iter().for_each(|load| load.rate(0.0));
        let answered = || slots.iter().all(|slot| slot.snapshot().unanswered() == 0);
        eventually("every request is answered", PATIENCE, answered).await;
        slots.each_ref().map(Slot::snapshot)
    }
}

/// No request failed, was rejected or late, and the slowest took no longer than without a sidecar.
pub fn assert_nobody_noticed(name: &str, [with, without]: &[Tally; 2]) {
    eprintln!("{}", report(&format!("{name}, with the SDK"), with));
    eprintln!("{}", report(&format!("{name}, without    "), without));
    assert!(with.sent > 50, "enough requests to notice something: {}", with.sent);
    assert_eq!((with.failed(), with.rejected, with.late, with.shed_by_client), (0, 0, 0, 0), "{name}");
    let [p99, usual] = [with, without].map(|tally| tally.latency(0.99).unwrap());
    assert!(p99 < usual.mul_f64(1.5) + Duration::from_millis(25), "{name}: p99 {p99:?} beside {usual:?}");
}
