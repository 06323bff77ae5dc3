//! The `disable` file beside the socket: an operator's way to switch Setpoint off in a running process, and on again.

use std::path::PathBuf;
use std::time::Duration;

use setpoint_policies::time::Timestamp;

const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Looks for the file once a second.
#[derive(Debug)]
pub(super) struct KillSwitch {
    file: PathBuf,
    next_check: Timestamp,
    disabled: bool,
}

impl KillSwitch {
    /// `disabled` is the state at the start.
    pub(super) const fn new(file: PathBuf, disabled: bool) -> Self {
        Self { file, next_check: Timestamp::ZERO, disabled }
    }

    /// The state when it was last looked at.
    pub(super) const fn disabled(&self) -> bool {
        self.disabled
    }

    /// The new state, if it has changed. A directory that cannot be looked into changes nothing.
    pub(super) fn turned(&mut self, now: Timestamp) -> Option<bool> {
        if now < self.next_check {
            return None;
        }
        self.next_check = now + CHECK_EVERY;
        let exists = self.file.try_exists().ok()?;
        (std::mem::replace(&mut self.disabled, exists) != exists).then_some(exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_switches_off_and_on_again_within_a_second() {
        let directory = std::env::temp_dir().join(format!("setpoint-kill-switch-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let file = directory.join("disable");
        let mut switch = KillSwitch::new(file.clone(), false);
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(switch.turned(at(0)), None, "no file");
        std::fs::write(&file, "").expect("writable");
        assert_eq!((switch.turned(at(500)), switch.turned(at(1000))), (None, Some(true)));
        assert_eq!(switch.turned(at(2000)), None, "still there");
        std::fs::remove_dir_all(&directory).expect("removable");
        assert_eq!(switch.turned(at(3000)), Some(false));
    }
}
