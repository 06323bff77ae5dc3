//! C2: a service that takes 1 MiB for each request, in 256 MiB, at four times its usual load. Its owner allows it 2000 requests at
//! once; with a sidecar the ceiling that is measured holds, without one that guess does.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use setpoint_integration::load::Generator;
use tokio::time::sleep;

use crate::cgroups::Group;
use crate::service::{SERVICE, load, report};
use crate::sidecar::{KNOB, Sidecar, limit, policies};
use crate::until::PATIENCE;

const MIB: u64 = 1 << 20;
const SERVICE_PROGRAM: &str = env!("CARGO_BIN_EXE_memory-service");
/// A request takes a second, so this many are in flight, and hold as many MiB.
const USUAL: f64 = 100.0;
const SURGE: f64 = 4.0 * USUAL;
/// The measured time.
const LASTS: Duration = Duration::from_secs(10);

fn group(name: &str, test: &str) -> Option<Group> {
    let group = Group::make("memory", name, test)?;
    group.set("memory.limit_in_bytes", 256 * MIB);
    // Nothing else to go to, as in most pods. Not every kernel counts swap.
    group.try_set("memory.memsw.limit_in_bytes", 256 * MIB);
    Some(group)
}

async fn without() -> bool {
    let Some(group) = group("alone", "c2_a_surge_does_not_kill_a_protected_service") else { return false };
    let mut service = group.start(SERVICE_PROGRAM, Path::new("/nonexistent"), &[]).await;
    let load: Generator = load(service.at, SURGE);
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
    let mut service = group.start(SERVICE_PROGRAM, &sidecar.socket(), &[]).await;
    let load: Generator = load(service.at, USUAL);
    let known = |status: &setpoint::status::Status| {
        let reason = limit(status, SERVICE).and_then(|knob| knob.reason.clone());
        reason.is_some_and(|reason| reason.starts_with("room for"))
    };
    let learnt = sidecar.shows("what a request holds", PATIENCE, known).await;
    eprintln!("memory, usual load: {}", limit(&learnt, SERVICE).unwrap().reason.as_deref().unwrap());

    let surge = load.begin_phase();
    load.rate(SURGE);
    sleep(LASTS).await;
    let tally = surge.snapshot();
    let status = sidecar.status().await;
    load.rate(0.0);
    let knob = limit(&status, SERVICE).unwrap();
    eprintln!("{}", report("memory, four times the load", &tally));
    eprintln!(
        "memory, four times the load: limit {:.0}, most {} of 256 MiB, {}",
        knob.in_force,
        group.most() / MIB,
        knob.reason.as_deref().unwrap_or_default()
    );
    assert_eq!(service.process.has_ended().unwrap(), None, "it lives");
    assert_eq!(group.oom_kills(), 0);
    assert_eq!(knob.policy.as_deref(), Some("ceiling"));
    assert!(tally.rejected > 0, "there was no surge");
    // What fits is about 190 at a time. A machine that is busy with other things answers fewer, but not next to none.
    let answered = (tally.ok + tally.late) as f64 / LASTS.as_secs_f64();
    assert!(answered > 0.5 * USUAL, "{answered} answers a second");
}

pub async fn c2_a_surge_does_not_kill_a_protected_service() {
    if without().await {
        with().await;
    }
}
