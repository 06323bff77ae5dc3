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

const SUBCOMMAND: &str = "guarded";

/// To be called first by every executable that [`command`] goes through: becomes the program that was asked for, or returns
/// because none was.
///
/// # Errors
/// That program cannot be started.
pub fn become_what_was_asked() -> io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != SUBCOMMAND) {
        return Ok(());
    }
    Err(exec(&arguments.collect::<Vec<_>>()))
}

/// A command that runs `program` through `via`, an executable that begins with [`become_what_was_asked`].
///
/// The signal comes when the *thread* that spawns ends, so spawn from the main thread.
pub fn command(via: &Path, program: &Path) -> Command {
    let mut command = Command::new(via);
    command.arg(SUBCOMMAND).arg(std::process::id().to_string()).arg(program);
    command
}

/// Replaces this process by `args` = parent, program, its arguments. Returns only on failure.
pub(super) fn exec(args: &[OsString]) -> io::Error {
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
