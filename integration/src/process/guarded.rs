//! Children that die with us even when we are killed with SIGKILL.
//!
//! A destructor does not run on SIGKILL. Linux can send a child a signal when its parent ends, but the child has to ask for
//! it, and asking between fork and exec needs unsafe code. So the child is started through a step in between: our own
//! executable is run as `<self> guarded <parent> <program> <args>`, asks, and then replaces itself by the program. The pid stays
//! the same, so nothing else changes.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// First argument that an executable must pass on to [`exec`].
pub const SUBCOMMAND: &str = "guarded";

/// A command that runs `program` through `via`, an executable that hands its arguments after [`SUBCOMMAND`] to [`exec`].
///
/// The signal comes when the *thread* that spawns ends, so spawn from the main thread.
pub fn command(via: &Path, program: &Path) -> Command {
    let mut command = Command::new(via);
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    command
}

/// Replaces this process by `args` = parent, program, its arguments. Returns only on failure.
pub fn exec(args: &[OsString]) -> io::Error {
    let [parent, program, args @ ..] = args else {
        return io::Error::new(io::ErrorKind::InvalidInput, "needs a parent and a program");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have ended before we asked; then nobody will ever send the signal.
    let parent_now = getppid().map(Pid::as_raw_nonzero).map(|pid| pid.to_string());
    if parent_now.as_deref() != parent.to_str() {
        return io::Error::other("the parent has gone");
    }
    Command::new(program).args(args).exec()
}
