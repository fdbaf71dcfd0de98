//! What to read of a raster file.

use super::Edge;
use crate::grid::{Offset, Turn};
use serde::{Deserialize, Serialize};
use tilefn_abi::DType;

/// What to read of a raster file, and where it lies on the working grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// The file, as the user named it.
    pub path: String,
    /// Bands, from 1, in the order wanted; one may come twice.
    pub bands: Vec<usize>,
    /// The type to read as. GDAL converts: rounds, clamps to the type's range, and makes NaN 0 in an integer.
    #[serde(with = "crate::dtype_name")]
    pub dtype: DType,
    /// For each of `bands`, the ABI bits of the pixel to show outside the file; see [`super::Nodata::as_bits_for`].
    pub fill: Vec<Option<u64>>,
    /// Where the upper-left pixel of the file, once turned, lies in the working grid.
    pub offset: Offset,
    /// Which of its rows and columns run the other way.
    pub turn: Turn,
    /// Rows and columns of the file; checked when it is opened, as it may have changed since it was inspected.
    pub file_size: (u32, u32),
    /// Rows and columns of the working grid.
    pub grid_size: (u32, u32),
    /// What a halo shows beyond the data. The data is the rectangle that spans the grid and the file: within it, pixels
    /// that the file lacks are nodata whatever tile they are seen from.
    pub edge: Edge,
}
