//! A memory barrier of which one side costs nothing.
//!
//! Two threads that each write one word and then look at the other's may both miss what the other wrote, unless each has a
//! full barrier in between, and that is as dear as what it would save. Where one side is walked a million times a second and
//! the other one a few times, Linux can put the barrier of the first side where the second one needs it: `membarrier`
//! interrupts those processors that are running the process now, and nobody else can be half way. What is left of the first
//! side is that the compiler keeps the order.

use std::sync::OnceLock;

/// For the frequent side, between its write and its look: pairs with [`heavy`]. Only where [`available`].
#[inline]
pub(crate) fn light() {
    #[cfg(not(setpoint_loom))]
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    // The two fences that the kernel's promise amounts to.
    #[cfg(setpoint_loom)]
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
}

/// For the rare side, between its write and its look. A few microseconds. False: nothing can be said about the order. Only a
/// filter of system calls that was put up after the first use can be the reason.
#[must_use]
pub(crate) fn heavy() -> bool {
    #[cfg(not(setpoint_loom))]
    return kernel::barrier();
    #[cfg(setpoint_loom)]
    {
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
        true
    }
}

/// Whether this kernel does that. Asked once in a process.
pub(crate) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| cfg!(setpoint_loom) || kernel::register())
}

#[cfg(target_os = "linux")]
mod kernel {
    use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

    /// Says that this process will use it: without that it is refused.
    pub fn register() -> bool {
        let supported = membarrier_query();
        supported.contains_command(MembarrierCommand::PrivateExpedited)
            && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
            && barrier()
    }

    pub fn barrier() -> bool {
        membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    pub const fn register() -> bool {
        false
    }

    pub const fn barrier() -> bool {
        false
    }
}

#[cfg(all(test, not(setpoint_loom), target_os = "linux"))]
mod tests {
    #[test]
    fn this_kernel_has_it_or_the_test_says_so() {
        if super::available() {
            assert!(super::heavy());
        } else {
            eprintln!("no membarrier here: limiters with spare places are NOT TESTED, all of them are exact");
        }
    }
}
