//! A worker's part: running a job's function on tiles, whoever hands them out and wherever their pixels come from.

mod advice;
mod call;
mod compute;
mod files;
pub mod marks;
pub mod memory;
mod nodata;
pub mod open_files;
pub mod remote;
mod result;
mod runner;
mod task;

pub use advice::advice;
pub use files::FilePixels;
pub use runner::{
    Done, Error, Failed, KEPT_MEMORY, Outcome, Pixels, ResultRaster, Runner, any_valid, note_changes, working_set,
};
pub use task::{Band, Input, Output, PixelSource, Raster, Task};
