//! What to measure of a vector file.

use crate::{BurnSpec, SourceBand};
use serde::{Deserialize, Serialize};
use tilefn_abi::DType;
use types::Nodata;

/// A layer of polygons, and how many of them meet: the bands have, for each pixel, the values of those that touch it, and then the part
/// of the pixel that each covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoverageSpec {
    /// The polygons, their values, and the grid. The band is one of values, of type float64.
    pub burn: BurnSpec,
    /// The most values that meet in a pixel: so many bands of values there are, and as many of parts.
    pub most: u32,
}

impl CoverageSpec {
    /// How many bands there are.
    pub fn bands(&self) -> usize {
        usize::try_from(self.most).unwrap_or(usize::MAX).saturating_mul(2)
    }

    /// A band of parts, 0 to 1, all valid.
    pub fn part_band(&self) -> SourceBand {
        SourceBand { nodata: None, ..self.burn.band }.marked(self.burn.dtype).0
    }

    /// A band of values: those of pixels that nothing touches are `nodata`.
    pub fn value_band(nodata: Nodata) -> SourceBand {
        let nodata = nodata.as_bits_for(DType::Float64).ok();
        SourceBand { number: 1, dtype: DType::Float64, nodata, mask: false, scale: None, mark: None }
    }
}
