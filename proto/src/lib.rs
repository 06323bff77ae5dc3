//! The Setpoint wire contract, its checked-in bindings and the conversion to domain types.

/// Bindings made from `setpoint/v1/setpoint.proto`; only the conversion and the two transport modules name them.
#[allow(missing_docs, clippy::all, clippy::pedantic, rust_2018_idioms)]
pub mod v1 {
    include!("generated/setpoint.v1.rs");
}

pub mod message;
