//! The Setpoint wire contract, its checked-in bindings and the conversion to domain types.

/// Bindings made from `setpoint/v1/setpoint.proto`; only the conversion and the two transport modules name them.
#[allow(missing_docs, clippy::all, clippy::pedantic, rust_2018_idioms)]
pub mod v1 {
    include!("generated/setpoint.v1.rs");
}

pub mod bounds;
pub mod convert;
pub mod message;

/// What the two transport modules need of the gRPC service: the stub of a client, and what a server implements.
pub mod rpc {
    pub use crate::v1::tuning_client::TuningClient;
    pub use crate::v1::tuning_server::{Tuning, TuningServer};
    pub use crate::v1::{ClientMessage, ServerMessage};

    /// Bytes that a message takes on the wire.
    pub fn size(message: &impl prost::Message) -> usize {
        message.encoded_len()
    }
}
