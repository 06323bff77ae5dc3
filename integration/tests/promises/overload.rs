//! Three times what the service can do, with and without Setpoint.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use setpoint_integration::http::{self, Target};
use setpoint_integration::load::{Arrivals, Generator, Options, Tally};
use setpoint_integration::service::{Service, router};
use setpoint_sdk::Setpoint;
use tokio::time::sleep;

use crate::service::{BASELINE, CAPACITY_PER_SECOND, DemoService, SERVICE, load, report, serve, shape};
use crate::sidecar::{KNOB, Sidecar, fixed, limit, policies, session};
use crate::until::{PATIENCE, eventually};

/// 4 workers of 20 ms.
const CAPACITY: f64 = 200.0;
const WORKERS: &[&str] = &["--workers", "4", "--service-time", "20ms"];
/// Longer than a queue as long as the service's own baseline, so that the first second counts as well.
const DEADLINE: Duration = Duration::from_millis(400);
/// The measured time.
const OVERLOAD: Duration = Duration::from_secs(6);
const PROBES: usize = 100;

async fn lane(socket: &std::path::Path, protection: &str) -> (DemoService, Generator) {
    let arguments = [WORKERS, &["--setpoint", protection]].concat();
    let demo = DemoService::start(socket, &arguments).await;
    let options = Options {
        target: Target::new(demo.at, "/work"),
        rate_per_second: 0.5 * CAPACITY,
        arrivals: Arrivals::Poisson,
        seed: 3,
        deadline: DEADLINE,
        max_outstanding: 4000,
    };
    let load = Generator::start(options).unwrap();
    (demo, load)
}

/// Three times what they can do, on both, for the measured time; and the limit at its end.
async fn overload(sidecar: &Sidecar, lanes: &[(DemoService, Generator); 2]) -> ([Tally; 2], f64) {
    let slots = lanes.each_ref().map(|(_, load)| {
        let slot = load.begin_phase();
        load.rate(3.0 * CAPACITY);
        slot
    });
    sleep(OVERLOAD).await;
    // Before the load is gone: a moment later there is room again.
    let limit = limit(&sidecar.status().await, SERVICE).unwrap().in_force;
    for (_, load) in lanes {
        load.begin_phase();
        load.rate(0.0);
    }
    // Whatever is answered later is late by definition.
    sleep(DEADLINE).await;
    (slots.map(|slot| slot.snapshot()), limit)
}

pub async fn c1_l2_a_protected_service_keeps_its_capacity() {
    let policy = format!(
        "  - name: inbound\n    adaptive_concurrency: {{knob: {KNOB}}}\n\
         \x20 - name: memory\n    memory_cap: {{knob: {KNOB}}}\n\
         \x20 - name: scheduler\n    scheduler_cap: {{knob: {KNOB}}}\n"
    );
    let sidecar = Sidecar::start(&policies(&policy)).await;
    let lanes = [lane(&sidecar.socket(), "on").await, lane(&sidecar.socket(), "off").await];
    // It has learned by then, and most other scenarios are over: this one needs the machine.
    let learned = sidecar.shows("it has learned", PATIENCE, |status| status.uptime_seconds > 20.0).await;
    assert_eq!(learned.sessions.len(), 1, "one of the two");
    let (tallies, limit) = overload(&sidecar, &lanes).await;
    let goodput = tallies.each_ref().map(|tally| tally.ok as f64 / OVERLOAD.as_secs_f64() / CAPACITY);
    eprintln!("{}", report("overload, protected", &tallies[0]));
    eprintln!("{}", report("overload, bare     ", &tallies[1]));
    eprintln!("overload: goodput {goodput:.2?} of capacity with and without, limit {limit:.1}");
    assert_eq!(tallies[0].failed(), 0);
    assert!(goodput[0] >= 0.85 && goodput[1] < 0.30, "{goodput:?}");
    assert!((4.0..0.5 * BASELINE).contains(&limit), "it was found: {limit}");
}

pub async fn c8_health_checks_pass_in_overload() {
    let sidecar = Sidecar::start(&fixed(4.0)).await;
    let setpoint = Setpoint::builder(SERVICE).socket(sidecar.socket()).disabled(false).start();
    let limiter = setpoint.limiter("inbound").bounds(4, 4).baseline(4).register();
    // Around everything, health checks included.
    let app = router(Service::start(shape()), |work| work).layer(setpoint.layer("inbound"));
    let (at, serving) = serve(app).await;
    sidecar.shows("the session", PATIENCE, |status| session(status, SERVICE).is_some()).await;
    assert!(limiter.limit() < BASELINE);
    let load = load(at, 3.0 * CAPACITY_PER_SECOND);
    let slot = load.begin_phase();
    eventually("it rejects", PATIENCE, || slot.snapshot().rejected > 50).await;
    let health = Target::new(at, "/healthz");
    for probe in 0..PROBES {
        let answer = http::send(&health, Method::GET, Bytes::new(), PATIENCE).await;
        assert!(answer.is_ok(), "health check {probe}: {answer:?}");
    }
    let tally = slot.snapshot();
    eprintln!("{}; {PROBES} health checks passed meanwhile", report("health in overload", &tally));
    assert!(tally.rejected > tally.ok, "there was no room at all");
    serving.abort();
}
