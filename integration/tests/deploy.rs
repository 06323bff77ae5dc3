//! The deployment files are right as shipped: the manifests by Kubernetes' published schemas and by our own rules for the pod,
//! the unit by systemd's own parser. Each check is also shown a broken file, so that it cannot pass by not looking.
//! What the files start is tested in deploy_process.rs.

#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/pod.rs"]
mod pod;

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use files::text;

/// The first Kubernetes version with native sidecars on by default, and the newest that the validator knows.
const KUBERNETES: [&str; 2] = ["1.29", "1.37"];

/// Ok when every one of `documents` objects passed in every version; else what the validator said.
fn validate(manifest: &Path, documents: usize) -> Result<(), String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/kubernetes-validate");
    assert!(program.exists(), "{} is missing: `make test` prepares it", program.display());
    let out = Command::new(program)
        .args(["--strict", "-k", KUBERNETES[0], "-k", KUBERNETES[1]])
        .arg(manifest)
        .output()
        .expect("the validator starts");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    // A kind without a schema is only a warning and exit 0, so the passes are counted.
    let passed = said.lines().filter(|line| line.contains(" passed for resource ")).count();
    if out.status.success() && passed == documents * KUBERNETES.len() { Ok(()) } else { Err(said) }
}

#[test]
fn the_manifests_pass_the_published_schemas() {
    assert_eq!(validate(&files::shipped("kubernetes.yaml"), 3), Ok(()));
}

#[test]
fn a_broken_manifest_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let broken = [
        ("livenessProbe:", "livenesProbe:", "'livenesProbe' was unexpected"),
        ("containerPort: 9847", "containerPort: admin", "is not of type 'integer'"),
        ("runAsNonRoot: true", "runAsNonRoot: \"yes\"", "is not of type 'boolean'"),
        ("kind: Deployment", "kind: Deploiment", "Couldn't find schema for kind Deploiment"),
    ];
    for (right, wrong, message) in broken {
        let manifest = folder.path().join("broken.yaml");
        let shipped = text("kubernetes.yaml");
        assert!(shipped.contains(right), "{right} is gone from the manifest");
        std::fs::write(&manifest, shipped.replacen(right, wrong, 1)).unwrap();
        let said = validate(&manifest, 3).expect_err(wrong);
        assert!(said.contains(message), "{wrong}: {said}");
    }
}

/// What systemd's parser has to say about a unit; None where there is no systemd to ask.
fn systemd_says(unit: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder for the unit");
    let path = folder.path().join("setpoint.service");
    // The only thing it would miss on this machine is the installed binary; any executable stands for it.
    let program = std::env::current_exe().expect("this test is a file");
    let installed = unit.replacen("ExecStart=setpoint ", &format!("ExecStart={} ", program.display()), 1);
    assert_ne!(installed, unit, "the unit starts `setpoint`");
    std::fs::write(&path, installed).expect("the unit is written");
    match Command::new("systemd-analyze").arg("verify").arg(&path).output() {
        Ok(out) => Some(String::from_utf8_lossy(&out.stderr).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("systemd-analyze: {error}"),
    }
}

#[test]
fn systemd_accepts_the_unit_and_would_report_a_typo() {
    let unit = text("setpoint.service");
    let Some(said) = systemd_says(&unit) else {
        eprintln!("NOT CHECKED: setpoint.service: this machine has no systemd-analyze");
        return;
    };
    assert_eq!(said, "");
    let typo = systemd_says(&unit.replacen("ProtectSystem", "ProtectSistem", 1)).unwrap();
    assert!(typo.contains("Unknown key"), "{typo}");
}

#[test]
fn the_image_is_one_binary_run_by_a_numbered_user() {
    let containerfile = text("Containerfile");
    let (_, last_stage) = containerfile.rsplit_once("\nFROM ").expect("the image is built in stages");
    let instructions: Vec<&str> =
        last_stage.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(
        instructions,
        [
            "scratch",
            "COPY --from=build /setpoint /setpoint",
            "USER 65532:65532",
            "ENTRYPOINT [\"/setpoint\"]"
        ]
    );
}
