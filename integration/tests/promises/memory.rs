//! C2: a service that takes 1 MiB for each request, in 256 MiB, at four times its usual load. Its owner allows it 2000 requests at
//! once; with a sidecar the ceiling that is measured holds, without one that guess does.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use setpoint_integration::load::Generator;

use crate::cgroups::Group;
use crate::service::{SERVICE, load, report};
use crate::sidecar::{KNOB, Sidecar, limit, policies};
use crate::until::{PATIENCE, eventually};

const MIB: u64 = 1 << 20;
const SERVICE_PROGRAM: &str = env!("CARGO_BIN_EXE_memory-service");
/// Each request takes two seconds, so twice as many are in flight, and hold as many MiB: 100 and 400 of them.
const TAKES: [&str; 2] = ["--takes", "2s"];
const USUAL_PER_SECOND: f64 = 50.0;
const SURGE_PER_SECOND: f64 = 4.0 * USUAL_PER_SECOND;
/// The surge lasts until so many were answered: as many as fit, three times over. How long that takes depends on what else the
/// machine does.
const ANSWERED: u64 = 600;

fn group(name: &str, test: &str) -> Option<Group> {
    let group = Group::make("memory", name, test)?;
    group.set("memory.limit_in_bytes", 256 * MIB);
    // Nothing else to go to, as in most pods. Not every kernel counts swap.
    group.try_set("memory.memsw.limit_in_bytes", 256 * MIB);
    Some(group)
}

async fn without() -> bool {
    let Some(group) = group("alone", "c2_a_surge_does_not_kill_a_protected_service") else { return false };
    let mut service = group.start(SERVICE_PROGRAM, Path::new("/nonexistent"), &TAKES).await;
    let load: Generator = load(service.at, SURGE_PER_SECOND);
    let ended = service.process.wait(PATIENCE).await.unwrap();
    load.rate(0.0);
    assert_eq!(ended.signal(), Some(9), "{ended}");
    assert_eq!(group.oom_kills(), 1);
    eprintln!("memory, without a sidecar: killed");
    true
}

async fn with() {
    let Some(group) = group("protected", "c2_a_surge_does_not_kill_a_protected_service") else { return };
    let policy = policies(&format!("  - name: ceiling\n    memory_ceiling: {{knob: {KNOB}}}\n"));
    let sidecar = Sidecar::start(&policy).await;
    let mut service = group.start(SERVICE_PROGRAM, &sidecar.socket(), &TAKES).await;
    let load: Generator = load(service.at, USUAL_PER_SECOND);
    let known = |status: &setpoint::status::Status| {
        let reason = limit(status, SERVICE).and_then(|knob| knob.reason.clone());
        reason.is_some_and(|reason| reason.starts_with("room for"))
    };
    let learnt = sidecar.shows("what a request holds", PATIENCE, known).await;
    eprintln!("memory, usual load: {}", limit(&learnt, SERVICE).unwrap().reason.as_deref().unwrap());

    let surge = load.begin_phase();
    load.rate(SURGE_PER_SECOND);
    let answered = || {
        assert_eq!(service.process.has_ended().unwrap(), None, "it lives");
        let tally = surge.snapshot();
        tally.ok + tally.late >= ANSWERED
    };
    let took = eventually("the surge is served", PATIENCE, answered).await;
    let tally = surge.snapshot();
    let status = sidecar.status().await;
    load.rate(0.0);
    let knob = limit(&status, SERVICE).unwrap();
    eprintln!("{}", report("memory, four times the load", &tally));
    eprintln!(
        "memory, four times the load for {took:.1?}: limit {:.0}, most {} of 256 MiB, {}",
        knob.in_force,
        group.most() / MIB,
        knob.reason.as_deref().unwrap_or_default()
    );
    assert_eq!(group.oom_kills(), 0);
    assert_eq!(knob.policy.as_deref(), Some("ceiling"));
    assert!(tally.rejected > 0, "there was no surge");
}

pub async fn c2_a_surge_does_not_kill_a_protected_service() {
    if without().await {
        with().await;
    }
}
