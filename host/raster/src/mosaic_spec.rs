//! Overlapping files that are read as one raster.

use crate::SourceSpec;
use crate::source_spec::first_mark;
use serde::{Deserialize, Serialize};
use tilefn_abi::DType;
use types::MosaicRule;

/// Overlapping files that are read as one raster. All are read with the same type and number of bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MosaicSpec {
    /// The files, in order.
    pub parts: Vec<SourceSpec>,
    /// Which value a pixel has where several files have a valid one.
    pub rule: MosaicRule,
    /// The ABI bits, for the type to read as, of pixels that are valid in no file. A tile whose valid pixels have this value gets
    /// another mark, see [`Found::marks`](crate::Found::marks).
    pub mark: u64,
}

impl MosaicSpec {
    /// Files that are all read with this type.
    pub fn new(parts: Vec<SourceSpec>, rule: MosaicRule, dtype: DType) -> Self {
        let mark = if dtype.is_float() { f64::NAN.to_bits() } else { first_mark(dtype) };
        Self { parts, rule, mark }
    }

    /// The nodata value to declare to the reader; none where NaN says it all.
    pub fn declared(&self, dtype: DType) -> Option<u64> {
        (!dtype.is_float()).then_some(self.mark)
    }
}
