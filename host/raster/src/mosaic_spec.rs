//! Overlapping files that are read as one raster.

use crate::SourceSpec;
use grid::Window;
use serde::{Deserialize, Serialize};
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
    /// The smallest window of the working grid that has all files.
    pub fn window(&self) -> Option<Window> {
        let mut windows = self.parts.iter().map(SourceSpec::window);
        let first = windows.next()?;
        windows.try_fold(first, |all, window| all.union(&window))
    }
}
