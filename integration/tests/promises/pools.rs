//! Pools and time-outs as knobs: by zone, from the shipped file, read back from what the service really has.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use setpoint::status::Status;
use setpoint_sdk::{NumericKnob, Setpoint, Timeout};

use crate::sidecar::Sidecar;
use crate::until::{PATIENCE, eventually};

const PRESET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/presets/field-report-pools.yaml");
/// What the pool of idle connections takes at most, whatever is asked of it.
const REALLY: u64 = 150;

/// A service that has the knobs of the preset, with other baselines.
struct Client {
    setpoint: Setpoint,
    pools: [NumericKnob; 3],
    timeouts: [Timeout; 3],
    /// The pool behind the first knob.
    idle: Arc<AtomicU64>,
}

impl Client {
    fn start(socket: &Path, service: &str, zone: Option<&str>) -> Self {
        let builder = Setpoint::builder(service).socket(socket).disabled(false);
        let setpoint = zone.into_iter().fold(builder, |builder, zone| builder.label("zone", zone)).start();
        let idle = Arc::new(AtomicU64::new(8));
        let (set, read) = (idle.clone(), idle.clone());
        let per_host = setpoint
            .pool_size("http.idle_per_host")
            .bounds(1.0, 500.0)
            .baseline(8.0)
            .on_change(move |_, new, _| set.store((new as u64).min(REALLY), Ordering::Relaxed))
            .read_back(move || read.load(Ordering::Relaxed) as f64)
            .register();
        let pool = |name| setpoint.pool_size(name).bounds(1.0, 100.0).baseline(4.0).register();
        let pools = [per_host, pool("db.open"), pool("db.idle")];
        let timeouts = ["http.idle", "http.tls_handshake", "http.read_header"]
            .map(|name| setpoint.timeout(name).baseline(Duration::from_secs(60)).register());
        Self { setpoint, pools, timeouts, idle }
    }

    fn values(&self) -> ([f64; 3], [u64; 3]) {
        let pool = |at: usize| self.pools[at].value();
        ([pool(0), pool(1), pool(2)], [0, 1, 2].map(|at: usize| self.timeouts[at].value().as_secs()))
    }
}

fn in_force(status: &Status, service: &str) -> BTreeMap<String, f64> {
    let session = status.sessions.iter().find(|session| session.service == service);
    let knobs = session.into_iter().flat_map(|session| &session.knobs);
    knobs.map(|knob| (knob.name.clone(), knob.in_force)).collect()
}

pub async fn c6_pools_and_time_outs_are_set_by_zone_and_read_back() {
    let preset = std::fs::read_to_string(PRESET).unwrap();
    let sidecar = Sidecar::start(&preset).await;
    let near = Client::start(&sidecar.socket(), "near", None);
    let far = Client::start(&sidecar.socket(), "far", Some("far"));
    assert_eq!(near.values(), ([8.0, 4.0, 4.0], [60; 3]), "the baselines, until a sidecar says otherwise");
    let near_has = || near.values() == ([50.0, 20.0, 10.0], [30, 5, 5]);
    eventually("the values for everybody", PATIENCE, near_has).await;
    let far_has = || far.values() == ([200.0, 20.0, 10.0], [90, 15, 5]);
    eventually("the values for the far zone", PATIENCE, far_has).await;
    assert_eq!(far.idle.load(Ordering::Relaxed), REALLY, "this pool has bounds of its own");
    let read_back = |status: &Status| {
        let (near, far) = (in_force(status, "near"), in_force(status, "far"));
        near.get("pool.http.idle_per_host") == Some(&50.0)
            && far.get("pool.http.idle_per_host") == Some(&(REALLY as f64))
            && far.get("timeout.http.idle") == Some(&90_000.0)
    };
    sidecar.shows("what is really in force", PATIENCE, read_back).await;

    let edited = preset.replace("value: 200", "value: 120").replace("value: 90s", "value: 45s");
    assert_ne!(edited, preset);
    sidecar.write(edited);
    let far_has = || far.values() == ([120.0, 20.0, 10.0], [45, 15, 5]);
    let took = eventually("an edit", PATIENCE, far_has).await;
    eprintln!("pools: an edit of the file was in force after {took:?}");
    assert_eq!((near.values(), far.idle.load(Ordering::Relaxed)), (([50.0, 20.0, 10.0], [30, 5, 5]), 120));
    near.setpoint.stop();
    eventually("a session that ends", PATIENCE, || near.values() == ([8.0, 4.0, 4.0], [60; 3])).await;
}
