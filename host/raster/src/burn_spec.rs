//! What to burn of a vector file.

use crate::SourceBand;
use grid::{Crs, Grid, Window};
use serde::{Deserialize, Serialize};
use tilefn_abi::DType;
use types::{Edge, Nodata, holds_all};

/// What to burn of a vector file, and onto which grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurnSpec {
    /// The file, as the user named it.
    pub path: String,
    /// The layer's name.
    pub layer: String,
    /// OGR attribute filter: only these features are burned.
    pub filter: Option<String>,
    /// What a feature's pixels get.
    pub burn: Burn,
    /// Whether every pixel that a feature touches is burned, not only those whose centre it covers.
    pub all_touched: bool,
    /// The layer's CRS, or the one that the job gives it; none if its coordinates are taken for the grid's.
    pub crs: Crs,
    /// The burned band: type, nodata value, mark. It has number 1, and no mask or scale.
    pub band: SourceBand,
    /// Element type to read as, see [`SourceSpec::dtype`](crate::SourceSpec::dtype).
    #[serde(with = "types::dtype_name")]
    pub dtype: DType,
    /// The working grid, north-up.
    pub grid: Grid,
    /// The pixels of the grid, beyond it too, that the layer's extent covers; none if it has no features.
    pub extent: Option<Window>,
    /// Pixels on each side of every window read that belong to the windows beside it, too: changes of them are not counted.
    pub halo: u32,
    /// What a halo shows beyond the data. The data is the rectangle that spans the grid and the layer's extent.
    pub edge: Edge,
}

/// What a feature's pixels get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Burn {
    /// The same for all: the ABI bits, for the band's type.
    Value(u64),
    /// The value of this numeric attribute, or of the layer's feature id column. A feature without a value is not burned.
    Attribute(String),
}

impl BurnSpec {
    /// The rectangle that spans the grid and the layer's extent.
    pub fn data(&self) -> Window {
        let grid = self.grid.window();
        self.extent.and_then(|extent| extent.union(&grid)).unwrap_or(grid)
    }

    /// Whether the mark of invalid pixels may differ from window to window.
    pub fn marks_vary(&self) -> bool {
        !self.dtype.is_float() && self.band.mark.is_some() && !holds_all(self.dtype, self.band.dtype)
    }
}

/// The ABI bits, for a band of this type, of a number that is to be burned.
///
/// # Errors
/// When the type doesn't hold it: it is beyond an integer's range, has a fraction, or is a whole number with more digits than a
/// float has. A fraction is rounded to float32 as pixels are.
pub fn burned_bits(value: Nodata, dtype: DType) -> Result<u64, String> {
    let refused = || format!("{} can't hold {value}", dtype.name());
    let bits = value.as_bits_for(dtype).map_err(|_| refused())?;
    match value {
        Nodata::Int(whole) if dtype.is_float() && Nodata::Float(f64::from_bits(bits)) != exact(whole) => Err(refused()),
        Nodata::Float(float) if float.is_finite() && dtype.is_float() && !f64::from_bits(bits).is_finite() => {
            Err(refused())
        }
        _ => Ok(bits),
    }
}

/// A whole number as a float; NaN, which no whole number equals, if no float is this number.
fn exact(whole: i128) -> Nodata {
    let float = Nodata::Int(whole).as_f64();
    #[expect(clippy::cast_possible_truncation, reason = "a cast beyond the range saturates, and is compared")]
    let back = float as i128;
    Nodata::Float(if back == whole { float } else { f64::NAN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_burned_exactly_or_refused() {
        let bits = |value, dtype| burned_bits(value, dtype);
        let (int, float) = (Nodata::Int, Nodata::Float);
        assert_eq!(bits(int(255), DType::UInt8), Ok(255));
        assert_eq!(bits(int(256), DType::UInt8), Err("uint8 can't hold 256".into()));
        assert_eq!(bits(int(-1), DType::UInt16), Err("uint16 can't hold -1".into()));
        assert_eq!(bits(float(2.0), DType::Int8), Ok(2));
        assert_eq!(bits(float(2.5), DType::Int8), Err("int8 can't hold 2.5".into()));
        assert_eq!(bits(float(f64::NAN), DType::Int64), Err("int64 can't hold nan".into()));
        assert_eq!(bits(int(i64::MAX.into()), DType::Int64), Ok(i64::MAX.cast_unsigned()));
        let odd = (1_i128 << 53) + 1;
        assert_eq!(bits(int(odd), DType::Int64), Ok((1 << 53) + 1));
        assert_eq!(bits(int(odd), DType::Float64), Err("float64 can't hold 9007199254740993".into()));
        assert_eq!(bits(int(odd - 1), DType::Float64), Ok(9_007_199_254_740_992_f64.to_bits()));
        assert_eq!(bits(int(16_777_217), DType::Float32), Err("float32 can't hold 16777217".into()));
        assert_eq!(bits(float(0.1), DType::Float32), Ok(f64::from(0.1_f32).to_bits()));
        assert_eq!(bits(float(1e39), DType::Float32), Err("float32 can't hold 1e39".into()));
        assert!(bits(float(f64::NAN), DType::Float32).is_ok());
    }
}
