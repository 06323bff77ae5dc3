//! The session with the sidecar.

use std::sync::Arc;

use crate::actuator::Inner;
use crate::builder::Options;

/// Starts the session.
pub(crate) fn spawn(_inner: Arc<Inner>, _options: Options) {}
