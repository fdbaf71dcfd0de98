//! Files on other grids and in other CRS than the working grid: where their pixels lie on it, and what they become there.

pub(crate) mod extent;
pub(crate) mod gather;
pub(crate) mod overlays;
pub(crate) mod overview;
pub(crate) mod source_window;
pub(crate) mod transformer;
pub(crate) mod warp;
