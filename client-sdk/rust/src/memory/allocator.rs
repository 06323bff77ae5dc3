//! What the SDK has to know of an allocator, and what it asks of it.

use std::time::Duration;

/// What an allocator holds. Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapUse {
    /// In RAM, for whatever it is: live objects, freed ones that are kept for the next, the allocator's own books.
    pub resident_bytes: u64,
    /// In objects that the service has not freed.
    pub live_bytes: u64,
    /// Neither of objects nor freed: books, and what is lost between objects.
    pub overhead_bytes: u64,
}

impl HeapUse {
    /// Freed, and still in RAM.
    pub const fn kept_bytes(&self) -> u64 {
        self.resident_bytes.saturating_sub(self.live_bytes).saturating_sub(self.overhead_bytes)
    }
}

/// An allocator that gives freed memory back to the system when it is told to. The `jemalloc` feature brings one; any other
/// is a few lines (docs/policies/rust-memory.md has glibc's).
///
/// Everything is called on one thread of the SDK's, so it may take its time, and a hang of it holds up nothing else.
pub trait Allocator: Send + 'static {
    /// What it holds now; `None` where that is not known. Asked twice a second, and when something new was pushed.
    fn heap(&mut self) -> Option<HeapUse>;

    /// Freed memory is kept for so long from now on; `None`: as long as when the process started. An allocator that has no such
    /// setting does nothing.
    fn keep_freed(&mut self, keep: Option<Duration>);

    /// Gives back what is freed, now. Asked at most every 30 s.
    fn give_back(&mut self);
}
