//! Converts pixels from a file's own type to the one that the function asks for. Validity is decided first, in the file's type; pixels
//! that change are counted.

use crate::SourceBand;
use std::ops::AddAssign;
use tilefn_abi::DType;
use types::{Fit, Pixel, for_dtype, holds_all};

/// How a band's pixels are converted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion {
    row: Row,
    /// The file's nodata, as bits of its type.
    nodata: Option<u64>,
    scale: Option<(f64, f64)>,
    /// Value of invalid pixels, as bits of the wanted type.
    pub(crate) mark: Option<u64>,
    /// Whether a valid pixel that equals the mark gets the value beside it.
    pub(crate) avoid_mark: bool,
}

/// Converts a row: file bytes, mask, wanted bytes.
type Row = fn(&Conversion, &[u8], Option<&[u8]>, &mut [u8]) -> Stats;

/// Counts of a conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Whether any pixel is invalid.
    pub(crate) invalid: bool,
    /// Valid pixels that equal the mark.
    pub(crate) marked: u64,
    /// Valid pixels beyond the wanted type's range.
    pub(crate) clamped: u64,
    /// Valid pixels that had to be rounded.
    pub(crate) rounded: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.invalid |= other.invalid;
        self.marked += other.marked;
        self.clamped += other.clamped;
        self.rounded += other.rounded;
    }
}

impl Conversion {
    /// From the band's type to `wanted`.
    pub(crate) fn new(band: &SourceBand, wanted: DType) -> Self {
        fn from<F: Pixel>(wanted: DType) -> Row {
            for_dtype!(wanted, row_of::<F>())
        }
        fn row_of<F: Pixel, T: Pixel>() -> Row {
            row::<F, T>
        }
        Self {
            row: for_dtype!(band.dtype, from(wanted)),
            nodata: band.nodata,
            scale: band.scale,
            mark: band.mark,
            avoid_mark: false,
        }
    }

    /// Converts consecutive pixels. Where the mask is 0 they are invalid.
    pub(crate) fn row(&self, from: &[u8], mask: Option<&[u8]>, to: &mut [u8]) -> Stats {
        (self.row)(self, from, mask, to)
    }
}

fn row<F: Pixel, T: Pixel>(how: &Conversion, from: &[u8], mask: Option<&[u8]>, to: &mut [u8]) -> Stats {
    let nodata = how.nodata.map(F::from_bits);
    // Without a mark nothing can be invalid: see `SourceBand::mark`.
    let mark = how.mark.map(T::from_bits);
    let mut stats = Stats::default();
    let mut mask = mask.map(<[u8]>::iter);
    for (from, to) in from.chunks_exact(size_of::<F>()).zip(to.chunks_exact_mut(size_of::<T>())) {
        let value: F = bytemuck::pod_read_unaligned(from);
        let masked = mask.as_mut().and_then(Iterator::next).is_some_and(|mask| *mask == 0);
        let invalid = masked | value.is_nan() | nodata.is_some_and(|nodata| value.is_nodata(nodata));
        let (mut nearest, fit) = match how.scale {
            None => T::nearest(value.number()),
            Some((scale, offset)) => {
                let scaled = value.number().as_float() * scale + offset;
                let (nearest, fit) = T::nearest(types::Number::Float(scaled));
                // A scaled number that a float's precision rounds isn't counted: the scale causes it.
                (nearest, if fit == Fit::Rounded { Fit::Exact } else { fit })
            }
        };
        match mark {
            Some(mark) if invalid => {
                stats.invalid = true;
                nearest = mark;
            }
            _ => {
                stats.clamped += u64::from(fit == Fit::Clamped);
                stats.rounded += u64::from(fit == Fit::Rounded);
                if mark == Some(nearest) {
                    stats.marked += 1;
                    if how.avoid_mark {
                        nearest = beside(nearest);
                    }
                }
            }
        }
        to.copy_from_slice(bytemuck::bytes_of(&nearest));
    }
    stats
}

/// An integer's neighbour.
fn beside<T: Pixel>(value: T) -> T {
    let distance = value.distance().unwrap_or_default();
    T::marker(distance + 1).or_else(|| T::marker(distance.wrapping_sub(1))).unwrap_or(value)
}

/// A mark that none of these pixels has, if one of the first that are tried is free.
pub(crate) fn unused_mark(dtype: DType, pixels: &[u8]) -> Option<u64> {
    for_dtype!(dtype, unused_mark_of(pixels))
}

fn unused_mark_of<T: Pixel>(pixels: &[u8]) -> Option<u64> {
    // All values of the small types; of the larger ones enough that real rasters leave some of them out.
    let mut used = vec![false; 1 << 16];
    for pixel in pixels.chunks_exact(size_of::<T>()) {
        let distance = bytemuck::pod_read_unaligned::<T>(pixel).distance().and_then(|d| usize::try_from(d).ok());
        if let Some(used) = distance.and_then(|distance| used.get_mut(distance)) {
            *used = true;
        }
    }
    let free = used.iter().position(|used| !used)?;
    T::marker(u64::try_from(free).ok()?).map(T::to_bits)
}

/// Sets pixels that GDAL has converted to exactly the band's nodata value if they count as nodata without being equal to it.
pub(crate) fn snap(band: &SourceBand, wanted: DType, row: &mut [u8]) {
    let Some(nodata) = band.nodata.map(f64::from_bits) else { return };
    match (band.dtype, wanted) {
        #[expect(clippy::cast_possible_truncation, reason = "the bits of a float32 band hold a float32's value")]
        (DType::Float32, DType::Float32) => snap_to(row, nodata as f32, |v: f32| v),
        #[expect(clippy::cast_possible_truncation, reason = "the pixels and the nodata value were float32")]
        (DType::Float32, DType::Float64) => snap_to(row, nodata as f32, |v: f64| v as f32),
        (DType::Float64, DType::Float64) => snap_to(row, nodata, |v: f64| v),
        _ => {}
    }
}

fn snap_to<T: Pixel, F: Pixel + Into<T>>(row: &mut [u8], nodata: F, own: impl Fn(T) -> F) {
    let exact: T = nodata.into();
    for bytes in row.chunks_exact_mut(size_of::<T>()) {
        let value: T = bytemuck::pod_read_unaligned(bytes);
        let value = if own(value).is_nodata(nodata) { exact } else { value };
        bytes.copy_from_slice(bytemuck::bytes_of(&value));
    }
}

impl SourceBand {
    /// Whether GDAL can convert the band: no number changes, and its nodata value alone says which pixels are invalid. A mark that isn't
    /// nodata may be a valid pixel's value, which GDAL wouldn't notice.
    pub(crate) fn is_direct(&self, wanted: DType, has_int8: bool) -> bool {
        let int8 = self.dtype == DType::Int8 || wanted == DType::Int8;
        let may_be_valid = self.mark.is_some() && self.nodata.is_none() && !wanted.is_float();
        !self.mask
            && !may_be_valid
            && self.scale.is_none()
            && holds_all(wanted, self.dtype)
            && (has_int8 || !int8 || self.dtype == wanted)
    }

    /// Whether pixels near its nodata value count as nodata, too.
    pub(crate) fn is_fuzzy(&self) -> bool {
        let nodata = self.nodata.map(f64::from_bits);
        self.dtype.is_float() && nodata.is_some_and(|nodata| nodata.is_finite() && nodata != 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(dtype: DType, nodata: Option<u64>, mark: Option<u64>) -> SourceBand {
        SourceBand { number: 1, dtype, nodata, mask: false, scale: None, mark }
    }

    fn bytes<T: Pixel>(pixels: &[T]) -> Vec<u8> {
        bytemuck::cast_slice(pixels).to_vec()
    }

    #[test]
    fn validity_is_the_files_own() {
        // Both are the same float32, but only one is nodata.
        let how = Conversion::new(&band(DType::Int32, Some(16_777_216), Some(f64::NAN.to_bits())), DType::Float32);
        let mut to = [0; 8];
        let stats = how.row(&bytes(&[16_777_216i32, 16_777_217]), None, &mut to);
        assert!(bytemuck::pod_read_unaligned::<f32>(&to[..4]).is_nan());
        assert_eq!(bytemuck::pod_read_unaligned::<f32>(&to[4..]), 16_777_216.0);
        assert_eq!(stats, Stats { invalid: true, rounded: 1, ..Stats::default() });
    }

    #[test]
    fn a_valid_pixel_may_get_the_value_beside_the_mark() {
        let mut how = Conversion::new(&band(DType::Float32, Some(255f64.to_bits()), Some(255)), DType::UInt8);
        let from = bytes(&[254.6f32, 255.0, 300.0, f32::NAN, 1.0]);
        let mut to = [0; 5];
        let stats = how.row(&from, None, &mut to);
        assert_eq!((to, stats), ([255, 255, 255, 255, 1], Stats { invalid: true, marked: 2, clamped: 1, rounded: 1 }));
        how.avoid_mark = true;
        how.row(&from, None, &mut to);
        assert_eq!(to, [254, 255, 254, 255, 1]);
    }

    #[test]
    fn masks_and_scales() {
        let band = SourceBand { scale: Some((0.5, -1.0)), ..band(DType::Int16, Some(7), Some(f64::NAN.to_bits())) };
        let how = Conversion::new(&band, DType::Float64);
        let mut to = [0; 24];
        how.row(&bytes(&[7i16, 8, 9]), Some(&[255, 1, 0]), &mut to);
        let pixels: Vec<f64> = to.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
        assert!(pixels[0].is_nan() && pixels[2].is_nan());
        assert_eq!(pixels[1], 3.0);
    }

    #[test]
    fn a_mark_is_one_that_no_pixel_has() {
        assert_eq!(unused_mark(DType::UInt8, &[255, 254, 0]), Some(253));
        assert_eq!(unused_mark(DType::UInt8, &(0..=255).collect::<Vec<_>>()), None);
        assert_eq!(unused_mark(DType::Int16, &bytes(&[i16::MIN, 0])), Some(i64::from(i16::MIN + 1).cast_unsigned()));
        assert_eq!(unused_mark(DType::Int64, &bytes(&[i64::MAX])), Some(i64::MIN.cast_unsigned()));
    }

    #[test]
    fn what_is_near_nodata_becomes_nodata() {
        let pixels = [f32::MIN, -1e36, -2e35, 0.0, f32::NEG_INFINITY];
        let mut row = bytes(&pixels);
        let tag = f64::from(-3.4e38f32);
        snap(&band(DType::Float32, Some(tag.to_bits()), None), DType::Float32, &mut row);
        assert_eq!(row, bytes(&[-3.4e38f32, -3.4e38, -2e35, 0.0, f32::NEG_INFINITY]));
        let mut row = bytes(&pixels.map(f64::from));
        snap(&band(DType::Float32, Some(tag.to_bits()), None), DType::Float64, &mut row);
        assert_eq!(row, bytes(&[tag, tag, f64::from(-2e35f32), 0.0, f64::NEG_INFINITY]));
    }
}
