//! Features of vector files on their way to pixels: read from a layer, brought onto the grid, trimmed to a window, burned, or measured.

pub(crate) mod area;
pub(crate) mod layer;
pub(crate) mod parts;
pub(crate) mod rasterize;
pub(crate) mod to_grid;
pub(crate) mod trim;
pub(crate) mod zones;
