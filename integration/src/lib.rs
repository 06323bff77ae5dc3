//! Demo, load generator, end-to-end tests and benches of Setpoint.
