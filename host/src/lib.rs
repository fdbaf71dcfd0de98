//! tilefn.

pub mod job;
