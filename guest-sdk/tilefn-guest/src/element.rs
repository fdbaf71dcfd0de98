//! The pixel types: what a [`Tile`](crate::Tile) can hold.

use core::fmt::{Debug, Display};

use bytemuck::Pod;
use num_traits::AsPrimitive;
use tilefn_abi::DType;

use crate::{AnyTile, Tile};

mod sealed {
    pub trait Sealed {}
}

/// A pixel type, one for each of GDAL's real types.
///
/// Implemented for `u8`, `i8`, `u16`, `i16`, `u32`, `i32`, `u64`, `i64`, `f32` and `f64`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pixel type",
    label = "not a pixel type",
    note = "a tile holds one of u8, i8, u16, i16, u32, i32, u64, i64, f32, f64"
)]
pub trait Element:
    AsPrimitive<f64>
    + AsPrimitive<f32>
    + AsPrimitive<u64>
    + AsPrimitive<i128>
    + PartialOrd
    + Pod
    + Debug
    + Display
    + Send
    + Sync
    + sealed::Sealed
{
    /// The type's number and name in the ABI.
    const DTYPE: DType;
    /// What marks an invalid pixel in a result: NaN; the largest value of an unsigned, the smallest of a signed integer.
    const MARKER: Self;
    /// No valid value is greater: infinity, or the largest integer.
    const TOP: Self;
    /// No valid value is less: minus infinity, or the smallest integer.
    const BOTTOM: Self;

    /// The float type for means and medians: `f32` where it holds every value exactly, else `f64`.
    type Float: Element;

    /// `value` in this type, as Rust's `as` converts: rounded towards zero, clamped to the type's range.
    fn from_f64(value: f64) -> Self;

    /// `value` in this type, clamped to the type's range.
    fn from_i128(value: i128) -> Self;

    /// Whether this is NaN; always false for integers.
    #[inline]
    fn is_nan(self) -> bool {
        // Only NaN differs from itself; the comparison folds away for integers.
        #[expect(clippy::eq_op, reason = "the definition of NaN")]
        {
            self != self
        }
    }

    /// The value as the ABI writes a nodata value: the bits of an `f64`, or an integer extended to 64 bits.
    fn to_bits64(self) -> u64;

    /// The value that [`to_bits64`](Self::to_bits64) wrote.
    fn from_bits64(bits: u64) -> Self;

    #[doc(hidden)]
    fn wrap(tile: Tile<Self>) -> AnyTile;

    #[doc(hidden)]
    fn unwrap(tile: AnyTile) -> Result<Tile<Self>, AnyTile>;
}

macro_rules! element {
    ($type:ident, $dtype:ident, $float:ty, $marker:expr, $top:expr, $bottom:expr, $from_i128:expr, $to_bits:expr, $from_bits:expr) => {
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            const MARKER: Self = $marker;
            const TOP: Self = $top;
            const BOTTOM: Self = $bottom;
            type Float = $float;

            #[inline]
            fn from_f64(value: f64) -> Self {
                value.as_()
            }

            #[inline]
            fn from_i128(value: i128) -> Self {
                $from_i128(value)
            }

            fn to_bits64(self) -> u64 {
                $to_bits(self)
            }

            fn from_bits64(bits: u64) -> Self {
                $from_bits(bits)
            }

            fn wrap(tile: Tile<Self>) -> AnyTile {
                AnyTile::$dtype(tile)
            }

            fn unwrap(tile: AnyTile) -> Result<Tile<Self>, AnyTile> {
                match tile {
                    AnyTile::$dtype(tile) => Ok(tile),
                    other => Err(other),
                }
            }
        }
    };
    (integer $type:ident, $dtype:ident, $float:ty, $marker:ident) => {
        element!(
            $type,
            $dtype,
            $float,
            $type::$marker,
            $type::MAX,
            $type::MIN,
            |value: i128| value.clamp($type::MIN.into(), $type::MAX.into()).as_(),
            AsPrimitive::<u64>::as_,
            |bits: u64| bits.as_()
        );
    };
    (float $type:ident, $dtype:ident) => {
        element!(
            $type,
            $dtype,
            $type,
            $type::NAN,
            $type::INFINITY,
            $type::NEG_INFINITY,
            |value: i128| value.as_(),
            |value: $type| AsPrimitive::<f64>::as_(value).to_bits(),
            |bits| f64::from_bits(bits).as_()
        );
    };
}

element!(integer u8, UInt8, f32, MAX);
element!(integer i8, Int8, f32, MIN);
element!(integer u16, UInt16, f32, MAX);
element!(integer i16, Int16, f32, MIN);
element!(integer u32, UInt32, f64, MAX);
element!(integer i32, Int32, f64, MIN);
element!(integer u64, UInt64, f64, MAX);
element!(integer i64, Int64, f64, MIN);
element!(float f32, Float32);
element!(float f64, Float64);
