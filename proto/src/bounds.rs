//! How much of anything a message may carry. Both ends read these, so that neither sends what the other refuses.
//!
//! The limits are far above what a real service needs (a big one has 30 knobs) and far below what would hurt the
//! receiver: a full message of every kind stays under [`MESSAGE_BYTES`] in practice, and decoding one costs microseconds.

use std::time::Duration;

/// Bytes of one message on the wire; a longer one ends the stream.
pub const MESSAGE_BYTES: usize = 256 * 1024;
/// Knobs of one process, and so setpoints of one frame and results of one ack.
pub const KNOBS: usize = 256;
/// Labels of one process.
pub const LABELS: usize = 16;
/// Capabilities of one end.
pub const CAPABILITIES: usize = 64;
/// Limiters of one report.
pub const RESOURCES: usize = 256;
/// Watched latencies of one process.
pub const WATCHED: usize = 1024;
/// The service's own numbers in one report.
pub const CUSTOM: usize = 64;
/// Numbers behind one reason.
pub const EVIDENCE: usize = 64;
/// Versions that one beat renews.
pub const RENEWALS: usize = 16;
/// Threads of one setpoint.
pub const THREADS: u32 = 65_536;
/// Bytes of a name, label, unit or revision.
pub const STRING_BYTES: usize = 256;
/// Bytes of a text for people.
pub const TEXT_BYTES: usize = 1024;
/// The longest duration.
pub const DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest period of beats and reports.
pub const PERIOD_MIN: Duration = Duration::from_millis(10);
