//! Compares the pixels of two files of one size.

use crate::files::gdal::{dtype, pixels};
use crate::files::inspect::info::{BandInfo, Info, Mask};
use crate::files::inspect::open;
use crate::files::layout::{Layout, buffer_len};
use crate::{Error, Result};
use gdal::Dataset;
use grid::Window;
use std::ffi::c_int;
use types::{Number, Pixel, for_dtype};

/// Pixels of the windows that are read at a time, at most: some 50 MB with what is compared.
const MOST: u32 = 1 << 20;
/// Side of these windows, where blocks aren't larger.
const SIDE: u32 = 1024;

/// The differences of a band's pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Differences {
    /// Pixels that are valid in both files, with values that differ by more than is tolerated.
    pub differing: u64,
    /// The largest difference of such pixels; infinite where one is.
    pub largest: f64,
    /// Pixels that are valid in the first file only.
    pub only_first: u64,
    /// Pixels that are valid in the second file only.
    pub only_second: u64,
    /// The first pixel, row by row, that is counted above.
    pub place: Option<Differing>,
}

/// A pixel that differs.
#[derive(Clone, Copy, Debug)]
pub struct Differing {
    /// From 0.
    pub row: i64,
    /// From 0.
    pub col: i64,
    /// The first file's value; none where it is invalid.
    pub first: Option<Number>,
    /// The second file's.
    pub second: Option<Number>,
}

impl PartialEq for Differing {
    fn eq(&self, other: &Self) -> bool {
        (self.row, self.col) == (other.row, other.col)
    }
}

/// A file that is compared.
struct File<'a> {
    path: &'a str,
    info: &'a Info,
    dataset: Dataset,
}

/// Compares band by band, as many as both files have. Values that differ by no more than `tolerance` are the same.
///
/// # Errors
/// When the sizes differ, a file can't be opened, or pixels can't be read.
pub fn compare(first: (&str, &Info), second: (&str, &Info), tolerance: f64) -> Result<Vec<Differences>> {
    let size = |info: &Info| (info.grid.rows, info.grid.cols);
    if size(first.1) != size(second.1) {
        return Err(Error::Shape { path: second.0.to_owned(), reason: format!("its size isn't that of {}", first.0) });
    }
    let open = |(path, info)| -> Result<File> { Ok(File { path, info, dataset: open::open(path)?.dataset }) };
    let (first, second) = (open(first)?, open(second)?);
    let mut found = vec![Differences::default(); first.info.bands.len().min(second.info.bands.len())];
    for window in windows(first.info) {
        for (number, found) in (1..).zip(&mut found) {
            found.add(&first.read(number, &window)?, &second.read(number, &window)?, &window, tolerance);
        }
    }
    Ok(found)
}

/// The windows in which a file is read, row by row: whole blocks as far as memory allows.
fn windows(info: &Info) -> Vec<Window> {
    let (rows, cols) = (info.grid.rows, info.grid.cols);
    let block = info.bands.first().map_or((1, 1), |band| band.block);
    let side = |block: u32| block.max(1).saturating_mul(SIDE.div_ceil(block.max(1)));
    let width = side(block.1).min(cols).clamp(1, MOST);
    let fit = (MOST / width).max(1);
    let height = side(block.0).min(if fit > block.0 { fit - fit % block.0.max(1) } else { fit }).max(1);
    let starts = |end: u32, step: u32| (0..end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let window =
        |row: u32, col: u32| Window::new(row.into(), col.into(), height.min(rows - row), width.min(cols - col));
    starts(rows, height).flat_map(|row| starts(cols, width).map(move |col| window(row, col))).collect()
}

/// A band's pixels in a window.
struct Plane<'a> {
    band: &'a BandInfo,
    bytes: Vec<u8>,
    /// 0 where the file says that a pixel is invalid; empty if it doesn't.
    mask: Vec<u8>,
}

impl File<'_> {
    fn read(&self, number: usize, window: &Window) -> Result<Plane<'_>> {
        let failed = |reason| Error::Read { path: self.path.to_owned(), bands: vec![number], window: *window, reason };
        self.try_to_read(number, window).map_err(failed)
    }

    fn try_to_read(&self, number: usize, window: &Window) -> Result<Plane<'_>, String> {
        let too_large = || format!("a window of {window} is too large");
        let band = number.checked_sub(1).and_then(|index| self.info.bands.get(index));
        let band = band.ok_or_else(|| format!("there is no band {number}"))?;
        let c_number = c_int::try_from(number).map_err(|_| too_large())?;
        let size = band.dtype.size();
        let layout = Layout::packed(window.rows, window.cols, size).ok_or_else(too_large)?;
        let mut bytes = vec![0; buffer_len(1, window, size).ok_or_else(too_large)?];
        pixels::read(&self.dataset, &[c_number], window, dtype::to_gdal(band.dtype), &mut bytes, &layout)?;
        let mask = match band.mask {
            Mask::None => Vec::new(),
            Mask::Band | Mask::Nodata => pixels::Masks::default().read(&self.dataset, number, window)?.to_vec(),
        };
        Ok(Plane { band, bytes, mask })
    }
}

impl Plane<'_> {
    /// The values of valid pixels.
    fn values(&self) -> Vec<Option<Number>> {
        for_dtype!(self.band.dtype, values_of(self))
    }
}

fn values_of<T: Pixel>(plane: &Plane) -> Vec<Option<Number>> {
    let nodata = plane.band.nodata.and_then(|value| value.as_bits_for(plane.band.dtype).ok()).map(T::from_bits);
    let mut mask = plane.mask.iter();
    let pixels = plane.bytes.chunks_exact(size_of::<T>()).map(|bytes| {
        let value: T = bytemuck::pod_read_unaligned(bytes);
        let masked = mask.next() == Some(&0);
        let invalid = masked || value.is_nan() || nodata.is_some_and(|nodata| value.is_nodata(nodata));
        (!invalid).then(|| value.number())
    });
    pixels.collect()
}

impl Differences {
    /// Adds those of a window.
    fn add(&mut self, first: &Plane, second: &Plane, window: &Window, tolerance: f64) {
        let same_rules = (first.band.dtype, first.band.nodata) == (second.band.dtype, second.band.nodata);
        if same_rules && first.bytes == second.bytes && first.mask == second.mask {
            return;
        }
        for (index, (first, second)) in (0..).zip(first.values().into_iter().zip(second.values())) {
            match (first, second) {
                (None, None) => continue,
                (Some(_), None) => self.only_first += 1,
                (None, Some(_)) => self.only_second += 1,
                (Some(a), Some(b)) => {
                    let difference = distance(a, b);
                    if difference <= tolerance {
                        continue;
                    }
                    self.differing += 1;
                    self.largest = self.largest.max(difference);
                }
            }
            let cols = i64::from(window.cols.max(1));
            let (row, col) = (window.row + index / cols, window.col + index % cols);
            if self.place.is_none_or(|place| (row, col) < (place.row, place.col)) {
                self.place = Some(Differing { row, col, first, second });
            }
        }
    }
}

/// How far two values are apart; 0 only if they are the same number.
fn distance(a: Number, b: Number) -> f64 {
    let whole = |number| match number {
        Number::Signed(value) => Some(i128::from(value)),
        Number::Unsigned(value) => Some(i128::from(value)),
        Number::Float(_) => None,
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.abs_diff(b) as f64,
        _ => {
            let (a, b) = (a.as_float(), b.as_float());
            // Infinite values that are the same differ by NaN.
            if a == b { 0.0 } else { (a - b).abs() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tilefn_abi::DType;

    #[test]
    fn windows_cover_every_pixel_once_and_stay_small() {
        let band = |block| BandInfo {
            dtype: DType::UInt8,
            nodata: None,
            mask: Mask::None,
            scale: 1.0,
            offset: 0.0,
            name: String::new(),
            block,
            color: String::new(),
        };
        for (size, block) in [
            ((1, 1), (1, 1)),
            ((3000, 2500), (256, 256)),
            ((10, 3_000_000), (1, 3_000_000)),
            ((3000, 2500), (3000, 2500)),
            ((70_000, 3), (16, 16)),
        ] {
            let info = Info {
                grid: grid::Grid {
                    transform: grid::GeoTransform::NONE,
                    rows: size.0,
                    cols: size.1,
                    crs: grid::Crs::from(""),
                },
                georeferencing: crate::Georeferencing::None,
                bands: vec![band(block)],
                driver: String::new(),
                files: Vec::new(),
                warnings: Vec::new(),
            };
            let windows = windows(&info);
            assert!(windows.iter().all(|w| !w.is_empty() && w.pixels() <= MOST.into()), "{size:?}");
            let pixels: u64 = windows.iter().map(Window::pixels).sum();
            assert_eq!(pixels, u64::from(size.0) * u64::from(size.1), "{size:?}");
            assert!(windows.iter().all(|w| w.row_end() <= size.0.into() && w.col_end() <= size.1.into()));
        }
    }

    #[test]
    fn distances_are_exact_where_floats_are_not() {
        let large = 1 << 60;
        assert_eq!(distance(Number::Signed(large), Number::Unsigned((large + 1).cast_unsigned())), 1.0);
        assert_eq!(distance(Number::Signed(i64::MIN), Number::Unsigned(u64::MAX)), 1.5 * 2f64.powi(64));
        assert_eq!(distance(Number::Float(f64::INFINITY), Number::Float(f64::INFINITY)), 0.0);
        assert_eq!(distance(Number::Float(f64::INFINITY), Number::Signed(1)), f64::INFINITY);
        assert_eq!(distance(Number::Float(-0.0), Number::Signed(0)), 0.0);
    }
}
