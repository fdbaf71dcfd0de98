//! The guest SDK of tilefn: write a function over raster tiles in Rust, test it natively, run it as WebAssembly.
//!
//! ```
//! use tilefn_guest::prelude::*;
//!
//! /// Normalised difference vegetation index.
//! #[tile_function]
//! fn ndvi(red: Tile<f32>, nir: Tile<f32>) -> Tile<f32> {
//!     red.zip_valid(&nir, |r, n| (n - r) / (n + r))
//! }
//!
//! let result = ndvi(Tile::from_rows([[1.0, 2.0]]), Tile::from_rows([[3.0, f32::NAN]]));
//! assert_eq!(result, Tile::from_rows([[0.5, f32::NAN]]));
//! ```
#![no_std]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[doc(hidden)]
pub mod abi;
mod any;
mod context;
#[doc(hidden)]
pub mod describe;
mod element;
mod error;
mod input;
pub mod log;
mod output;
mod param;
mod reduce;
mod tile;

pub use any::AnyTile;
pub use context::{BandInfo, Context, FileInfo, InputInfo, Window};
pub use element::Element;
pub use error::Error;
pub use input::{Input, Raster};
pub use output::{Output, Outputs, Returned, SingleOutput};
pub use param::{Bytes, ParamScalar, ParamValue};
pub use reduce::{Reduce, Reduced};
pub use tile::{Focal, FocalWindow, Series, Tile};
pub use tilefn_abi::DType;
pub use tilefn_macros::{Outputs, tile_function};
pub use {ndarray, serde};

/// The guide's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/function-authors-guide.md")]
struct Guide;

/// So is the code in these pages.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/from-rios.md")]
struct Pages;

/// So is the ABI's example.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/abi.md")]
struct Abi;

use abi::{RawParam, RawRaster, RawValue, TileResult};
use any::with_dtype;

/// What a function's file needs: `use tilefn_guest::prelude::*;`
pub mod prelude {
    pub use ndarray::array;

    pub use crate::{
        AnyTile, Bytes, Context, DType, Element, Error, Outputs, Reduce, Reduced, Tile, log, tile_function, with_tile,
    };
}
