//! The sandbox through its public API, with well-behaved and hostile modules written in WebAssembly text.

mod fixture;
mod good;
