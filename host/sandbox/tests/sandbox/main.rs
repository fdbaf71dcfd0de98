//! The sandbox through its public API, with well-behaved and hostile modules written in WebAssembly text.
//!
//! Each hostile module is followed by a good one in the same sandbox: whatever happened must not have harmed it.

// For clippy: helpers outside `#[test]` functions are tests too.
#![cfg(test)]

mod abi;
mod again;
mod compiler;
mod debug;
mod describe;
mod fixture;
mod good;
mod limits;
mod module;
mod reduce;
mod wasi;
