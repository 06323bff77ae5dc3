//! The Setpoint wire contract, its checked-in bindings and the conversion to domain types.
