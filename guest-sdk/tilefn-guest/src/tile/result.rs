//! What marks the invalid pixels of a result.

use super::{Nodata, Tile, operands::Frame};
use crate::Element;

use alloc::vec::Vec;

/// Puts the type's marker where a result has no value, and notices when a value equals it.
pub(super) struct Marker {
    invalid: bool,
    clash: bool,
}

impl Marker {
    pub(super) fn new() -> Self {
        Self { invalid: false, clash: false }
    }

    /// The pixel for a value or none.
    #[inline]
    pub(super) fn pixel<V: Element>(&mut self, value: Option<V>) -> V {
        // NaN, the marker of floats, equals nothing, and marks without being declared: both flags fold away for them.
        self.invalid |= value.is_none() & !V::DTYPE.is_float();
        self.clash |= value == Some(V::MARKER);
        value.unwrap_or(V::MARKER)
    }

    /// The finished tile.
    #[track_caller]
    pub(super) fn finish<V: Element>(self, pixels: Vec<V>, frame: Frame) -> Tile<V> {
        assert!(
            !(self.invalid && self.clash),
            "a valid pixel got {}, which marks the invalid pixels of {} results; give the result a wider type, or choose \
             another nodata value with a method that ends in `_or`",
            V::MARKER,
            V::DTYPE.name()
        );
        let nodata = if self.invalid { Nodata::All(V::MARKER) } else { Nodata::None };
        Tile::made(pixels, [frame.bands, frame.rows, frame.cols], frame.halo, nodata)
    }
}
