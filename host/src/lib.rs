//! tilefn.

pub mod sandbox;
