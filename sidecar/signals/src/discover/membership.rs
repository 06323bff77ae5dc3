//! `/proc/PID/cgroup`: in which group of each hierarchy a process is.
//!
//! Paths are relative to the *reader's* cgroup namespace, as are the roots in every mountinfo, so the two can be compared as they
//! are, whoever's files they are. A group outside that namespace shows as `/../...`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One line per hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Membership(Vec<(Vec<u8>, PathBuf)>);

impl Membership {
    /// Lines that are not `number:controllers:/path` are skipped: a kernel file has none, and one bad line must not hide the others.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(bytes.split(|byte| *byte == b'\n').filter_map(line).collect())
    }

    /// The path in the v1 hierarchy that has this controller.
    pub(super) fn v1(&self, controller: &str) -> Option<&Path> {
        let wanted = controller.as_bytes();
        self.0
            .iter()
            .find(|(names, _)| names.split(|byte| *byte == b',').any(|name| name == wanted))
            .map(path)
    }

    /// The path in the v2 hierarchy.
    pub(super) fn v2(&self) -> Option<&Path> {
        self.0.iter().find(|(names, _)| names.is_empty()).map(path)
    }
}

fn path(entry: &(Vec<u8>, PathBuf)) -> &Path {
    &entry.1
}

fn line(line: &[u8]) -> Option<(Vec<u8>, PathBuf)> {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let (_number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
    // A removed group keeps its name with this suffix; only dying processes are in one.
    let gone = path.ends_with(b" (deleted)");
    (path.starts_with(b"/") && !gone).then(|| (names.to_vec(), PathBuf::from(OsStr::from_bytes(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_path_of_each_hierarchy() {
        let text = b"9:name=systemd:/s\n4:memory:/a:b\n2:cpu,cpuacct:/c\n0::/u\n";
        let membership = Membership::parse(text);
        assert_eq!(membership.v1("memory"), Some(Path::new("/a:b")), "a path may contain colons");
        assert_eq!(membership.v1("cpu"), Some(Path::new("/c")));
        assert_eq!(membership.v1("cpuacct"), Some(Path::new("/c")));
        assert_eq!(membership.v1("pids"), None);
        assert_eq!(membership.v2(), Some(Path::new("/u")));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            Membership::parse(&bytes);
        }
    }

    #[test]
    fn skips_lines_that_say_nothing_usable() {
        let lines: [&[u8]; 7] =
            [b"", b"\n", b"0:", b"0::", b"0::relative\n", b"\xff\xfe\x00::\n", b"0::/gone (deleted)\n"];
        for text in lines {
            assert_eq!(Membership::parse(text), Membership(Vec::new()), "{text:?}");
        }
    }
}
