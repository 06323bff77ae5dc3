//! The pure decision core of Setpoint: policies, guards, arbiter and engine.
