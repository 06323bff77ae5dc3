//! What an error means by default, where a call ended without a status.
//!
//! An error is of whatever type the wrapped service has, so it is looked at through `Any`: a few types are known, and they
//! and a boxed error are searched with their sources. Everything else is a failure, which is the safe guess: it trips a
//! breaker, and no limit is lowered by it.

use std::any::Any;
use std::error::Error;
use std::io;

use tokio::time::error::Elapsed;
use tower::timeout::error::Elapsed as TowerElapsed;

use crate::outcome::Outcome;
use crate::rejected::Rejected;

/// The most sources of an error that are looked at.
const DEPTH: usize = 16;

/// Time-outs and a refusal by another limit are dropped, a gRPC status is what it says, all else is a failure.
pub(crate) fn of_error(error: &dyn Any) -> Outcome {
    let first = error
        .downcast_ref::<Box<dyn Error + Send + Sync>>()
        .map(|boxed| &**boxed as &(dyn Error + 'static))
        .or_else(|| cast::<tonic::transport::Error>(error))
        .or_else(|| cast::<tonic::Status>(error))
        .or_else(|| cast::<io::Error>(error))
        .or_else(|| cast::<Elapsed>(error))
        .or_else(|| cast::<TowerElapsed>(error))
        .or_else(|| cast::<Rejected>(error));
    std::iter::successors(first, |error: &&'_ (dyn Error + 'static)| (*error).source())
        .take(DEPTH)
        .find_map(known)
        .unwrap_or(Outcome::Failure)
}

fn cast<E: Error + 'static>(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    error.downcast_ref::<E>().map(|error| error as _)
}

fn known(error: &(dyn Error + 'static)) -> Option<Outcome> {
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return Some(Outcome::from_grpc_status(status.code() as u16));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // What it wraps is not among its sources.
        let wrapped = error.get_ref().and_then(|wrapped| known(wrapped));
        return wrapped.or((error.kind() == io::ErrorKind::TimedOut).then_some(Outcome::Dropped));
    }
    let timed_out =
        error.is::<Elapsed>() || error.is::<TowerElapsed>() || error.is::<tonic::TimeoutExpired>();
    (timed_out || error.is::<Rejected>()).then_some(Outcome::Dropped)
}
