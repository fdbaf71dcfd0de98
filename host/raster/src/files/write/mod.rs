//! Writing: an output from its specification, by way of a hidden folder, to its final name.

mod assemble;
mod blocks;
pub(crate) mod classes;
mod creation;
pub(crate) mod dataset;
pub(crate) mod destination;
pub(crate) mod existing;
mod finish;
mod levels;
mod lossy;
pub(crate) mod passing;
pub(crate) mod probe;
mod progress;
pub(crate) mod rehearsal;
pub(crate) mod sketch;
pub(crate) mod spec;
pub(crate) mod staging;
mod statistics;
pub(crate) mod target;
mod tree;
pub(crate) mod unfinished;
