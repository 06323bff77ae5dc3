//! What is kept, and what is not believed.

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tempfile::TempDir;

use super::*;

const CONTENT: &[u8] = b"version: setpoint/v1\nname: a\n";

struct World {
    home: TempDir,
    file: File,
}

impl World {
    /// A state directory that is not there yet.
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let file = File::new(&home.path().join("state"), Path::new("/etc/setpoint"));
        Self { home, file }
    }

    /// One in which [`CONTENT`] is kept.
    fn kept() -> Self {
        let world = Self::new();
        assert_eq!(world.file.write(CONTENT), Ok(Written::New));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("state").join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.home.path().join("state")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn refused(&self) -> String {
        self.file.read().expect_err("not to be used")
    }
}

#[test]
fn l4_what_was_written_is_read_byte_for_byte() {
    for content in [CONTENT, b"", b"\n", b"no end of line", b"\xef\xbb\xbfa: b\r\n\xff", &[b'#'; LARGEST]] {
        let world = World::new();
        assert_eq!(world.file.read(), Ok(None), "nothing yet, not even the directory");
        assert_eq!(world.file.write(content), Ok(Written::New));
        assert_eq!(world.file.read().unwrap().as_deref(), Some(content));
        assert_eq!(world.file.write(content), Ok(Written::Unchanged));
        assert_eq!(world.names(), [FILE], "nothing else is left");
        assert_eq!(world.file.path().metadata().unwrap().permissions().mode() & 0o137, 0, "not for others");
    }
}

#[test]
fn l4_the_newest_takes_the_place_of_the_older_and_is_itself_a_policy_file() {
    let world = World::kept();
    let policy =
        b"version: setpoint/v1\nname: a\npolicies:\n  - name: a\n    adaptive_concurrency: {knob: limit.a}\n";
    assert_eq!(world.file.write(policy), Ok(Written::New));
    let loaded = crate::config::load_path(&world.file.path()).expect("can be copied over a lost policy file");
    assert_eq!((&*loaded.set.name, loaded.set.policies.len()), ("a", 1));
    let text = fs::read_to_string(world.file.path()).unwrap();
    let last = format!("# last good policy of \"/etc/setpoint\", sha256 {}", revision(policy));
    assert_eq!(text.lines().last(), Some(&*last));
}

#[test]
fn l4_a_file_that_is_damaged_is_not_believed() {
    let whole = fs::read(World::kept().file.path()).unwrap();
    let edited =
        |from: &str, to: &str| String::from_utf8(whole.clone()).unwrap().replace(from, to).into_bytes();
    let damaged = "is damaged, or was not written by a sidecar";
    let untrue = "is damaged: its content is not what its last line says";
    for (what, bytes, says) in [
        ("empty", Vec::new(), damaged),
        ("cut in its last line", whole[..whole.len() - 1].to_vec(), damaged),
        ("cut in its content", whole[..10].to_vec(), damaged),
        ("zeroes", vec![0; whole.len()], damaged),
        ("no last line of ours", CONTENT.to_vec(), damaged),
        ("more lines", [&whole[..], b"more: 1\n"].concat(), damaged),
        ("another content", edited("name: a", "name: b"), untrue),
        ("another hash", edited("sha256 ", "sha256 0"), untrue),
        ("no hash", edited(", sha256", ""), damaged),
        ("no text", [&whole[..whole.len() - 2], b"\xff\n"].concat(), damaged),
        ("too large", vec![b'#'; 400 << 10], "is larger than 256 KiB"),
    ] {
        let world = World::kept();
        fs::write(world.file.path(), bytes).unwrap();
        assert_eq!(world.refused(), says, "{what}");
        assert_eq!(world.file.write(CONTENT), Ok(Written::New), "{what}: put right");
        assert_eq!(world.file.read().unwrap().as_deref(), Some(CONTENT), "{what}");
    }
}

#[test]
fn l4_the_policy_of_another_sidecar_is_not_run() {
    let world = World::kept();
    let other = File::new(&world.home.path().join("state"), Path::new("/etc/other"));
    let says = "is of the policy file in \"/etc/setpoint\", not of that in \"/etc/other\"";
    assert_eq!(other.read(), Err(says.to_owned()));
    let same = File::new(&world.home.path().join("state"), Path::new("//etc/./setpoint/"));
    assert_eq!(same.read().unwrap().as_deref(), Some(CONTENT), "the same directory, written otherwise");
    let odd = File::new(&world.home.path().join("odd"), Path::new("/a\", sha256 \n# x"));
    assert_eq!(odd.write(CONTENT), Ok(Written::New));
    assert_eq!(odd.read().unwrap().as_deref(), Some(CONTENT), "whatever the path");
}

#[test]
fn l4_what_others_may_have_put_there_is_not_believed() {
    for (put, says) in [
        (
            (|world| {
                fs::rename(world.file.path(), world.path("elsewhere")).unwrap();
                symlink("elsewhere", world.file.path()).unwrap();
            }) as fn(&World),
            "is a symbolic link",
        ),
        (
            |world| fs::set_permissions(world.file.path(), fs::Permissions::from_mode(0o666)).unwrap(),
            "can be written by everybody",
        ),
        (
            |world| {
                fs::remove_file(world.file.path()).unwrap();
                let fifo = FileType::Fifo;
                rustix::fs::mknodat(CWD, world.file.path(), fifo, MODE, 0).unwrap();
            },
            "is not a regular file",
        ),
    ] {
        let world = World::kept();
        put(&world);
        assert_eq!(world.refused(), says);
        assert_eq!(world.file.write(CONTENT), Ok(Written::New), "{says}: put right");
        assert_eq!(world.file.read().unwrap().as_deref(), Some(CONTENT));
        assert!(world.file.path().symlink_metadata().unwrap().is_file());
    }
}

#[test]
fn l4_a_file_of_another_user_is_not_believed() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let world = World::kept();
    chown(world.file.path(), Some(12345), None).unwrap();
    assert_eq!(world.refused(), "belongs to user 12345");
}

#[test]
fn l4_a_write_that_fails_leaves_what_was_kept() {
    let world = World::kept();
    fs::create_dir(world.path(NEW)).unwrap();
    let error = world.file.write(b"newer").expect_err("in the way");
    assert!(error.starts_with("cannot write in /"), "{error}");
    assert_eq!(world.file.read().unwrap().as_deref(), Some(CONTENT));
    fs::remove_dir(world.path(NEW)).unwrap();
    fs::write(world.path(NEW), "half a fi").unwrap();
    assert_eq!(world.file.write(b"newer"), Ok(Written::New), "what a killed process left is no obstacle");
    assert_eq!(world.names(), [FILE]);

    fs::remove_file(world.file.path()).unwrap();
    fs::create_dir(world.file.path()).unwrap();
    assert_eq!(world.refused(), "is not a regular file");
    assert!(world.file.write(b"newest").is_err());
    assert_eq!(world.names(), [FILE], "half a file is taken away");
}

#[test]
fn l4_a_state_directory_that_cannot_be_is_told() {
    let world = World::new();
    fs::write(world.home.path().join("state"), "a file").unwrap();
    let (read, written) = (world.refused(), world.file.write(CONTENT).expect_err("no directory"));
    assert!(read.starts_with("cannot open /") && read.ends_with("state: not a directory"), "{read}");
    assert!(written.starts_with("cannot make the directory /"), "{written}");
}

#[test]
fn l4_two_writers_do_not_mix() {
    let world = World::kept();
    let other = open(&world.home.path().join("state")).unwrap();
    rustix::fs::flock(&other, FlockOperation::LockExclusive).unwrap();
    let error = world.file.write(b"newer").expect_err("locked");
    assert!(error.starts_with("another process writes to /"), "{error}");
    drop(other);
    assert_eq!(world.file.write(b"newer"), Ok(Written::New));
}
