//! The search itself: membership against mounts, per hierarchy.

use super::membership::Membership;
use super::mounts::{self, Mount};
use super::{DiscoverError, Group, Held, Layout, Roots, Version};
use crate::kept::ReadError;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A node with thousands of mounts has a mountinfo of about a megabyte.
const LONGEST: u64 = 4 << 20;

/// A hierarchy to be found.
#[derive(Clone, Copy)]
enum Hierarchy {
    V1(&'static str),
    V2,
}

impl Hierarchy {
    fn serves(self, mount: &Mount) -> bool {
        match self {
            Self::V1(controller) => mount.has_v1(controller),
            Self::V2 => mount.is_v2(),
        }
    }

    fn path(self, membership: &Membership) -> Option<&Path> {
        match self {
            Self::V1(controller) => membership.v1(controller),
            Self::V2 => membership.v2(),
        }
    }

    fn version(self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2 => Version::V2,
        }
    }

    /// Whether this is the root of the whole hierarchy, so that its files are about the node. Each version has one file that
    /// exists only there (`release_agent`) or everywhere else (`cgroup.events`).
    fn is_root(self, directory: &Path) -> bool {
        match self {
            Self::V1(_) => directory.join("release_agent").exists(),
            Self::V2 => !directory.join("cgroup.events").exists(),
        }
    }
}

/// What is needed to look for the groups of one process.
struct Search<'a> {
    roots: &'a Roots,
    held: &'a Held,
    theirs: Membership,
    mounts: Vec<Mount>,
}

pub(super) fn from_process(roots: &Roots, held: &Held) -> Result<Layout, DiscoverError> {
    let theirs = read(&held.path("cgroup")).map_err(DiscoverError::Process)?;
    let search = Search { roots, held, theirs: Membership::parse(&theirs), mounts: own_mounts(roots)? };
    Ok(layout(|hierarchy| search.find(hierarchy)))
}

pub(super) fn from_directory(roots: &Roots, directory: &Path) -> Result<Layout, DiscoverError> {
    let unknown = || DiscoverError::NotACgroup(directory.to_owned());
    let directory = directory.canonicalize().map_err(|_| unknown())?;
    let mounts = own_mounts(roots)?;
    let holds = |mount: &&Mount| directory.starts_with(&mount.point);
    let mount =
        mounts.iter().filter(holds).max_by_key(|mount| mount.point.as_os_str().len()).ok_or_else(unknown)?;
    let below = directory.strip_prefix(&mount.point).map_err(|_| unknown())?;
    let sibling = |mount: &Mount| Some(mount.point.join(below)).filter(|directory| directory.is_dir());
    Ok(layout(|hierarchy| {
        let serving = mounts.iter().filter(|mount| hierarchy.serves(mount));
        serving.filter_map(|mount| group(hierarchy, sibling(mount)?, &mount.point)).next()
    }))
}

/// Each controller is in v1 when a v1 hierarchy has it, else in v2. Pressure exists in v2 only.
fn layout(find: impl Fn(Hierarchy) -> Option<Group>) -> Layout {
    let unified = find(Hierarchy::V2);
    let pressure =
        unified.as_ref().map(Group::directory).filter(|directory| !Hierarchy::V2.is_root(directory));
    Layout {
        memory: find(Hierarchy::V1("memory")).or_else(|| unified.clone()),
        cpu: find(Hierarchy::V1("cpu")).or_else(|| unified.clone()),
        cpuacct: find(Hierarchy::V1("cpuacct")),
        pressure: pressure.map(Path::to_owned),
    }
}

impl Search<'_> {
    fn find(&self, hierarchy: Hierarchy) -> Option<Group> {
        let path = hierarchy.path(&self.theirs)?;
        shown(&self.mounts, hierarchy, path)
            .or_else(|| self.through_their_root(hierarchy, path))
            .or_else(|| self.at_our_mount_point(hierarchy, path))
    }

    fn through_their_root(&self, hierarchy: Hierarchy, path: &Path) -> Option<Group> {
        let mut mounts = mounts::parse(&read(&self.held.path("mountinfo")).ok()?);
        let root = self.held.path("root");
        for mount in &mut mounts {
            mount.point = root.join(mount.point.strip_prefix("/").ok()?);
        }
        // The target decides what is mounted there; the device number proves that it is the kernel's file system.
        mounts.retain(|mount| device(&mount.point) == Some(mount.device));
        shown(&mounts, hierarchy, path)
    }

    fn at_our_mount_point(&self, hierarchy: Hierarchy, path: &Path) -> Option<Group> {
        let ours = Membership::parse(&read(&self.roots.proc.join("self/cgroup")).ok()?);
        if hierarchy.path(&ours) != Some(path) {
            return None;
        }
        let mount = self.mounts.iter().find(|mount| hierarchy.serves(mount))?;
        let usable = mount.point.is_dir() && !hierarchy.is_root(&mount.point);
        usable.then(|| group(hierarchy, mount.point.clone(), &mount.point))?
    }
}

/// The group at `path` in the mount that shows the smallest part of the hierarchy.
fn shown(mounts: &[Mount], hierarchy: Hierarchy, path: &Path) -> Option<Group> {
    let serving = mounts.iter().filter(|mount| hierarchy.serves(mount));
    let found =
        serving.filter_map(|mount| Some((mount, mount.directory(path).filter(|path| path.is_dir())?)));
    let (mount, directory) = found.max_by_key(|(mount, _)| mount.root.components().count())?;
    group(hierarchy, directory, &mount.point)
}

fn group(hierarchy: Hierarchy, directory: PathBuf, top: &Path) -> Option<Group> {
    let levels: Vec<_> =
        directory.ancestors().take_while(|level| level.starts_with(top)).map(Path::to_owned).collect();
    (!levels.is_empty()).then(|| Group { version: hierarchy.version(), levels })
}

fn own_mounts(roots: &Roots) -> Result<Vec<Mount>, DiscoverError> {
    let text = read(&roots.proc.join("self/mountinfo")).map_err(DiscoverError::Mounts)?;
    let mut found = mounts::parse(&text);
    mounts::move_to(&mut found, &roots.sys);
    Ok(found)
}

/// `st_dev` as major and minor number, in Linux's encoding.
fn device(path: &Path) -> Option<(u32, u32)> {
    let number = std::fs::metadata(path).ok()?.dev();
    let major = ((number >> 8) & 0xfff) | ((number >> 32) & !0xfff);
    let minor = (number & 0xff) | ((number >> 12) & !0xff);
    Some((u32::try_from(major).ok()?, u32::try_from(minor & 0xffff_ffff).ok()?))
}

fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST { Err(ReadError::TooLarge) } else { Ok(text) }
}
