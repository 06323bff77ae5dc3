//! Builds in `policies/scenarios`: the list of all scenarios, so that none is forgotten, and the oracle's limits.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/scenarios");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = match fs::read_dir(&folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        // The result of a formatted write to a string is always Ok.
        let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    list += "]\n";
    #[expect(clippy::disallowed_methods, reason = "where cargo tells a build script to write")]
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("not run by cargo"))?;
    fs::write(Path::new(&out).join("scenarios.rs"), list)?;
    let oracle = folder.join("oracle.json");
    let known = if oracle.exists() {
        format!("include_str!({:?})", oracle.display().to_string())
    } else {
        "\"{}\"".to_owned()
    };
    fs::write(Path::new(&out).join("oracle.rs"), known)
}
