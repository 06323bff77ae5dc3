use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::config::{FILE, SETTLE};

/// A policy file whose size depends on `min`, so that no write hides in the grain of a file system's clock.
fn policy(min: usize) -> String {
    let padding = "#".repeat(min);
    format!(
        "version: setpoint/v1\nname: a\npolicies:\n  - name: a\n    adaptive_concurrency: {{knob: limit.a, min: {min}}}\n{padding}\n"
    )
}

const BAD: &str = "version: setpoint/v1\nname: a\npolicies: []\n";

/// A directory, a reloader and a clock of its own.
struct World {
    dir: TempDir,
    reloader: Reloader,
    now: Timestamp,
}

impl World {
    /// The shortest that a policy file allows.
    const TICK: Duration = Duration::from_millis(50);

    fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let reloader = Reloader::new(dir.path());
        Self { dir, reloader, now: Timestamp::from_millis(1_000_000) }
    }

    /// A plain file that runs, with nothing left to settle.
    fn running(content: &str) -> Self {
        let mut world = Self::empty();
        world.write(content);
        world.reloader.force(world.now).unwrap().expect("the first set");
        assert_eq!(world.sets(10), 0);
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// As `>` of a shell does: the same file, cut and written.
    fn write(&self, content: &str) {
        fs::write(self.path(FILE), content).unwrap();
    }

    fn tick(&mut self) -> Option<Arc<PolicySet>> {
        self.now += Self::TICK;
        self.reloader.poll(self.now)
    }

    /// How many new sets `ticks` ticks bring.
    fn sets(&mut self, ticks: usize) -> usize {
        (0..ticks).filter(|_| self.tick().is_some()).count()
    }

    /// The next new set, and how long it took.
    fn next_set(&mut self) -> (Duration, Arc<PolicySet>) {
        let start = self.now;
        for _ in 0..100 {
            if let Some(set) = self.tick() {
                return (self.now.since(start), set);
            }
        }
        panic!("no new set in 5 s: {:?}", self.reloader.state());
    }

    fn status(&self) -> Status {
        self.reloader.state().status
    }

    fn error(&self) -> &str {
        self.reloader.state().error.as_deref().unwrap_or_default()
    }

    fn assert_runs(&self, content: &str) {
        assert_eq!(self.reloader.state().revision, super::super::revision(content.as_bytes()));
        assert_eq!((self.status(), self.error()), (Status::Active, ""));
    }
}

/// Replaces what `..data` points to, as the kubelet does.
fn swap_config_map(mount: &Path, version: &str, content: &str) {
    fs::create_dir(mount.join(version)).unwrap();
    fs::write(mount.join(version).join(FILE), content).unwrap();
    let old = fs::read_link(mount.join("..data"));
    symlink(version, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    match old {
        Ok(old) => fs::remove_dir_all(mount.join(old)).unwrap(),
        Err(_) => symlink(format!("..data/{FILE}"), mount.join(FILE)).unwrap(),
    }
}

#[test]
fn l4_a_plain_write_is_in_force_after_the_settling_time() {
    let mut world = World::running(&policy(5));
    world.write(&policy(6));
    let (took, set) = world.next_set();
    assert_eq!(took, World::TICK + SETTLE, "seen at the next tick, then settled");
    assert_eq!(set.revision, world.reloader.state().revision);
    world.assert_runs(&policy(6));
    assert_eq!(world.reloader.state().since, world.now);
    assert_eq!(world.sets(100), 0, "told once");
}

#[test]
fn l4_a_renamed_file_is_in_force() {
    let mut world = World::running(&policy(5));
    // Same size, and the time of modification of the old file: only the inode tells.
    let (old, new) = (world.path(FILE), world.path("new"));
    fs::write(&new, policy(5).replace("min: 5", "min: 7")).unwrap();
    let modified = fs::metadata(&old).unwrap().modified().unwrap();
    fs::File::options().write(true).open(&new).unwrap().set_modified(modified).unwrap();
    fs::rename(new, old).unwrap();
    world.next_set();
    world.assert_runs(&policy(5).replace("min: 5", "min: 7"));
}

#[test]
fn l4_a_swapped_config_map_is_in_force() {
    let mut world = World::empty();
    swap_config_map(world.dir.path(), "..2026_11_21_1", &policy(5));
    assert!(world.reloader.force(world.now).unwrap().is_some());
    assert_eq!(world.sets(10), 0);
    for (version, min) in [("..2026_11_21_2", 6), ("..2026_11_21_3", 5), ("..2026_11_21_4", 50)] {
        swap_config_map(world.dir.path(), version, &policy(min));
        let (took, _) = world.next_set();
        assert!(took <= Duration::from_millis(200), "{took:?}");
        world.assert_runs(&policy(min));
    }
}

#[test]
fn l4_the_same_content_written_again_changes_nothing() {
    let mut world = World::running(&policy(5));
    let since = world.reloader.state().since;
    for _ in 0..5 {
        fs::write(world.path("new"), policy(5)).unwrap();
        fs::rename(world.path("new"), world.path(FILE)).unwrap();
        assert_eq!(world.sets(10), 0);
    }
    world.assert_runs(&policy(5));
    assert_eq!(world.reloader.state().since, since);
}

#[test]
fn l4_a_bad_edit_keeps_last_good_and_is_told_once() {
    let mut world = World::running(&policy(5));
    world.write(BAD);
    assert_eq!(world.sets(3), 0);
    let told = world.reloader.state().clone();
    assert_eq!((told.status, told.since), (Status::LastGood, world.now));
    assert!(world.error().starts_with("policy.yaml:3:1: `policies`: the list is empty"), "{}", world.error());
    assert_eq!(world.sets(100), 0);
    fs::write(world.path("new"), BAD).unwrap();
    fs::rename(world.path("new"), world.path(FILE)).unwrap();
    assert_eq!(world.sets(100), 0);
    assert_eq!(*world.reloader.state(), told, "the state, which is what is told, did not change again");
    assert_eq!(world.reloader.state().revision, crate::config::revision(policy(5).as_bytes()));

    world.write(&policy(5));
    assert_eq!(world.sets(10), 0, "it runs already");
    world.assert_runs(&policy(5));
    world.write(BAD);
    assert_eq!(world.sets(10), 0);
    world.write(&policy(6));
    world.next_set();
    world.assert_runs(&policy(6));
}

#[test]
fn l4_a_deleted_or_emptied_file_keeps_last_good() {
    for (break_it, error) in [
        ((|world| fs::remove_file(world.path(FILE)).unwrap()) as fn(&World), "not found"),
        (|world| fs::remove_dir_all(world.dir.path()).unwrap(), "not found"),
        (|world| world.write(""), "the file is empty"),
        (|world| world.write("# nothing\n"), "the file is empty"),
        (|world| world.write(&"#".repeat(300_000)), "larger than 256 KiB"),
        (
            |world| {
                fs::remove_file(world.path(FILE)).unwrap();
                fs::create_dir(world.path(FILE)).unwrap();
            },
            "not a regular file",
        ),
        (
            |world| {
                fs::remove_file(world.path(FILE)).unwrap();
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, world.path(FILE), fifo, mode, 0).unwrap();
            },
            "not a regular file",
        ),
        (
            |world| {
                fs::remove_file(world.path(FILE)).unwrap();
                symlink(FILE, world.path(FILE)).unwrap();
            },
            "too many links",
        ),
    ] {
        let mut world = World::running(&policy(5));
        let revision = world.reloader.state().revision.clone();
        break_it(&world);
        assert_eq!(world.sets(20), 0);
        assert_eq!(world.status(), Status::LastGood);
        assert!(world.error().contains(error), "{}", world.error());
        assert_eq!(world.reloader.state().revision, revision);
        // Put right again.
        let _ = fs::create_dir(world.dir.path());
        let _ = fs::remove_dir(world.path(FILE)).or_else(|_| fs::remove_file(world.path(FILE)));
        world.write(&policy(6));
        world.next_set();
        world.assert_runs(&policy(6));
    }
}

#[test]
fn l4_a_file_that_is_being_written_is_no_error() {
    let mut world = World::running(&policy(5));
    let before = world.reloader.state().clone();
    let new = policy(6);
    let (first, second) = new.split_at(60);
    let mut file = fs::File::create(world.path(FILE)).unwrap();
    assert_eq!(world.sets(2), 0, "empty for 50 ms");
    file.write_all(first.as_bytes()).unwrap();
    assert_eq!(world.sets(2), 0, "half for 50 ms more");
    file.write_all(second.as_bytes()).unwrap();
    assert_eq!(world.sets(2), 0);
    assert_eq!(*world.reloader.state(), before, "no error was told");
    world.next_set();
    world.assert_runs(&policy(6));
}

#[test]
fn l4_a_file_that_never_rests_is_read_once_a_second_and_then_settles() {
    let mut world = World::running(&policy(5));
    let mut sets = 0;
    for round in 0..200 {
        // Another file each time, so that each is whole.
        fs::write(world.path("new"), policy(6 + round % 11)).unwrap();
        fs::rename(world.path("new"), world.path(FILE)).unwrap();
        sets += usize::from(world.tick().is_some());
        assert_eq!(world.status(), Status::Active);
    }
    assert!((8..=10).contains(&sets), "{sets} sets in 10 s");
    world.write(&policy(99));
    world.next_set();
    world.assert_runs(&policy(99));
    assert_eq!(world.sets(100), 0);
}

#[test]
fn l4_a_directory_that_comes_late_is_picked_up() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("late");
    let mut reloader = Reloader::new(&dir);
    let mut now = Timestamp::from_millis(5_000);
    assert!(reloader.force(now).is_err());
    assert_eq!(reloader.state().status, Status::ObserveOnly);
    assert_eq!(reloader.state().revision, "");
    let error = reloader.state().error.clone().unwrap();
    assert!(
        error.starts_with("policy.yaml: cannot open the directory") && error.ends_with("not found"),
        "{error}"
    );
    for _ in 0..50 {
        now += SETTLE;
        assert!(reloader.poll(now).is_none());
    }
    assert_eq!(reloader.state().since, Timestamp::from_millis(5_000));
    fs::create_dir(&dir).unwrap();
    now += SETTLE;
    assert!(reloader.poll(now).is_none());
    fs::write(dir.join(FILE), policy(5)).unwrap();
    let sets: Vec<_> = (0..5)
        .filter_map(|_| {
            now += SETTLE;
            reloader.poll(now)
        })
        .collect();
    assert_eq!(sets.len(), 1);
    assert_eq!((reloader.state().status, &reloader.state().error), (Status::Active, &None));
}

#[test]
fn l4_what_was_kept_runs_until_the_file_is_good() {
    for (mended, sets) in [(policy(5), 0), (policy(6), 1)] {
        let mut world = World::empty();
        world.write(BAD);
        assert!(world.reloader.force(world.now).is_err());
        assert_eq!((world.status(), world.reloader.content()), (Status::ObserveOnly, None));
        let error = world.error().to_owned();
        let kept = crate::config::parse(policy(5).as_bytes()).unwrap();
        let set = world.reloader.restore(world.now, kept);
        let state = world.reloader.state().clone();
        assert_eq!((state.status, state.restored, &state.revision), (Status::LastGood, true, &set.revision));
        assert_eq!(state.error, Some(error), "the file is as bad as before");
        assert_eq!(world.reloader.content().map(|content| &**content), Some(policy(5).as_bytes()));
        assert_eq!(world.sets(20), 0);
        assert_eq!(*world.reloader.state(), state, "nothing to tell");
        world.write("");
        assert_eq!(world.sets(20), 0);
        assert!(world.error().contains("the file is empty") && world.reloader.state().restored);

        world.write(&mended);
        assert_eq!(world.sets(20), sets, "what runs already is nothing new");
        world.assert_runs(&mended);
        assert_eq!(world.reloader.content().map(|content| &**content), Some(mended.as_bytes()));
        world.write(BAD);
        assert_eq!(world.sets(20), 0);
        assert_eq!((world.status(), world.reloader.state().restored), (Status::LastGood, false));
    }
}

#[test]
fn without_force_the_first_file_is_read_after_the_settling_time() {
    let mut world = World::empty();
    world.write(&policy(5));
    assert_eq!(world.reloader.wake_at(), None);
    assert!(world.tick().is_none());
    assert_eq!(world.reloader.wake_at(), Some(world.now + SETTLE), "a slow loop can come just in time");
    world.now = world.reloader.wake_at().unwrap();
    assert!(world.reloader.poll(world.now).is_some());
    assert_eq!(world.reloader.wake_at(), None);
}

#[test]
fn l4_force_reads_at_once() {
    let mut world = World::running(&policy(5));
    world.write(&policy(6));
    assert!(world.reloader.force(world.now).unwrap().is_some(), "no settling");
    world.assert_runs(&policy(6));
    assert_eq!(world.reloader.force(world.now), Ok(None), "it runs already");
    assert_eq!(world.sets(20), 0);
    world.write(BAD);
    for _ in 0..2 {
        let errors = world.reloader.force(world.now).expect_err("told as often as it is asked");
        assert_eq!(errors.to_string(), world.error());
    }
    assert_eq!(world.sets(20), 0);
    assert_eq!(world.status(), Status::LastGood);
}

#[test]
fn l4_a_write_that_hides_its_size_and_time_is_in_force() {
    let mut world = World::running(&policy(5));
    let changed =
        |world: &World| rustix::fs::stat(world.path(FILE)).map(|stat| (stat.st_ctime, stat.st_ctime_nsec));
    let (before, modified) = (changed(&world), fs::metadata(world.path(FILE)).unwrap().modified().unwrap());
    // Again until the file system's clock, which is coarse, has moved on.
    while changed(&world) == before {
        world.write(&policy(5).replace("min: 5", "min: 7"));
        fs::File::options().write(true).open(world.path(FILE)).unwrap().set_modified(modified).unwrap();
    }
    world.next_set();
    world.assert_runs(&policy(5).replace("min: 5", "min: 7"));
}

#[test]
fn a_write_that_hides_in_the_grain_of_the_clock_after_a_forced_read_is_found() {
    let mut world = World::empty();
    // The same size at almost the same time: the stamps may be equal, so one more look is due.
    world.write(&policy(5));
    world.reloader.force(world.now).unwrap();
    assert_eq!(world.reloader.wake_at(), Some(world.now + SETTLE));
    world.write(&policy(5).replace("min: 5", "min: 7"));
    world.next_set();
    world.assert_runs(&policy(5).replace("min: 5", "min: 7"));
}

#[test]
fn files_of_a_later_version_are_ignored_with_a_warning() {
    let world = World::running(&policy(5));
    fs::write(world.path("candidate.yaml"), "{").unwrap();
    symlink("nowhere", world.path("rollout.yaml")).unwrap();
    let warnings: Vec<_> =
        crate::config::load(world.dir.path()).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["rollout.yaml: is ignored by this version", "candidate.yaml: is ignored by this version"]
    );
}
