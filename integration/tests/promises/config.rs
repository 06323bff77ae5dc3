//! The policy file becomes bad, empty, goes away, comes back, and is edited under load.

use std::fs;
use std::time::{Duration, Instant};

use setpoint::status::{ConfigState, Status};

use crate::lanes::{Lanes, assert_nobody_noticed};
use crate::recorder::Recorder;
use crate::service::{BASELINE, Host};
use crate::sidecar::{KNOB, PUSHED, Sidecar, fixed};
use crate::until::{PATIENCE, eventually};

const EDITS: usize = 10;

/// What a file may become, and what is said about it.
fn bad_files() -> [(&'static str, Vec<u8>, String); 6] {
    let edited = |from: &str, to: &str| fixed(PUSHED).replace(from, to).into_bytes();
    let file = |rest: &str| format!("policy.yaml{rest}");
    [
        ("wrong type", edited("min: 40", "min: four"), file(":6:54")),
        ("contradiction", edited("max: 40", "max: 3"), file(":6:63")),
        ("unknown field", edited("name: inbound", "nmae: inbound"), file(":5:5")),
        ("broken syntax", edited("{knob", "{{knob"), file(":6:27")),
        ("empty", Vec::new(), file(":")),
        ("too large", vec![b'#'; 300 << 10], file(":")),
    ]
}

async fn rejected(sidecar: &Sidecar) -> f64 {
    sidecar.metric("setpoint_reloads_total{result=\"rejected\"}").await.unwrap_or(0.0)
}

pub async fn l4_a_bad_policy_file_changes_nothing() {
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let host = Host::start(&sidecar.socket()).await;
    host.synced_at(PUSHED).await;
    let good = sidecar.kept().await;
    assert_eq!((good.config.state, &good.config.error), (ConfigState::Active, &None));
    let record = Recorder::start(&host);
    let keeps = async |name: &str, says: &str, so_far: f64| {
        let is = |status: &Status| status.config.error.as_ref().is_some_and(|error| error.contains(says));
        let bad = sidecar.shows(&format!("{name}: {says}"), PATIENCE, is).await;
        assert_eq!(bad.config.state, ConfigState::LastGood, "{name}");
        assert_eq!(bad.config.revision, good.config.revision, "{name}");
        assert_eq!(rejected(&sidecar).await, so_far, "{name} is counted once");
        eprintln!("policy file, {name}: {}", bad.config.error.unwrap().lines().next().unwrap());
    };
    let recovers = async || {
        sidecar.write(fixed(PUSHED));
        let is_good = |status: &Status| status.config == good.config;
        sidecar.shows("the good file again", PATIENCE, is_good).await;
    };

    let mut so_far = 0.0;
    for (name, content, says) in bad_files() {
        sidecar.write(content);
        so_far += 1.0;
        keeps(name, &says, so_far).await;
        recovers().await;
    }
    fs::remove_file(sidecar.config().join("policy.yaml")).unwrap();
    keeps("missing", "policy.yaml:", so_far + 1.0).await;
    recovers().await;
    assert_eq!(record.stop().limits(), [PUSHED], "nothing of it was ever in force");
    sidecar.write(fixed(30.0));
    host.synced_at(30.0).await;
}

pub async fn l4_a_missing_folder_is_taken_up_when_it_appears() {
    let mut sidecar = Sidecar::prepare();
    sidecar.launch().await;
    let host = Host::start(&sidecar.socket()).await;
    host.synced_at(BASELINE).await;
    let state = async |state| {
        sidecar.shows(&format!("{state:?}"), PATIENCE, |status| status.config.state == state).await
    };
    assert!(state(ConfigState::ObserveOnly).await.config.error.unwrap().contains("policy.yaml"));
    let unbound = sidecar.status().await.unbound;
    assert!(unbound.iter().any(|knob| knob.ends_with(KNOB)), "no policy names it: {unbound:?}");

    fs::create_dir(sidecar.config()).unwrap();
    sidecar.write(fixed(PUSHED));
    let appeared = Instant::now();
    assert_eq!(state(ConfigState::Active).await.config.error, None);
    eprintln!("policy folder: taken up {:?} after it appeared", appeared.elapsed());
    assert!(appeared.elapsed() < Duration::from_secs(2));
    host.synced_at(PUSHED).await;

    fs::remove_dir_all(sidecar.config()).unwrap();
    assert!(state(ConfigState::LastGood).await.config.error.unwrap().contains("policy.yaml"));
    host.synced_at(PUSHED).await;
}

pub async fn l2_l4_edits_under_load_drop_no_request() {
    let sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let host = Host::start(&sidecar.socket()).await;
    let lanes = Lanes::start(&host).await;
    host.synced_at(PUSHED).await;
    let around = lanes.begin();
    let mut took = Vec::new();
    for edit in 0..EDITS {
        let limit = if edit % 2 == 0 { 30.0 } else { PUSHED };
        sidecar.write(fixed(limit));
        let arrived = || host.limiter.limit() == limit;
        took.push(eventually("the edit is in force", PATIENCE, arrived).await);
    }
    took.sort();
    let (median, worst) = (took[EDITS / 2], took[EDITS - 1]);
    eprintln!("policy edit to limit in force: median {median:?}, worst {worst:?} of {EDITS}");
    // One of them may meet a machine that stands still.
    assert!(took[EDITS - 2] < Duration::from_secs(1), "within a second: {took:?}");
    assert_nobody_noticed("policy edits", &lanes.finish(&around).await);
}
