//! Panics in the wrapped service: whoever holds a call when one passes ends it, as a failure.
//!
//! It is ended here, and not when its future is dropped: a panic may be caught further out, and the future dropped long after,
//! when nothing panics any more and it would be taken for cancelled.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a part of the wrapped service. If it panics, what `held` holds is dropped while the thread unwinds; then the panic
/// goes on, or, where it is to be contained, `contained` is the error.
///
/// What panicked may be left half done inside: nobody may touch it again but to drop it.
pub(super) fn guarded<T, R, C>(
    held: &mut Option<T>,
    contained: Option<C>,
    part: impl FnOnce(&mut Option<T>) -> R,
) -> Result<R, C> {
    let run = move || {
        let drops = DropOnUnwind(held);
        let result = part(&mut *drops.0);
        std::mem::forget(drops);
        result
    };
    let Some(contained) = contained else { return Ok(run()) };
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        tracing::error!("a panic in the service was contained");
        contained
    })
}

struct DropOnUnwind<'a, T>(&'a mut Option<T>);

impl<T> Drop for DropOnUnwind<'_, T> {
    fn drop(&mut self) {
        *self.0 = None;
    }
}
