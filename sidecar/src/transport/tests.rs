//! Sessions over the real gRPC, in one process and under paused time.

mod calls;
mod hostile;
mod operators;
mod push;
mod session;
