//! The Python runtime: CPython, numpy and scipy as one module, compiled by `tilefn python install` and loaded from this machine's disk.
//!
//! Unlike a job's module it is code that we have chosen, so it is never compiled for a job. What it runs is the user's, and
//! gets no more than a module: `host.rs` is all that it can call.

mod engine;
mod files;
pub(super) mod host;
mod install;
mod preload;
mod runtime;
mod sources;

pub use install::{CheckError, Installing, Manifest, WHEEL_SHA256};
pub use preload::{GlobalValue, Preload};
pub use runtime::{Runtime, RuntimeError};

pub(super) use engine::STACK;
pub(super) use runtime::Loaded;
