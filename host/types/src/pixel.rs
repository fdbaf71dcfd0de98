//! Pixels of every element type: their ABI bits, when they equal a nodata value, and how they become another type.

use bytemuck::Pod;
use tilefn_abi::DType;

/// An element type.
pub trait Pixel: Pod + PartialEq {
    /// The value that these bits stand for; see [`super::Nodata::as_bits_for`].
    fn from_bits(bits: u64) -> Self;
    /// The inverse of [`Pixel::from_bits`].
    fn to_bits(self) -> u64;
    /// Whether this is NaN; never for integers.
    fn is_nan(self) -> bool;
    /// Whether a pixel with this value counts as having the band's nodata value. As GDAL's mask band has it: floats may
    /// differ in the last digits, since nodata values are written down in decimal.
    fn is_nodata(self, nodata: Self) -> bool;
    /// The value itself, without its type.
    fn number(self) -> Number;
    /// The value of this type that is nearest to a number, and how near it is. NaN becomes 0 in an integer.
    fn nearest(number: Number) -> (Self, Fit);
    /// How far an integer is from the value that [`Pixel::marker`] gives for 0; none for floats.
    fn distance(self) -> Option<u64>;
    /// The integers in the order in which they are tried as the mark of invalid pixels: from the largest down for
    /// unsigned types, from the smallest up for signed ones. None where the type ends; always NaN for floats.
    fn marker(distance: u64) -> Option<Self>;
}

/// A pixel's value without its type; exact.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// Of signed and of small integers.
    Signed(i64),
    /// Of unsigned ones of 64 bits.
    Unsigned(u64),
    /// Of floats.
    Float(f64),
}

impl Number {
    /// As a float; large integers are rounded.
    pub fn as_float(self) -> f64 {
        match self {
            Self::Signed(value) => value as f64,
            Self::Unsigned(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// How well a number fits another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The same number. Floats are rounded to a smaller float's precision without being counted as changed.
    Exact,
    /// A fraction became whole; a whole number beyond a float's precision became another; a small number became 0.
    Rounded,
    /// Beyond the type's range: clamped, or infinite in a float.
    Clamped,
}

/// A cast of a float to an integer, which clamps.
macro_rules! clamped {
    ($value:expr, true) => {{
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float clamps")]
        let clamped = $value as Self;
        clamped
    }};
    ($value:expr, false) => {{
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float clamps")]
        let clamped = $value as Self;
        clamped
    }};
}

macro_rules! integers {
    ($($t:ty: $bits:expr, $number:expr, $signed:tt;)*) => {$(
        impl Pixel for $t {
            fn from_bits(bits: u64) -> Self {
                // The ABI extends integers to 64 bits; cutting them off again is exact.
                bits.to_le_bytes().first_chunk().map_or(0, |bytes| Self::from_le_bytes(*bytes))
            }
            fn to_bits(self) -> u64 {
                $bits(self)
            }
            fn is_nan(self) -> bool {
                false
            }
            fn is_nodata(self, nodata: Self) -> bool {
                self == nodata
            }
            fn number(self) -> Number {
                $number(self)
            }
            fn nearest(number: Number) -> (Self, Fit) {
                match number {
                    Number::Signed(value) => match Self::try_from(value) {
                        Ok(same) => (same, Fit::Exact),
                        Err(_) => (if value < 0 { Self::MIN } else { Self::MAX }, Fit::Clamped),
                    },
                    Number::Unsigned(value) => match Self::try_from(value) {
                        Ok(same) => (same, Fit::Exact),
                        Err(_) => (Self::MAX, Fit::Clamped),
                    },
                    Number::Float(value) => {
                        // Half away from zero, as GDAL does.
                        let whole = value.round();
                        // Both ends are powers of two, or 0, which a float holds.
                        let (first, end) = (Self::MIN as f64, (Self::MAX / 2 + 1) as f64 * 2.0);
                        let nearest = clamped!(whole, $signed);
                        let fit = if !(first..end).contains(&whole) {
                            Fit::Clamped
                        } else if whole == value {
                            Fit::Exact
                        } else {
                            Fit::Rounded
                        };
                        (nearest, fit)
                    }
                }
            }
            fn distance(self) -> Option<u64> {
                Some(if $signed { self.abs_diff(Self::MIN) } else { Self::MAX.abs_diff(self) }.into())
            }
            fn marker(distance: u64) -> Option<Self> {
                if $signed {
                    // From the smallest up; the unsigned distance wraps into the upper half as it should.
                    let reach = Self::MAX.abs_diff(Self::MIN).into();
                    (distance <= reach).then(|| Self::MIN.wrapping_add(Self::from_bits(distance)))
                } else {
                    Self::try_from(distance).ok().map(|distance| Self::MAX - distance)
                }
            }
        }
    )*};
}
integers! {
    u8: u64::from, |v: u8| Number::Signed(v.into()), false;
    i8: |v: i8| i64::from(v).cast_unsigned(), |v: i8| Number::Signed(v.into()), true;
    u16: u64::from, |v: u16| Number::Signed(v.into()), false;
    i16: |v: i16| i64::from(v).cast_unsigned(), |v: i16| Number::Signed(v.into()), true;
    u32: u64::from, |v: u32| Number::Signed(v.into()), false;
    i32: |v: i32| i64::from(v).cast_unsigned(), |v: i32| Number::Signed(v.into()), true;
    u64: |v: u64| v, Number::Unsigned, false;
    i64: i64::cast_unsigned, Number::Signed, true;
}

#[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest, as GDAL does")]
fn narrowed(value: f64) -> f32 {
    value as f32
}

macro_rules! floats {
    ($($t:ty: $digits:literal, $from:expr;)*) => {$(
        impl Pixel for $t {
            fn from_bits(bits: u64) -> Self {
                $from(f64::from_bits(bits))
            }
            fn to_bits(self) -> u64 {
                f64::from(self).to_bits()
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            /// GDAL's `ARE_REAL_EQUAL`, operation by operation. It takes float32's precision for float64, too; and near the
            /// type's largest value the sum overflows, so that -3.4e38 matches every very large negative float32. That is
            /// how files with a shortened nodata tag are read.
            fn is_nodata(self, nodata: Self) -> bool {
                self == nodata
                    || (self - nodata).abs() < Self::from(f32::EPSILON) * (self + nodata).abs() * 2.0
                    || (self.is_nan() && nodata.is_nan())
            }
            fn number(self) -> Number {
                Number::Float(self.into())
            }
            fn nearest(number: Number) -> (Self, Fit) {
                // Exact where all bits from the first to the last that is set fit.
                let exact = |size: u64| size == 0 || (size >> size.trailing_zeros()) < 1 << $digits;
                let fit = |exact| if exact { Fit::Exact } else { Fit::Rounded };
                match number {
                    Number::Signed(value) => (value as Self, fit(exact(value.unsigned_abs()))),
                    Number::Unsigned(value) => (value as Self, fit(exact(value))),
                    Number::Float(value) => {
                        let nearest: Self = $from(value);
                        let back = f64::from(nearest);
                        let fit = if back == value || value.is_nan() {
                            Fit::Exact
                        } else if nearest.is_infinite() {
                            Fit::Clamped
                        } else {
                            fit(nearest != 0.0 && (value.fract() != 0.0 || value.abs() > WHOLE))
                        };
                        (nearest, fit)
                    }
                }
            }
            fn distance(self) -> Option<u64> {
                None
            }
            fn marker(_: u64) -> Option<Self> {
                Some(Self::NAN)
            }
        }
    )*};
}
floats! {
    f32: 24, narrowed;
    f64: 53, std::convert::identity;
}

/// Up to here, 2^53, a 64-bit float can count; larger ones are whole without being meant so.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Calls a generic function with the Rust type of a [`DType`].
#[macro_export]
macro_rules! for_dtype {
    ($dtype:expr, $f:ident $(::<$first:ty>)? ($($arg:expr),*)) => {
        match $dtype {
            $crate::DType::UInt8 => $f::<$($first,)? u8>($($arg),*),
            $crate::DType::Int8 => $f::<$($first,)? i8>($($arg),*),
            $crate::DType::UInt16 => $f::<$($first,)? u16>($($arg),*),
            $crate::DType::Int16 => $f::<$($first,)? i16>($($arg),*),
            $crate::DType::UInt32 => $f::<$($first,)? u32>($($arg),*),
            $crate::DType::Int32 => $f::<$($first,)? i32>($($arg),*),
            $crate::DType::UInt64 => $f::<$($first,)? u64>($($arg),*),
            $crate::DType::Int64 => $f::<$($first,)? i64>($($arg),*),
            $crate::DType::Float32 => $f::<$($first,)? f32>($($arg),*),
            $crate::DType::Float64 => $f::<$($first,)? f64>($($arg),*),
        }
    };
}

/// Whether every value of one type is a value of the other.
pub fn holds_all(wanted: DType, of: DType) -> bool {
    let bits = |dtype: DType| dtype.size() * 8;
    match (of.is_float(), wanted.is_float()) {
        (true, true) => wanted.size() >= of.size(),
        (true, false) => false,
        (false, true) => bits(of) <= if wanted == DType::Float32 { 16 } else { 32 },
        (false, false) => {
            let (of, wanted) = (super::nodata::int_range(of), super::nodata::int_range(wanted));
            wanted.0 <= of.0 && of.1 <= wanted.1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_the_nearest() {
        let byte = |v: f64| u8::nearest(Number::Float(v));
        assert_eq!(byte(254.6), (255, Fit::Rounded));
        assert_eq!((byte(0.5), byte(-0.4), byte(-0.5)), ((1, Fit::Rounded), (0, Fit::Rounded), (0, Fit::Clamped)));
        assert_eq!((byte(300.0), byte(f64::NEG_INFINITY)), ((255, Fit::Clamped), (0, Fit::Clamped)));
        assert_eq!((byte(255.0), byte(255.5)), ((255, Fit::Exact), (255, Fit::Clamped)));
        assert_eq!(i8::nearest(Number::Signed(-129)), (-128, Fit::Clamped));
        assert_eq!(i16::nearest(Number::Unsigned(u64::MAX)), (i16::MAX, Fit::Clamped));
        assert_eq!(i64::nearest(Number::Float(2f64.powi(63))), (i64::MAX, Fit::Clamped));
        assert_eq!(i64::nearest(Number::Float(-2f64.powi(63))), (i64::MIN, Fit::Exact));
        assert_eq!(u64::nearest(Number::Float(2f64.powi(64))), (u64::MAX, Fit::Clamped));
        assert_eq!(u64::nearest(Number::Float(2f64.powi(63))), (1 << 63, Fit::Exact));
        assert_eq!(i16::nearest(Number::Float(-2.5)), (-3, Fit::Rounded));
    }

    #[test]
    fn floats_tell_when_they_are_not_exact() {
        assert_eq!(f32::nearest(Number::Signed(16_777_217)), (16_777_216.0, Fit::Rounded));
        assert_eq!(f32::nearest(Number::Signed(-16_777_218)), (-16_777_218.0, Fit::Exact));
        assert_eq!(f64::nearest(Number::Signed((1 << 60) + 1)).1, Fit::Rounded);
        assert_eq!(f64::nearest(Number::Signed(i64::MIN)), (-(2f64.powi(63)), Fit::Exact));
        assert_eq!(f64::nearest(Number::Unsigned(u64::MAX)).1, Fit::Rounded);
        assert_eq!(f32::nearest(Number::Float(0.1)), (0.1, Fit::Exact));
        assert_eq!(f32::nearest(Number::Float(16_777_217.0)).1, Fit::Rounded);
        assert_eq!(f32::nearest(Number::Float(1e300)), (f32::INFINITY, Fit::Clamped));
        assert_eq!(f32::nearest(Number::Float(1e-300)), (0.0, Fit::Rounded));
        assert_eq!(f32::nearest(Number::Float(f64::INFINITY)), (f32::INFINITY, Fit::Exact));
        assert_eq!(f64::nearest(Number::Float(0.1)), (0.1, Fit::Exact));
    }

    #[test]
    fn marks_go_through_all_values() {
        assert_eq!((u8::marker(0), u8::marker(255), u8::marker(256)), (Some(255), Some(0), None));
        assert_eq!((i8::marker(0), i8::marker(255), i8::marker(256)), (Some(-128), Some(127), None));
        for distance in 0..256 {
            assert_eq!(i8::marker(distance).and_then(Pixel::distance), Some(distance));
            assert_eq!(u8::marker(distance).and_then(Pixel::distance), Some(distance));
        }
        assert_eq!((i64::marker(0), i64::marker(u64::MAX)), (Some(i64::MIN), Some(i64::MAX)));
        assert_eq!(u64::marker(u64::MAX), Some(0));
        assert!(f32::marker(3).is_some_and(f32::is_nan));
    }

    #[test]
    fn bits_are_the_abis() {
        assert_eq!((Pixel::to_bits(-1i8), Pixel::to_bits(255u8)), (u64::MAX, 255));
        assert_eq!(Pixel::to_bits(0.5f32), 0.5f64.to_bits());
        assert_eq!((<i16 as Pixel>::from_bits(u64::MAX), <u64 as Pixel>::from_bits(u64::MAX)), (-1, u64::MAX));
    }

    #[test]
    fn which_types_hold_which() {
        for (of, wanted) in [
            (DType::UInt16, DType::Float32),
            (DType::Int32, DType::Float64),
            (DType::Float32, DType::Float64),
            (DType::UInt8, DType::Int16),
            (DType::Int64, DType::Int64),
        ] {
            assert!(holds_all(wanted, of), "{of:?} {wanted:?}");
        }
        for (of, wanted) in [
            (DType::Int32, DType::Float32),
            (DType::UInt64, DType::Float64),
            (DType::Float64, DType::Float32),
            (DType::Int8, DType::UInt64),
            (DType::UInt64, DType::Int64),
            (DType::Float32, DType::Int64),
        ] {
            assert!(!holds_all(wanted, of), "{of:?} {wanted:?}");
        }
    }
}
