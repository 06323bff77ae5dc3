//! Who is told when a place becomes free.
//!
//! A caller that would rather wait than be rejected must not be forgotten: if it looks and finds every place taken, and the
//! last call leaves before it has said that it waits, nobody would ever wake it. So it first says that it waits and then
//! looks again, and a call that leaves first gives its place back and then looks whether anyone waits. Both go through the
//! word of the calls in flight with a read-modify-write, so whoever comes second sees what the first one did; the limit
//! line, where the flag lies, stays unwritten while nobody waits, and a release pays one load.
//!
//! How a queue uses it:
//! 1. once: [`Waiters::on_free`] with what takes the first waiter out of the queue and wakes it;
//! 2. to wait: put yourself into the queue, `core.begin_wait()`, try to acquire again, and only then sleep;
//! 3. whatever becomes of it (admitted, timed out, cancelled): `core.end_wait()`, once for each `begin_wait`.
//!
//! What was set with `on_free` runs on the thread of the call that left (or on the session's, after a push), once for each
//! such event while anybody waits. It should wake, not work. A waiter that is woken competes like everyone else.

use std::fmt;
use std::sync::OnceLock;

type OnFree = Box<dyn Fn() + Send + Sync>;

/// What to do when a place becomes free while somebody waits.
#[derive(Default)]
pub(crate) struct Waiters(OnceLock<OnFree>);

impl Waiters {
    /// Sets what is done, once for the life of the limiter. False: it was set before, and stays.
    #[allow(dead_code, reason = "for the queue")]
    pub fn on_free(&self, wake: impl Fn() + Send + Sync + 'static) -> bool {
        self.0.set(Box::new(wake)).is_ok()
    }

    #[cold]
    pub fn wake(&self) {
        if let Some(wake) = self.0.get() {
            wake();
        }
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").field("set", &self.0.get().is_some()).finish()
    }
}
