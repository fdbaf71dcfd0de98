//! Words that every part of the program shares. Each is defined here, once.

pub mod dtype_name;
mod edge;
pub mod location;
mod log;
mod nodata;
mod pixel;
pub mod tally;
pub mod text;

pub use edge::Edge;
pub use location::Location;
pub use log::LogLine;
pub use nodata::{Nodata, NotRepresentable};
pub use pixel::{Fit, Number, Pixel, holds_all};
pub use tilefn_abi::DType;
