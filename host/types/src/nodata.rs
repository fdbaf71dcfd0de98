//! Nodata values, exact for every type.

use std::fmt;
use tilefn_abi::DType;

/// A nodata value. An integer is kept as one, since a float can't hold every 64-bit integer.
#[derive(Clone, Copy, Debug)]
pub enum Nodata {
    /// A whole number, as 64-bit types have them.
    Int(i128),
    /// Any float, NaN included.
    Float(f64),
}

/// A nodata value that a type can't hold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("nodata value {value} does not fit {}", dtype.name())]
pub struct NotRepresentable {
    /// The value.
    pub value: Nodata,
    /// The type.
    pub dtype: DType,
}

impl PartialEq for Nodata {
    /// NaN equals NaN.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            _ => false,
        }
    }
}

impl fmt::Display for Nodata {
    /// `-9999`, `0.5`, `nan`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_nan() => f.write_str("nan"),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
        }
    }
}

impl Nodata {
    /// The value's 64 bits as the ABI has them for a raster of this type: a float's `f64` bits, an integer extended.
    ///
    /// A float is rounded to float32 exactly as pixels are that are read as float32; beyond its range it becomes
    /// infinite, as they do.
    ///
    /// # Errors
    /// When an integer type can't hold the value.
    pub fn as_bits_for(self, dtype: DType) -> Result<u64, NotRepresentable> {
        let refused = NotRepresentable { value: self, dtype };
        if dtype.is_float() {
            // Both roundings are those that pixels get.
            let value = self.as_f64();
            #[expect(clippy::cast_possible_truncation, reason = "pixels are rounded in the same way")]
            let rounded = if dtype == DType::Float32 { f64::from(value as f32) } else { value };
            return Ok(rounded.to_bits());
        }
        let value = match self {
            Self::Int(value) => value,
            Self::Float(value) => whole(value).ok_or(refused)?,
        };
        let (min, max) = int_range(dtype);
        if !(min..=max).contains(&value) {
            return Err(refused);
        }
        // The low 64 bits of a two's complement number are the number in 64 bits.
        let [low @ .., _, _, _, _, _, _, _, _] = value.to_le_bytes();
        Ok(u64::from_le_bytes(low))
    }

    /// The value as a float; large integers are rounded.
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The value as pixels of this type can have it; none if they can't. As GDAL brings a nodata value to a band's type:
    /// in an integer the fraction is dropped, and a number beyond the type's range, or NaN in an integer, is no nodata.
    pub fn held_by(self, dtype: DType) -> Option<Self> {
        let value = match self {
            Self::Int(value) if !dtype.is_float() => {
                let (min, max) = int_range(dtype);
                return (min..=max).contains(&value).then_some(self);
            }
            _ => self.as_f64(),
        };
        if dtype == DType::Float64 {
            return Some(Self::Float(value));
        }
        if dtype == DType::Float32 {
            return (!value.is_finite() || value.abs() <= f64::from(f32::MAX)).then_some(Self::Float(value));
        }
        let (min, max) = int_range(dtype);
        // GDAL 3.6 holds 16 bits against the range of 32 before it drops the fraction.
        let (low, high) = match dtype {
            DType::UInt16 => int_range(DType::UInt32),
            DType::Int16 => int_range(DType::Int32),
            _ => (min, max),
        };
        if !(low as f64..=high as f64).contains(&value) {
            return None;
        }
        // The largest of 64 bits are rounded up to a power of two above them.
        whole(value.trunc()).filter(|value| (min..=max).contains(value)).map(Self::Int)
    }

    /// The value that these bits stand for in a raster of this type; the inverse of [`Nodata::as_bits_for`].
    pub fn from_bits(bits: u64, dtype: DType) -> Self {
        if dtype.is_float() {
            Self::Float(f64::from_bits(bits))
        } else if dtype.is_signed() {
            Self::Int(bits.cast_signed().into())
        } else {
            Self::Int(bits.into())
        }
    }
}

/// Smallest and largest value of an integer type.
pub(super) fn int_range(dtype: DType) -> (i128, i128) {
    let bits = dtype.size() * 8;
    if dtype.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// A float that is a whole number, as an integer.
pub(super) fn whole(value: f64) -> Option<i128> {
    // Every 64-bit integer is below 2^64.
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^64")]
    (value.fract() == 0.0 && value.abs() <= LIMIT).then_some(value as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact() {
        let bits = |v, d| Nodata::Int(v).as_bits_for(d);
        assert_eq!(bits(i64::MIN.into(), DType::Int64), Ok(1 << 63));
        assert_eq!(bits(i64::MAX.into(), DType::Int64), Ok(u64::MAX >> 1));
        assert_eq!(bits(u64::MAX.into(), DType::UInt64), Ok(u64::MAX));
        assert_eq!(bits(-1, DType::Int8), Ok(u64::MAX));
        assert_eq!(bits(255, DType::UInt8), Ok(255));
        for (value, dtype) in [
            (-1, DType::UInt8),
            (256, DType::UInt8),
            (128, DType::Int8),
            (i128::from(i64::MAX) + 1, DType::Int64),
            (i128::from(u64::MAX) + 1, DType::UInt64),
            (-9999, DType::UInt16),
        ] {
            let text = bits(value, dtype).unwrap_err().to_string();
            assert_eq!(text, format!("nodata value {value} does not fit {}", dtype.name()));
        }
    }

    #[test]
    fn floats_fit_integers_only_when_whole() {
        let bits = |v, d| Nodata::Float(v).as_bits_for(d);
        assert_eq!(bits(-9999.0, DType::Int16), Ok((-9999i64).cast_unsigned()));
        assert_eq!(bits(-9999.5, DType::Int16).unwrap_err().to_string(), "nodata value -9999.5 does not fit int16");
        assert_eq!(bits(f64::NAN, DType::UInt8).unwrap_err().to_string(), "nodata value nan does not fit uint8");
        assert!(bits(f64::INFINITY, DType::UInt64).is_err());
        assert!(bits(2f64.powi(64), DType::UInt64).is_err());
        assert_eq!(bits(2f64.powi(63), DType::UInt64), Ok(1 << 63));
    }

    #[test]
    fn float32_is_rounded_as_pixels_are() {
        let value = |v: Nodata| f64::from_bits(v.as_bits_for(DType::Float32).unwrap());
        assert_eq!(value(Nodata::Float(0.1)), f64::from(0.1f32));
        assert_eq!(value(Nodata::Float(-f64::MAX)), f64::NEG_INFINITY);
        assert_eq!(value(Nodata::Int(16_777_217)), 16_777_216.0);
        assert!(value(Nodata::Float(f64::NAN)).is_nan());
    }

    /// As GDAL 3.6's mask bands have it, tried with its Python bindings.
    #[test]
    fn held_as_gdal_does() {
        let held = |v: f64, d| Nodata::Float(v).held_by(d);
        assert_eq!(held(254.5, DType::UInt8), Some(Nodata::Int(254)));
        assert_eq!(held(-5.5, DType::Int16), Some(Nodata::Int(-5)));
        for value in [255.5, -9999.0, -0.5, f64::NAN, f64::INFINITY] {
            assert_eq!(held(value, DType::UInt8), None, "{value}");
        }
        assert_eq!(held(40_000.0, DType::Int16), None);
        assert_eq!(held(65_535.5, DType::UInt16), Some(Nodata::Int(65_535)));
        assert_eq!(held(-0.5, DType::UInt16), None);
        assert_eq!(held(2_147_483_647.5, DType::Int32), None);
        assert_eq!(held(2f64.powi(63), DType::Int64), None);
        assert_eq!(held(1e300, DType::Float32), None);
        assert_eq!(held(f64::NEG_INFINITY, DType::Float32), Some(Nodata::Float(f64::NEG_INFINITY)));
        assert_eq!(held(f64::NAN, DType::Float32), Some(Nodata::Float(f64::NAN)));
        assert_eq!(Nodata::Int((1 << 60) + 1).held_by(DType::UInt64), Some(Nodata::Int((1 << 60) + 1)));
        assert_eq!(Nodata::Int(-1).held_by(DType::UInt64), None);
    }

    #[test]
    fn bits_round_trip() {
        for dtype in DType::ALL {
            for value in [Nodata::Int(0), Nodata::Int(100), Nodata::Int(-128), Nodata::Float(f64::NAN)] {
                let Ok(bits) = value.as_bits_for(dtype) else {
                    continue;
                };
                assert_eq!(Nodata::from_bits(bits, dtype).as_bits_for(dtype), Ok(bits), "{value} {dtype:?}");
            }
        }
    }
}
