//! What to measure of a vector file.

use crate::{BurnSpec, SourceBand};
use serde::{Deserialize, Serialize};

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
}
