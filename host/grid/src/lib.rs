//! Pure geometry: grids, windows, tiles and how grids relate. Nothing here opens a file or knows GDAL.
//!
//! Positions are `(row, col)` in pixels of a grid, counted from its upper-left corner; a size is `(rows, cols)`.

mod align;
mod error;
mod geometry;
mod outline;
mod relate;
mod tile_shape;
mod tiling;
mod turn;
mod window;

pub use align::footprint;
pub use error::Error;
pub use geometry::{Bounds, Crs, GeoTransform, Grid};
pub use relate::{Mismatch, Offset, Placement, relate};
pub use tile_shape::{TileBudget, choose_tile};
pub use tiling::{Tile, Tiling};
pub use turn::Turn;
pub use window::Window;
