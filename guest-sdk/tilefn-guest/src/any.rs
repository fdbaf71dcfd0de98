//! A tile whose pixel type is known only when it arrives.

use tilefn_abi::DType;

use crate::{Element, Error, Tile};

/// A tile in the file's own type.
///
/// [`with_tile!`](crate::with_tile) runs the same code for whichever type it is; [`cast`](Self::cast) converts.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are the pixel types by their names in the ABI")]
pub enum AnyTile {
    UInt8(Tile<u8>),
    Int8(Tile<i8>),
    UInt16(Tile<u16>),
    Int16(Tile<i16>),
    UInt32(Tile<u32>),
    Int32(Tile<i32>),
    UInt64(Tile<u64>),
    Int64(Tile<i64>),
    Float32(Tile<f32>),
    Float64(Tile<f64>),
}

/// Evaluates an expression with the [`Tile`] inside an [`AnyTile`], whatever its pixel type.
///
/// ```
/// use tilefn_guest::prelude::*;
///
/// let tile = AnyTile::from(Tile::from_rows([[1u16, 2], [3, 4]]));
/// let doubled = with_tile!(tile, |t| AnyTile::from(t.map_valid(|v| v + v)));
/// assert_eq!(doubled, AnyTile::from(Tile::from_rows([[2u16, 4], [6, 8]])));
/// ```
#[macro_export]
macro_rules! with_tile {
    ($any:expr, |$tile:pat_param| $body:expr) => {
        match $any {
            $crate::AnyTile::UInt8($tile) => $body,
            $crate::AnyTile::Int8($tile) => $body,
            $crate::AnyTile::UInt16($tile) => $body,
            $crate::AnyTile::Int16($tile) => $body,
            $crate::AnyTile::UInt32($tile) => $body,
            $crate::AnyTile::Int32($tile) => $body,
            $crate::AnyTile::UInt64($tile) => $body,
            $crate::AnyTile::Int64($tile) => $body,
            $crate::AnyTile::Float32($tile) => $body,
            $crate::AnyTile::Float64($tile) => $body,
        }
    };
}

/// Evaluates an expression with a type alias for the pixel type of a [`DType`].
macro_rules! with_dtype {
    ($dtype:expr, |$type:ident| $body:expr) => {
        match $dtype {
            $crate::DType::UInt8 => with_dtype!(@ $type = u8, $body),
            $crate::DType::Int8 => with_dtype!(@ $type = i8, $body),
            $crate::DType::UInt16 => with_dtype!(@ $type = u16, $body),
            $crate::DType::Int16 => with_dtype!(@ $type = i16, $body),
            $crate::DType::UInt32 => with_dtype!(@ $type = u32, $body),
            $crate::DType::Int32 => with_dtype!(@ $type = i32, $body),
            $crate::DType::UInt64 => with_dtype!(@ $type = u64, $body),
            $crate::DType::Int64 => with_dtype!(@ $type = i64, $body),
            $crate::DType::Float32 => with_dtype!(@ $type = f32, $body),
            $crate::DType::Float64 => with_dtype!(@ $type = f64, $body),
        }
    };
    (@ $type:ident = $pixel:ty, $body:expr) => {{
        type $type = $pixel;
        $body
    }};
}
pub(crate) use with_dtype;

impl AnyTile {
    /// The pixel type.
    pub fn dtype(&self) -> DType {
        fn dtype_of<T: Element>(_: &Tile<T>) -> DType {
            T::DTYPE
        }
        with_tile!(self, |t| dtype_of(t))
    }

    /// `[bands, rows, cols]`, halo included.
    pub fn shape(&self) -> [usize; 3] {
        with_tile!(self, |t| t.shape())
    }

    /// Extra pixels on each of the four sides.
    pub fn halo(&self) -> usize {
        with_tile!(self, |t| t.halo())
    }

    /// Whether the pixel has a value; false outside the tile.
    pub fn is_valid(&self, band: usize, row: usize, col: usize) -> bool {
        with_tile!(self, |t| t.is_valid(band, row, col))
    }

    /// The number of valid pixels, halo included.
    pub fn count_valid(&self) -> usize {
        with_tile!(self, |t| t.count_valid())
    }

    /// The same pixels in another type, as Rust's `as` converts; invalid pixels stay invalid.
    pub fn cast<U: Element>(&self) -> Tile<U> {
        with_tile!(self, |t| t.cast())
    }

    /// The tile without its halo; nothing is copied.
    #[must_use]
    pub fn without_halo(&self) -> Self {
        with_tile!(self, |t| t.without_halo().into())
    }

    /// The tile as the host reads it: the pixels end to end, one nodata value for all bands.
    pub(crate) fn into_output(self) -> Self {
        with_tile!(self, |t| t.into_output().into())
    }

    /// The tile inside.
    ///
    /// # Errors
    ///
    /// When the pixel type is another: "the tile holds uint16, not uint8".
    pub fn into_tile<T: Element>(self) -> Result<Tile<T>, Error> {
        T::unwrap(self)
            .map_err(|other| alloc::format!("the tile holds {}, not {}", other.dtype().name(), T::DTYPE.name()).into())
    }
}

impl<T: Element> From<Tile<T>> for AnyTile {
    fn from(tile: Tile<T>) -> Self {
        T::wrap(tile)
    }
}
