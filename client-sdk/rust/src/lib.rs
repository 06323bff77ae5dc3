//! The Setpoint SDK for Rust services: enforces and counts per request, hot-swaps pushed limits.
