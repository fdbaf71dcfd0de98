//! tilefn.

#[cfg(feature = "remote")]
pub mod wire;
