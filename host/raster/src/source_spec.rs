//! What to read of a raster file.

use grid::{Crs, Grid, Placement, Window};
use serde::{Deserialize, Serialize};
use tilefn_abi::DType;
use types::{Edge, Nodata, Pixel, Resampling, for_dtype, holds_all};

/// What to read of a raster file, and where it lies on the working grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// The file, as the user named it.
    pub path: String,
    /// The bands in the order wanted; one may come twice.
    pub bands: Vec<SourceBand>,
    /// Element type to read as. Numbers that this type lacks are rounded to the nearest, half away from zero, and clamped to
    /// its range.
    #[serde(with = "types::dtype_name")]
    pub dtype: DType,
    /// How the file gets onto the working grid.
    pub way: Way,
    /// Rows and columns of the file; checked when it is opened, as it may have changed since it was inspected.
    pub file_size: (u32, u32),
    /// Rows and columns of the working grid.
    pub grid_size: (u32, u32),
    /// Pixels on each side of every window read that belong to the windows beside it, too: changes of them are not counted.
    pub halo: u32,
    /// What a halo shows beyond the data. The data is the rectangle that spans the grid and the file: within it, pixels
    /// that the file lacks are nodata whatever tile they are seen from.
    pub edge: Edge,
}

/// How a file gets onto the working grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Way {
    /// Its pixels are the grid's.
    Aligned(Placement),
    /// Its pixels are others: they are resampled, window by window.
    Resampled(Box<Resampled>),
}

/// How a file on another grid is resampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampled {
    /// gdalwarp's method.
    pub method: Resampling,
    /// The working grid.
    pub grid: Grid,
    /// Whether the CRS of file and grid differ.
    pub reprojects: bool,
    /// The CRS of a file that has none.
    pub crs: Option<Crs>,
    /// The window of the grid that the file covers.
    pub extent: Window,
    /// Pixels of the grid for one of the file's, along the file's columns and rows: kernels are widened where it is below 1.
    pub scale: (f64, f64),
    /// The overview that is read in place of the file's own pixels, from 0; `scale` is its pixels'.
    pub overview: Option<u32>,
}

/// A band of a raster file: what its pixels are, which are valid, and what the others become.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceBand {
    /// Band number in the file, from 1.
    pub number: usize,
    /// Element type in the file.
    #[serde(with = "types::dtype_name")]
    pub dtype: DType,
    /// The ABI bits, for that type, of its nodata value; see [`Nodata::as_bits_for`].
    pub nodata: Option<u64>,
    /// Whether GDAL's mask band says which pixels are valid: a mask, alpha, or nodata of all bands together.
    pub mask: bool,
    /// Factor and summand for each pixel; only when it is read as a float.
    pub scale: Option<(f64, f64)>,
    /// The ABI bits, for the type to read as, of invalid pixels and those outside the file. None where there can't be
    /// any. A valid pixel that would have this value gets another mark into its window, see [`Found::marks`].
    pub mark: Option<u64>,
}

impl SourceBand {
    /// Chooses the mark of invalid pixels for a reader that wants this type. Returns also the nodata value to declare to the reader;
    /// none if NaN alone marks invalid pixels.
    #[must_use]
    pub fn marked(self, wanted: DType) -> (Self, Option<u64>) {
        self.marked_if(self.nodata.is_some() || self.mask || self.dtype.is_float(), wanted)
    }

    /// As [`marked`](Self::marked), for a file whose grid lacks pixels of the reader's grid: they are invalid.
    #[must_use]
    pub fn marked_with_gaps(self, wanted: DType) -> (Self, Option<u64>) {
        self.marked_if(true, wanted)
    }

    fn marked_if(self, can_be_invalid: bool, wanted: DType) -> (Self, Option<u64>) {
        // If no number changes, no valid one can become equal to nodata.
        let kept = !self.mask && self.scale.is_none() && holds_all(wanted, self.dtype);
        let nodata = self.nodata.map(|bits| Nodata::from_bits(bits, self.dtype));
        let nodata = nodata.and_then(|value| value.as_bits_for(wanted).ok());
        if wanted.is_float() {
            let declared = nodata.filter(|_| kept);
            return (Self { mark: declared.or(Some(f64::NAN.to_bits())), ..self }, declared);
        }
        let free = !kept || self.nodata.is_none();
        let mark = nodata.or_else(|| (can_be_invalid && free).then(|| first_mark(wanted)));
        (Self { mark, ..self }, mark)
    }
}

/// The first integer that is tried as the mark of invalid pixels.
pub(crate) fn first_mark(dtype: DType) -> u64 {
    fn bits<T: Pixel>() -> u64 {
        T::marker(0).map_or(0, T::to_bits)
    }
    for_dtype!(dtype, bits())
}

/// Marks and counts that came up while a window was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Bands, counted from 0, whose invalid pixels have another mark than [`SourceBand::mark`]; `None` if all their pixels are valid.
    pub marks: Vec<(usize, Option<u64>)>,
    /// Valid pixels, without the halo, beyond the range of the type that they were read as: clamped.
    pub clamped: u64,
    /// Valid pixels, without the halo, that this type had to round.
    pub rounded: u64,
    /// Valid pixels, without the halo, that were changed by 1: their value is the mark of invalid pixels, and no other mark was free,
    /// as the window has all values of its type.
    pub moved: u64,
}

impl Found {
    /// The mark of a band, counted from 0, whose mark is usually this.
    pub fn mark(&self, band: usize, usual: Option<u64>) -> Option<u64> {
        self.marks.iter().find(|(other, _)| *other == band).map_or(usual, |(_, mark)| *mark)
    }
}

impl SourceSpec {
    /// The window of the working grid that the file covers.
    pub fn window(&self) -> Window {
        match &self.way {
            Way::Aligned(placement) => placement.offset.window(self.file_size.0, self.file_size.1),
            Way::Resampled(resampled) => resampled.extent,
        }
    }

    /// Whether the mark of invalid pixels may differ from window to window.
    pub fn marks_vary(&self) -> bool {
        !self.dtype.is_float()
            && self
                .bands
                .iter()
                .any(|b| b.mark.is_some() && (b.mask || b.nodata.is_none() || !holds_all(self.dtype, b.dtype)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dtype: DType, nodata: Option<Nodata>, mask: bool, wanted: DType) -> (Option<u64>, Option<u64>) {
        let nodata = nodata.map(|value| value.as_bits_for(dtype).unwrap());
        let source = SourceBand { number: 1, dtype, nodata, mask, scale: None, mark: None };
        let (source, declared) = source.marked(wanted);
        (source.mark, declared)
    }

    #[test]
    fn a_mark_is_nodata_where_that_is_enough() {
        let (int, nan) = (|v: i64| Some(v.cast_unsigned()), Some(f64::NAN.to_bits()));
        let nodata = Some(Nodata::Int(-9));
        assert_eq!(of(DType::Int16, nodata, false, DType::Int16), (int(-9), int(-9)));
        assert_eq!(of(DType::Int16, None, false, DType::Int16), (None, None));
        let float = Some((-9f64).to_bits());
        assert_eq!(of(DType::Int16, nodata, false, DType::Float32), (float, float));
        // Two integers may become one float.
        assert_eq!(of(DType::Int32, nodata, false, DType::Float32), (nan, None));
        assert_eq!(of(DType::UInt8, None, false, DType::Float32), (nan, None));
        assert_eq!(of(DType::UInt8, None, true, DType::Float32), (nan, None));
    }

    #[test]
    fn an_integer_with_gaps_gets_a_mark_that_may_change() {
        let plain = SourceBand { number: 1, dtype: DType::UInt8, nodata: None, mask: false, scale: None, mark: None };
        let (band, declared) = plain.marked_with_gaps(DType::UInt8);
        assert_eq!((band.mark, declared, band.mask), (Some(255), Some(255), false));
        let (band, declared) = SourceBand { nodata: Some(7), ..plain }.marked_with_gaps(DType::UInt8);
        assert_eq!((band.mark, declared), (Some(7), Some(7)));
        let (band, declared) = plain.marked_with_gaps(DType::Float32);
        assert_eq!((band.mark, declared), (Some(f64::NAN.to_bits()), None));
    }

    #[test]
    fn an_integer_gets_a_mark_where_a_pixel_can_be_invalid() {
        assert_eq!(of(DType::UInt8, None, true, DType::UInt8), (Some(255), Some(255)));
        assert_eq!(of(DType::Float32, None, false, DType::UInt8), (Some(255), Some(255)));
        assert_eq!(of(DType::Int16, Some(Nodata::Int(-9)), false, DType::UInt8), (Some(255), Some(255)));
        assert_eq!(of(DType::Int16, Some(Nodata::Int(9)), false, DType::UInt8), (Some(9), Some(9)));
        assert_eq!(of(DType::Int16, None, false, DType::UInt8), (None, None));
    }
}
