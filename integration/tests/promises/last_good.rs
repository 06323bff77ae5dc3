//! The sidecar is killed, and when it comes back its policy file is of no use: what ran last runs on.

use std::fs;
use std::time::Instant;

use setpoint::status::{ConfigState, KeptState, Status};

use crate::recorder::Recorder;
use crate::service::{BASELINE, Host};
use crate::sidecar::{PUSHED, Sidecar, fixed};
use crate::until::PATIENCE;

/// What the second policy wants.
const EDITED: f64 = 30.0;

fn runs(status: &Status, state: ConfigState, restored: bool) -> bool {
    status.config.state == state && status.config.restored == restored
}

pub async fn l4_a_restart_with_a_bad_file_runs_the_last_good_one() {
    let mut sidecar = Sidecar::start(&fixed(PUSHED)).await;
    let host = Host::start(&sidecar.socket()).await;
    host.synced_at(PUSHED).await;
    let good = sidecar.kept().await.config;
    let record = Recorder::start(&host);

    sidecar.kill();
    sidecar.write(fixed(PUSHED).replace("min: 40", "min: four"));
    let began = Instant::now();
    sidecar.launch().await;
    let kept = |status: &Status| runs(status, ConfigState::LastGood, true);
    let config = sidecar.shows("the last good policy runs", PATIENCE, kept).await.config;
    eprintln!("restart with a bad policy file: the last good one runs {:?} after the start", began.elapsed());
    assert_eq!(config.revision, good.revision);
    assert!(config.error.unwrap().contains("policy.yaml:6:54"), "and says what is wrong with the file");
    assert_eq!(sidecar.metric("setpoint_config_state{state=\"last_good\"}").await, Some(1.0));
    let printed = sidecar.printed().await;
    assert!(
        printed.starts_with("config   last_good ") && printed.contains("kept by an earlier start"),
        "{printed}"
    );

    // A service that has never heard of the dead one.
    let late = Host::start(&sidecar.socket()).await;
    late.synced_at(PUSHED).await;
    host.synced_at(PUSHED).await;
    assert_eq!(record.stop().limits(), [PUSHED], "who was there before noticed nothing");

    sidecar.write(fixed(PUSHED));
    let mended = |status: &Status| runs(status, ConfigState::Active, false);
    let config = sidecar.shows("the file is good again", PATIENCE, mended).await.config;
    assert_eq!((config.revision, config.error), (good.revision, None));
    sidecar.write(fixed(EDITED));
    host.synced_at(EDITED).await;

    sidecar.kept().await;
    sidecar.kill();
    fs::remove_dir_all(sidecar.config()).unwrap();
    sidecar.launch().await;
    sidecar.shows("the edit runs", PATIENCE, kept).await;
    late.synced_at(EDITED).await;
}

pub async fn l4_a_restart_without_a_good_file_and_a_sound_copy_only_observes() {
    let mut sidecar = Sidecar::start(&fixed(PUSHED)).await;
    sidecar.kept().await;
    sidecar.kill();
    let copy = sidecar.state().join("last-good.yaml");
    let text = fs::read_to_string(&copy).unwrap();
    fs::write(&copy, text.replace("max: 40", "max: 400")).unwrap();
    sidecar.write("");
    sidecar.launch().await;
    let host = Host::start(&sidecar.socket()).await;
    host.synced_at(BASELINE).await;
    let config = sidecar.status().await.config;
    assert_eq!((config.state, config.restored), (ConfigState::ObserveOnly, false));
    assert_eq!(config.kept.state, KeptState::Refused);
    assert!(config.kept.error.unwrap().starts_with("is damaged"));
    sidecar.write(fixed(PUSHED));
    host.synced_at(PUSHED).await;
    sidecar.kept().await;
}
