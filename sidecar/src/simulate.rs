//! `setpoint simulate`: scenarios through our engine and the laws of others, without a service and without waiting.

pub mod scenario_file;
