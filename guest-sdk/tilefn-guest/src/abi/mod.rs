//! The guest's side of the ABI: reading what the host wrote, handing results back.
//!
//! Public only for the code that the macros generate.

mod call;
#[cfg(target_arch = "wasm32")]
mod entry;
#[cfg(all(target_arch = "wasm32", target_os = "unknown", feature = "allocator"))]
mod heap;
mod memory;
mod outcome;
pub(crate) mod report;

pub use alloc::vec::Vec;
pub use call::{Call, RawParam, RawRaster, RawValue};
#[cfg(target_arch = "wasm32")]
pub use entry::{describe, finish, merge, process};
pub use outcome::TileResult;
