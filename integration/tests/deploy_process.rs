//! What the deployment files start really runs: the shipped policy passes `setpoint check`, and the command lines of the unit
//! and of the pod serve, reload and drain as written. Only what a supervisor would fill in is filled in: systemd's folders
//! and its variable, the pod's mounts.

#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/process.rs"]
mod process;

use std::process::{Command, Output};

use files::{object, text};
use process::{Folders, Sidecar, admin_address, mode, run, setpoint};

fn policy() -> String {
    let map = object("ConfigMap");
    map["data"]["policy.yaml"].as_str().expect("the ConfigMap holds policy.yaml").to_owned()
}

fn check(policy: &str) -> Output {
    let folders = Folders::new();
    let mount = folders.mount_config_map(policy);
    Command::new(setpoint()).arg("check").arg(mount).output().expect("`setpoint check` starts")
}

/// The value of a key of the unit that occurs once.
fn unit_value<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("the unit has no {key}"));
    assert_eq!(values.next(), None, "the unit has one {key}");
    value
}

/// Serves, keeps serving after the reload, and ends with 0 on SIGTERM. The socket is there meanwhile, for its group only.
async fn serves_reloads_and_drains(folders: &Folders, mut sidecar: Sidecar, reload: (&str, Vec<String>)) {
    assert_eq!(mode(&folders.path("run").join("setpoint/setpoint.sock")), 0o660);
    let (program, arguments) = reload;
    run(program, &arguments).await;
    sidecar.wait_until_live().await;
    let (status, log) = sidecar.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn the_shipped_policy_passes_check() {
    let out = check(&policy());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_broken_policy_fails_check_with_its_position() {
    let broken = policy().replace("min: 4", "min: four");
    let line = broken.lines().position(|line| line.contains("min: four")).expect("the policy has a min") + 1;
    let out = check(&broken);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(64), "{said}");
    assert!(said.contains(&format!("policy.yaml:{line}:")), "{said}");
}

#[tokio::test]
async fn the_unit_starts_reloads_and_stops_as_written() {
    let unit = text("setpoint.service");
    let folders = Folders::new();
    std::fs::write(folders.path("config").join("setpoint/policy.yaml"), policy()).unwrap();
    for key in ["RuntimeDirectory", "StateDirectory", "ConfigurationDirectory"] {
        assert_eq!(unit_value(&unit, key), "setpoint", "the folders that systemd makes");
    }
    // An operator sets the address like this with `systemctl edit`; the port is the unit's own.
    let (variable, address) =
        unit_value(&unit, "Environment").split_once('=').expect("a variable has a value");
    let (_, port) = address.rsplit_once(':').expect("the address has a port");
    let admin = admin_address(1, port.parse().expect("a port is a number"));

    let fill = |word: &str| {
        [("%E", "config"), ("%t", "run"), ("%S", "state")].iter().fold(
            word.replace(&format!("${{{variable}}}"), &admin.to_string()),
            |word, (specifier, folder)| word.replace(specifier, &folders.path(folder).display().to_string()),
        )
    };
    let mut start = unit_value(&unit, "ExecStart").split(' ').map(fill);
    assert_eq!(start.next().as_deref(), Some("setpoint"), "systemd finds it in its own search path");
    let sidecar = Sidecar::start(&folders, &start.collect::<Vec<_>>(), admin).await;

    let reload = unit_value(&unit, "ExecReload").replace("$MAINPID", &sidecar.id());
    let mut reload = reload.split(' ').map(str::to_owned);
    let program = reload.next().expect("the reload is a command");
    serves_reloads_and_drains(&folders, sidecar, (&program, reload.collect())).await;
}

#[tokio::test]
async fn the_pods_sidecar_starts_and_stops_as_written() {
    let folders = Folders::new();
    folders.mount_config_map(&policy());
    let deployment = object("Deployment");
    let container = &deployment["spec"]["template"]["spec"]["initContainers"][0];
    let mounts = container["volumeMounts"].as_array().expect("the sidecar has mounts");
    let port = container["ports"][0]["containerPort"].as_u64().expect("the admin port is a number");
    let admin = admin_address(2, u16::try_from(port).expect("a port has 16 bits"));

    let fill = |word: &str| {
        let mut word = word.replace("0.0.0.0", &admin.ip().to_string());
        for mount in mounts {
            let (path, volume) = (mount["mountPath"].as_str().unwrap(), mount["name"].as_str().unwrap());
            let folder = [("policy", "config"), ("socket", "run"), ("state", "state")];
            let (_, folder) = folder.iter().find(|(name, _)| *name == volume).expect("the volume is known");
            word = word.replace(path, &folders.path(folder).join("setpoint").display().to_string());
        }
        word
    };
    let arguments = container["args"].as_array().expect("the sidecar has arguments");
    let arguments: Vec<String> = arguments.iter().map(|word| fill(word.as_str().unwrap())).collect();
    let sidecar = Sidecar::start(&folders, &arguments, admin).await;
    let reload = vec!["-HUP".to_owned(), sidecar.id()];
    serves_reloads_and_drains(&folders, sidecar, ("/bin/kill", reload)).await;
}
