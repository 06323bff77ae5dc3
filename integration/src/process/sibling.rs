//! Finds the workspace's other binaries beside the running one.

use std::io;
use std::path::{Path, PathBuf};

/// Why a binary was not found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The running executable has no known path.
    #[error("cannot tell where the running executable lies")]
    Unknown(#[from] io::Error),
    /// Nothing there.
    #[error("{} is missing: build it with `cargo build --workspace --bins` and the same profile", .0.display())]
    Missing(PathBuf),
}

/// The binary `name` in the directory of the running executable, or in the one above when that is a test in `deps`.
pub fn sibling(name: &str) -> Result<PathBuf, NotFound> {
    let path = beside(&std::env::current_exe()?, name);
    if path.is_file() { Ok(path) } else { Err(NotFound::Missing(path)) }
}

fn beside(executable: &Path, name: &str) -> PathBuf {
    let directory = executable.parent().unwrap_or(Path::new(""));
    let in_deps = directory.file_name().is_some_and(|last| last == "deps" || last == "examples");
    let directory = if in_deps { directory.parent().unwrap_or(directory) } else { directory };
    directory.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_binaries_and_above_tests() {
        let table = [
            ("/t/debug/demo", "/t/debug/setpoint"),
            ("/t/debug/deps/story-0f3a", "/t/debug/setpoint"),
            ("/t/release/examples/x", "/t/release/setpoint"),
            ("demo", "setpoint"),
        ];
        for (executable, expected) in table {
            assert_eq!(beside(Path::new(executable), "setpoint"), Path::new(expected));
        }
    }

    #[test]
    fn a_missing_binary_is_named_with_its_remedy() {
        let text = sibling("no-such-binary").unwrap_err().to_string();
        assert!(text.contains("no-such-binary is missing: build it with `cargo build"), "{text}");
    }
}
