//! Words that every part of the program shares. Each is defined here, once.

pub mod dtype_name;
pub mod exit;
pub mod location;
mod log;
mod names;
mod nodata;
mod param_file;
mod pixel;
mod table;
pub mod tally;
pub mod text;
mod value;

pub use location::Location;
pub use log::LogLine;
pub use names::{Edge, Footprint, MosaicRule, Resampling, WorkerKind};
pub use nodata::{Nodata, NotRepresentable};
pub use param_file::{Content, ParamFile};
pub use pixel::{Fit, Number, Pixel, holds_all};
pub use table::{Column, Table};
pub use tilefn_abi::DType;
pub use value::Value;
