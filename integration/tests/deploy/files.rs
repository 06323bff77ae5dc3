//! The shipped deployment files, as read by the tests.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The path of a shipped file.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sidecar/deploy").join(name)
}

/// The text of a shipped file.
pub fn text(name: &str) -> String {
    let path = shipped(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The object of this kind in kubernetes.yaml.
pub fn object(kind: &str) -> Value {
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&text("kubernetes.yaml")).expect("the manifest is YAML");
    let named = objects.into_iter().find(|object| object["kind"] == kind);
    named.unwrap_or_else(|| panic!("kubernetes.yaml has no {kind}"))
}
