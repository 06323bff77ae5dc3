//! Panics in the wrapped service: whoever holds a call when one passes ends it, as a failure.
//!
//! It is ended here, and not when its future is dropped: a panic may be caught further out, and the future dropped long after,
//! when nothing panics any more and it would be taken for cancelled.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what is held if the thread unwinds before [`Watch::passed`]. A guard and not a closure, because requests and answers
/// are large and a closure would copy them.
pub(super) struct Watch<'a, T>(&'a mut Option<T>);

impl<'a, T> Watch<'a, T> {
    #[inline]
    pub const fn over(held: &'a mut Option<T>) -> Self {
        Self(held)
    }

    /// What is held.
    #[inline]
    pub const fn held(&mut self) -> &mut Option<T> {
        self.0
    }

    /// Nothing panicked.
    #[inline]
    pub fn passed(self) {
        std::mem::forget(self);
    }
}

impl<T> Drop for Watch<'_, T> {
    fn drop(&mut self) {
        *self.0 = None;
    }
}

/// Runs a part of the wrapped service and catches its panic: `None`. What is held is dropped then, while the thread unwinds.
/// What panicked may be left half done inside: nobody may touch it again but to drop it.
pub(super) fn contained<T, R>(held: &mut Option<T>, part: impl FnOnce(&mut Option<T>) -> R) -> Option<R> {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut watch = Watch::over(held);
        let result = part(watch.held());
        watch.passed();
        result
    }));
    if caught.is_err() {
        tracing::error!("a panic in the service was contained");
    }
    caught.ok()
}
