//! The wire, compiled for fuzzing.
#[path = "../host/src/wire/mod.rs"]
pub mod wire;
