//! `mountinfo`: where the cgroup hierarchies are mounted, and which part of each.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// A mount of a cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The group that the mount point shows.
    pub(super) root: PathBuf,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Device number, major and minor, as `stat` on anything in it must report.
    pub(super) device: (u32, u32),
    /// `None` for v2, the super block's options (they name the controllers) for v1.
    v1: Option<Vec<u8>>,
}

impl Mount {
    pub(super) fn is_v2(&self) -> bool {
        self.v1.is_none()
    }

    pub(super) fn has_v1(&self, controller: &str) -> bool {
        self.v1
            .as_ref()
            .is_some_and(|names| names.split(|byte| *byte == b',').any(|name| name == controller.as_bytes()))
    }

    /// The directory of the group at `path` in this mount, when the mount shows it.
    pub(super) fn directory(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.root).ok()?;
        let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        plain.then(|| self.point.join(below))
    }
}

/// The cgroup mounts in mountinfo order. Lines of other file systems and lines that make no sense are skipped.
pub(super) fn parse(bytes: &[u8]) -> Vec<Mount> {
    bytes.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mount> {
    // id parent major:minor root point options [optional...] - type source super-options
    let mut fields = line.split(|byte| *byte == b' ');
    let device = device(fields.nth(2)?)?;
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    fields.find(|field| *field == b"-")?;
    let v1 = match fields.next()? {
        b"cgroup2" => None,
        b"cgroup" => Some(fields.nth(1)?.to_vec()),
        _ => return None,
    };
    Some(Mount { root, point, device, v1 })
}

fn device(field: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Blank, tab, newline and backslash are written as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

/// Rewrites mount points below `/sys` to lie below `sys`, unless some are there already: a recorded tree has only the former, a
/// container with the host's `/sys` mounted elsewhere has both, and then the latter are meant.
pub(super) fn move_to(mounts: &mut [Mount], sys: &Path) {
    let usual = Path::new(OsStr::from_bytes(b"/sys"));
    if sys == usual || mounts.iter().any(|mount| mount.point.starts_with(sys)) {
        return;
    }
    for mount in mounts {
        if let Ok(below) = mount.point.strip_prefix(usual) {
            mount.point = sys.join(below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Mount {
        let mut mounts = parse(text.as_bytes());
        assert_eq!(mounts.len(), 1, "{text}");
        mounts.remove(0)
    }

    #[test]
    fn reads_v1_and_v2_mounts_and_nothing_else() {
        let v1 = one(
            "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:4 master:1 - cgroup cgroup rw,cpu,cpuacct\n",
        );
        assert!(v1.has_v1("cpu") && v1.has_v1("cpuacct") && !v1.has_v1("memory") && !v1.is_v2());
        assert_eq!(v1.device, (0, 29));
        let v2 = one("41 31 0:38 /../x /sys/fs/cgroup ro - cgroup2 none ro,nsdelegate\n");
        assert!(v2.is_v2() && !v2.has_v1("memory"));
        assert_eq!(v2.root, Path::new("/../x"));
        let nonsense: [&[u8]; 6] = [
            b"",
            b"\xff\x00\n",
            b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n",
            b"41 31 0:38 / /sys/fs/cgroup ro cgroup2 none ro\n",
            b"41 31 zero / /sys/fs/cgroup ro - cgroup2 none ro\n",
            b"41 31 0:38 / /sys/fs/cgroup ro - cgroup\n",
        ];
        for text in nonsense {
            assert_eq!(parse(text), Vec::new(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, fields in "[0-9:/. \\\\-]{0,60}") {
            parse(&bytes);
            parse(format!("1 1 {fields} - cgroup c rw,memory\n").as_bytes());
            unescape(&bytes);
        }
    }

    #[test]
    fn unescapes_paths() {
        assert_eq!(unescape(br"/a\040b\134c\011"), Path::new("/a b\\c\t"));
        assert_eq!(unescape(br"/a\04"), Path::new(r"/a\04"), "a cut escape stays as it is");
        assert_eq!(unescape(br"/a\777"), Path::new(r"/a\777"), "not a byte");
    }

    #[test]
    fn a_directory_is_found_only_below_the_root_that_the_mount_shows() {
        let mount = |root| one(&format!("1 1 0:1 {root} /m rw - cgroup2 c rw\n"));
        for (root, path, expected) in [
            ("/", "/", Some("/m")),
            ("/", "/a/b", Some("/m/a/b")),
            ("/a", "/a/b", Some("/m/b")),
            ("/a", "/a", Some("/m")),
            ("/a", "/ab", None),
            ("/a", "/b", None),
            ("/", "/../b", None),
            ("/../b", "/../b/c", Some("/m/c")),
            ("/..", "/../../b", None),
        ] {
            assert_eq!(mount(root).directory(Path::new(path)), expected.map(PathBuf::from), "{root} {path}");
        }
    }

    #[test]
    fn mount_points_move_only_when_none_is_there_already() {
        let inside = "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 c rw\n";
        let mut recorded = parse(inside.as_bytes());
        move_to(&mut recorded, Path::new("/tmp/tree/sys"));
        assert_eq!(recorded[0].point, Path::new("/tmp/tree/sys/fs/cgroup"));
        let mut host = parse(format!("{inside}2 1 0:1 / /host/sys/fs/cgroup rw - cgroup2 c rw\n").as_bytes());
        move_to(&mut host, Path::new("/host/sys"));
        assert_eq!(host[0].point, Path::new("/sys/fs/cgroup"));
        assert_eq!(host[1].point, Path::new("/host/sys/fs/cgroup"));
    }
}
