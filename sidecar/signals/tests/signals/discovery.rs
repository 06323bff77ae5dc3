//! Which directories are found for a process, and which must not be.

use super::tree::Tree;
use setpoint_signals::discover::{DiscoverError, Group, Version, discover};
use setpoint_signals::{Layout, ReadError, Target};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

fn found(tree: &Tree, target: &Target) -> Layout {
    discover(&tree.roots(), target).expect("found")
}

fn group(tree: &Tree, version: Version, levels: &[&str]) -> Option<Group> {
    Some(Group { version, levels: levels.iter().map(|level| tree.path(level)).collect() })
}

#[test]
fn v2_on_a_host_lists_all_ancestors() {
    let tree = Tree::v2();
    let layout = found(&tree, &Target::current());
    let all = group(&tree, Version::V2, &["sys/fs/cgroup/pods/app", "sys/fs/cgroup/pods", "sys/fs/cgroup"]);
    assert_eq!(layout.memory, all);
    assert_eq!(layout.cpu, all);
    assert_eq!(layout.cpuacct, None);
    assert_eq!(layout.pressure, Some(tree.path("sys/fs/cgroup/pods/app")));
}

#[test]
fn v2_in_a_container_with_its_own_namespace_is_the_mount_point() {
    let tree = Tree::new();
    tree.process("self", "0::/\n");
    tree.mounts("self", "/", "");
    tree.v2_group("sys/fs/cgroup/");
    let layout = found(&tree, &Target::current());
    assert_eq!(layout.memory, group(&tree, Version::V2, &["sys/fs/cgroup"]));
    assert_eq!(
        layout.pressure,
        Some(tree.path("sys/fs/cgroup")),
        "not the root of the hierarchy, though it looks like it"
    );
}

#[test]
fn pressure_of_the_root_group_is_the_nodes_and_not_the_targets() {
    let tree = Tree::v2();
    tree.process("self", "0::/\n");
    let layout = found(&tree, &Target::current());
    assert_eq!(layout.memory, group(&tree, Version::V2, &["sys/fs/cgroup"]));
    assert_eq!(layout.pressure, None);
}

#[test]
fn v1_in_a_container_without_its_own_namespace() {
    let tree = Tree::v1();
    let layout = found(&tree, &Target::current());
    let cpu = group(&tree, Version::V1, &["sys/fs/cgroup/cpu,cpuacct"]);
    assert_eq!(layout.memory, group(&tree, Version::V1, &["sys/fs/cgroup/memory"]));
    assert_eq!((&layout.cpu, &layout.cpuacct), (&cpu, &cpu), "one mount for both controllers");
    assert_eq!(layout.pressure, None, "pure v1 has none");
}

#[test]
fn hybrid_takes_each_controller_from_where_it_is() {
    let tree = Tree::hybrid();
    let layout = found(&tree, &Target::current());
    assert_eq!(
        layout.memory,
        group(&tree, Version::V1, &["sys/fs/cgroup/memory/app", "sys/fs/cgroup/memory"])
    );
    assert_eq!(layout.cpu, group(&tree, Version::V1, &["sys/fs/cgroup/cpu/app", "sys/fs/cgroup/cpu"]));
    assert_eq!(
        layout.cpuacct,
        group(&tree, Version::V1, &["sys/fs/cgroup/cpuacct/app", "sys/fs/cgroup/cpuacct"])
    );
    assert_eq!(layout.pressure, Some(tree.path("sys/fs/cgroup/unified/app")));
}

#[test]
fn a_path_outside_what_is_mounted_falls_back_to_the_mount_point() {
    let tree = Tree::new();
    tree.v2_group("sys/fs/cgroup/");
    tree.mounts("self", "/docker/c", "");
    for path in ["/kubepods/x", "/", "/../..", "/docker/c/missing"] {
        tree.process("self", &format!("0::{path}\n"));
        let layout = found(&tree, &Target::current());
        assert_eq!(layout.memory, group(&tree, Version::V2, &["sys/fs/cgroup"]), "{path}");
    }
}

#[test]
fn but_never_to_the_root_of_the_hierarchy_which_is_the_whole_node() {
    let tree = Tree::v2();
    for path in ["/gone", "/../..", "/pods/app (deleted)"] {
        tree.process("self", &format!("0::{path}\n"));
        assert_eq!(found(&tree, &Target::current()), Layout::default(), "{path}");
    }
    let tree = Tree::hybrid();
    tree.process("self", "4:memory:/gone\n1:cpu:/gone\n0::/gone\n");
    assert_eq!(found(&tree, &Target::current()), Layout::default());
}

#[test]
fn a_neighbour_is_found_through_our_mounts() {
    let tree = Tree::v2();
    tree.process("42", "0::/pods\n");
    let layout = found(&tree, &Target::pid(42));
    assert_eq!(layout.memory, group(&tree, Version::V2, &["sys/fs/cgroup/pods", "sys/fs/cgroup"]));
}

/// A sidecar in its own namespace sees the neighbour's group as `/../app` and can get at it only through the neighbour's mounts.
fn neighbour_in_another_namespace(device: &str) -> Tree {
    let tree = Tree::new();
    tree.process("self", "0::/\n");
    tree.mounts("self", "/", "");
    tree.v2_group("sys/fs/cgroup/");
    tree.process("42", "0::/../app\n");
    tree.v2_group("app-root/sys/fs/cgroup/");
    symlink(tree.path("app-root"), tree.path("proc/42/root")).expect("linked");
    tree.mounts("42", "/../app", "");
    let text = std::fs::read_to_string(tree.path("proc/42/mountinfo")).expect("read");
    tree.write("proc/42/mountinfo", &text.replace("0:38", device));
    tree
}

#[test]
fn a_neighbour_in_another_namespace_is_found_through_its_own_root() {
    let device = std::fs::metadata(std::env::temp_dir()).expect("exists").dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xff_ff00));
    let tree = neighbour_in_another_namespace(&format!("{major}:{minor}"));
    let layout = found(&tree, &Target::pid(42));
    let directory = layout.memory.expect("found").directory().to_owned();
    assert!(
        directory.starts_with("/proc/self/fd") && directory.ends_with("root/sys/fs/cgroup"),
        "{directory:?}"
    );
}

#[test]
fn what_a_neighbour_has_put_over_its_cgroup_mount_is_not_believed() {
    let tree = neighbour_in_another_namespace("0:99999");
    assert_eq!(found(&tree, &Target::pid(42)), Layout::default(), "and not replaced by our own group either");
}

#[test]
fn the_smallest_mount_that_shows_the_group_is_used() {
    let tree = Tree::v2();
    let line = |root: &str, at: &str| format!("41 31 0:38 {root} {at} rw - cgroup2 cgroup2 rw\n");
    tree.v2_group("mnt/own/");
    let own = tree.path("mnt/own");
    let mounts = line("/pods/app", &own.display().to_string()) + &line("/", "/sys/fs/cgroup");
    tree.write("proc/self/mountinfo", &mounts);
    assert_eq!(found(&tree, &Target::current()).memory, group(&tree, Version::V2, &["mnt/own"]));
}

#[test]
fn a_given_directory_brings_its_siblings() {
    let tree = Tree::hybrid();
    let expected = found(&tree, &Target::current());
    for directory in ["sys/fs/cgroup/memory/app", "sys/fs/cgroup/cpu/app", "sys/fs/cgroup/unified/app"] {
        assert_eq!(found(&tree, &Target::cgroup(tree.path(directory))), expected, "{directory}");
        assert_eq!(
            found(&tree, &Target::pid(42).with_cgroup(tree.path(directory))),
            expected,
            "whatever the process"
        );
    }
    tree.remove("sys/fs/cgroup/cpu/app");
    tree.remove("sys/fs/cgroup/unified/app");
    let layout = found(&tree, &Target::cgroup(tree.path("sys/fs/cgroup/memory/app")));
    assert_eq!(
        layout,
        Layout { cpu: None, pressure: None, ..expected },
        "no sibling is not the parent's sibling"
    );
    let v2 = Tree::v2();
    assert_eq!(
        found(&v2, &Target::cgroup(v2.path("sys/fs/cgroup/pods/app"))),
        found(&v2, &Target::current())
    );
}

#[test]
fn what_cannot_be_found_says_why() {
    let tree = Tree::v2();
    let error = |target: Target| discover(&tree.roots(), &target).expect_err("nothing there");
    assert_eq!(error(Target::pid(42)), DiscoverError::Process(ReadError::NotFound));
    for directory in ["sys/fs", "sys/fs/cgroup/missing"] {
        let directory: PathBuf = tree.path(directory);
        assert_eq!(error(Target::cgroup(&directory)), DiscoverError::NotACgroup(directory));
    }
    tree.remove("proc/self/mountinfo");
    assert_eq!(error(Target::current()), DiscoverError::Mounts(ReadError::NotFound));
    tree.remove("proc/self/cgroup");
    assert_eq!(error(Target::current()), DiscoverError::Process(ReadError::NotFound));
}

#[test]
fn files_full_of_nonsense_are_an_empty_layout() {
    let tree = Tree::v2();
    tree.write("proc/self/mountinfo", "\u{0}\u{1}\n:::::\n- - - -\n");
    assert_eq!(found(&tree, &Target::current()), Layout::default());
    tree.write("proc/self/cgroup", "");
    assert_eq!(found(&tree, &Target::current()), Layout::default());
}
