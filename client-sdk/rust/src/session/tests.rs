//! Whole sessions against a scripted sidecar, over real gRPC on in-memory pipes, under paused time.

mod conformance;
mod fake;
mod hostile;
mod life;
mod partition;
mod socket;
mod talk;
mod watch;
