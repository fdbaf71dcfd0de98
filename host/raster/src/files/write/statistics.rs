//! Statistics and histograms of a finished band, stored as GDAL and RIOS store them.
//!
//! They are computed here, since GDAL compares 32- and 64-bit integers with the nodata value as float32 and so leaves valid pixels out,
//! and stores what it makes of an infinite value, which is no number.

use crate::files::gdal::{dtype, pixels};
use crate::files::layout::Layout;
use crate::files::write::progress::Progress;
use crate::files::write::spec::{TargetSpec, nodata_bits};
use gdal::Dataset;
use grid::Window;
use std::ffi::c_int;
use tilefn_abi::DType;

/// Bins of a histogram when there isn't one for each value.
const LINEAR_BINS: u32 = 256;
/// Most bins of a histogram with one for each class.
const MOST_CLASSES: f64 = 65_536.0;
/// Bytes that are read at a time, if a block hasn't more.
const READ: usize = 4 << 20;
/// Pixels whose mean is taken at a time: sums of so few lose nothing that matters.
const CHUNK: usize = 4096;

/// The statistics of a band.
#[derive(Debug)]
pub(crate) struct Computed {
    /// Keys and values to be stored.
    pub(crate) items: Vec<(String, String)>,
    /// The largest valid value that is finite.
    pub(crate) max: Option<f64>,
}

/// Computes what the job wants of a band, from 1. One without a valid pixel gets no statistics, which is no error.
pub(crate) fn compute(
    dataset: &Dataset,
    number: usize,
    spec: &TargetSpec,
    progress: &mut Progress,
) -> Result<Computed, String> {
    let passes = if spec.histogram { 0.5 } else { 1.0 };
    let mut sums = Sums::default();
    each_value(dataset, number, spec, &mut |values| sums.add(values), &mut |part| progress.at(part * passes))?;
    if sums.infinite > 0 {
        tracing::warn!(
            "{}: {} infinite values of band {number} are left out of its statistics",
            spec.path,
            sums.infinite
        );
    }
    let mut items = if spec.statistics { sums.items(spec) } else { Vec::new() };
    if sums.count == 0 {
        return Ok(Computed { items, max: None });
    }
    if spec.histogram {
        let bins = Bins::choose(sums.min, sums.max, spec);
        let mut counts = vec![0u64; usize::try_from(bins.count).unwrap_or_default()];
        let mut count = |values: &[f64]| {
            for value in values.iter().filter(|value| value.is_finite()) {
                if let Some(count) = counts.get_mut(bins.of(*value)) {
                    *count += 1;
                }
            }
        };
        each_value(dataset, number, spec, &mut count, &mut |part| progress.at(0.5 + part / 2.0))?;
        items.extend(bins.items(&counts, spec));
    }
    Ok(Computed { items, max: Some(sums.max) })
}

/// Sums over the pixels of a band.
struct Sums {
    /// Pixels of the band.
    pixels: u64,
    /// Of those, valid and finite ones.
    count: u64,
    /// Valid ones that are not finite.
    infinite: u64,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of the squares of the distances from the mean.
    squares: f64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { pixels: 0, count: 0, infinite: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, squares: 0.0 }
    }
}

impl Sums {
    /// Adds values; NaN stands for a pixel that isn't valid.
    fn add(&mut self, values: &[f64]) {
        self.pixels += values.len() as u64;
        for chunk in values.chunks(CHUNK) {
            let finite = || chunk.iter().copied().filter(|value| value.is_finite());
            let (mut count, mut sum) = (0u64, 0.0);
            for value in finite() {
                count += 1;
                sum += value;
                self.min = self.min.min(value);
                self.max = self.max.max(value);
            }
            self.infinite += chunk.iter().filter(|value| value.is_infinite()).count() as u64;
            if count == 0 {
                continue;
            }
            let mean = sum / count as f64;
            let squares: f64 = finite().map(|value| (value - mean) * (value - mean)).sum();
            // Chan, Golub and LeVeque: how the sums of two sets become those of both.
            let (own, other) = (self.count as f64, count as f64);
            let distance = mean - self.mean;
            self.mean += distance * other / (own + other);
            self.squares += squares + distance * distance * own * other / (own + other);
            self.count += count;
        }
    }

    fn items(&self, spec: &TargetSpec) -> Vec<(String, String)> {
        // Integers in full, everything else as in GDAL.
        let value = |value: f64| if spec.dtype.is_float() { general(value, 14) } else { value.to_string() };
        let percent = if self.count == self.pixels { 100.0 } else { 100.0 * self.count as f64 / self.pixels as f64 };
        let percent = ("STATISTICS_VALID_PERCENT".to_owned(), general(percent, 4));
        if self.count == 0 {
            return vec![percent];
        }
        let mut items: Vec<_> = [
            ("STATISTICS_MINIMUM", value(self.min)),
            ("STATISTICS_MAXIMUM", value(self.max)),
            ("STATISTICS_MEAN", general(self.mean, 14)),
            ("STATISTICS_STDDEV", general((self.squares / self.count as f64).sqrt(), 14)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        items.push(percent);
        items
    }
}

/// A number with so many digits that count, as C's `%.*g` has it.
fn general(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    match usize::try_from(i64::try_from(digits).unwrap_or(0) - 1 - i64::from(exponent)) {
        Ok(decimals) if exponent >= -4 => trim(&format!("{value:.decimals$}")),
        _ => format!("{}e{}{:02}", trim(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// Calls `each` with the values of all pixels of a band, in parts; NaN stands for those that aren't valid. `go_on` is told the part done.
fn each_value(
    dataset: &Dataset,
    number: usize,
    spec: &TargetSpec,
    each: &mut dyn FnMut(&[f64]),
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<(), String> {
    let too_large = || "a block is too large".to_owned();
    let band = dataset.rasterband(number).map_err(|e| e.to_string())?;
    let ((block_cols, block_rows), (cols, rows)) = (band.block_size(), dataset.raster_size());
    let size = spec.dtype.size();
    let (block_cols, block_rows) = (block_cols.clamp(1, cols.max(1)), block_rows.clamp(1, rows.max(1)));
    let pixels = READ / size;
    // Whole blocks: as many in a row as there is room for, then as many rows of them.
    let wide = (pixels / block_rows.saturating_mul(block_cols)).max(1).saturating_mul(block_cols).min(cols);
    let high = (pixels / block_rows.saturating_mul(wide)).max(1).saturating_mul(block_rows).min(rows);
    let number = [c_int::try_from(number).map_err(|_| too_large())?];
    let nodata = spec.nodata.map(|_| nodata_bits(spec)).transpose().map_err(|e| e.to_string())?;
    let (mut bytes, mut values) = (Vec::new(), Vec::new());
    for row in (0..rows).step_by(high.max(1)) {
        for col in (0..cols).step_by(wide.max(1)) {
            let side = |n: usize| u32::try_from(n).map_err(|_| too_large());
            let at = |n: usize| i64::try_from(n).map_err(|_| too_large());
            let window = Window::new(at(row)?, at(col)?, side(high.min(rows - row))?, side(wide.min(cols - col))?);
            let layout = Layout::packed(window.rows, window.cols, size).ok_or_else(too_large)?;
            bytes.resize(layout.band, 0);
            pixels::read(dataset, &number, &window, dtype::to_gdal(spec.dtype), &mut bytes, &layout)?;
            values.clear();
            numbers(&bytes, spec.dtype, nodata, &mut values);
            each(&values);
        }
        if !go_on((row + high.min(rows - row)) as f64 / rows as f64) {
            return Err("stopped".into());
        }
    }
    Ok(())
}

/// The numbers of pixels in memory order; NaN for those that are nodata.
fn numbers(bytes: &[u8], dtype: DType, nodata: Option<u64>, values: &mut Vec<f64>) {
    macro_rules! numbers {
        ($type:ty, $convert:expr) => {{
            const SIZE: usize = size_of::<$type>();
            let pixel = |bytes: &[u8; SIZE]| <$type>::from_ne_bytes(*bytes);
            // As the type holds it, so that nothing else is equal.
            let nodata = nodata.map(|bits| crate::files::fill::pixel_bytes(bits, dtype));
            let nodata = nodata.and_then(|bytes| bytes.first_chunk::<SIZE>().map(pixel));
            let value = |bytes: &[u8; SIZE]| {
                let value = pixel(bytes);
                if Some(value) == nodata { f64::NAN } else { $convert(value) }
            };
            values.extend(bytes.as_chunks::<SIZE>().0.iter().map(value));
        }};
    }
    match dtype {
        DType::UInt8 => numbers!(u8, f64::from),
        DType::Int8 => numbers!(i8, f64::from),
        DType::UInt16 => numbers!(u16, f64::from),
        DType::Int16 => numbers!(i16, f64::from),
        DType::UInt32 => numbers!(u32, f64::from),
        DType::Int32 => numbers!(i32, f64::from),
        DType::UInt64 => numbers!(u64, |value: u64| value as f64),
        DType::Int64 => numbers!(i64, |value: i64| value as f64),
        DType::Float32 => numbers!(f32, f64::from),
        DType::Float64 => numbers!(f64, |value: f64| value),
    }
}

/// The bins of a histogram.
struct Bins {
    /// As stored: the lowest and highest value.
    min: f64,
    max: f64,
    count: u32,
    /// Whether there is one bin for each value.
    direct: bool,
}

impl Bins {
    /// One bin for each class of a thematic or 8-bit band, from 0; one for each value of any other integer band that
    /// spans no more than 256; else 256 equal ones.
    fn choose(min: f64, max: f64, wanted: &TargetSpec) -> Self {
        let integer = !wanted.dtype.is_float();
        let classes = integer && (wanted.thematic || wanted.dtype == DType::UInt8) && min >= 0.0 && max < MOST_CLASSES;
        let low = if classes { 0.0 } else { min };
        if classes || (integer && max - min < f64::from(LINEAR_BINS)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 65536")]
            let count = (max - low + 1.0) as u32;
            return Self { min: low, max, count, direct: true };
        }
        if min == max {
            return Self { min, max: max + 0.5, count: 1, direct: false };
        }
        Self { min, max, count: LINEAR_BINS, direct: false }
    }

    /// The value that a bin stands for.
    fn value(&self, bin: usize, integer: bool) -> f64 {
        let step = if self.direct { 1.0 } else { (self.max - self.min) / f64::from(self.count) };
        let value = bin as f64 * step + self.min;
        if integer { value.round() } else { value }
    }

    /// The bin of a value between the lowest and the highest, which belongs to the last one.
    fn of(&self, value: f64) -> usize {
        let half = if self.direct { 0.5 } else { 0.0 };
        let scale = f64::from(self.count) / (self.max - self.min + 2.0 * half);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is clamped to the type's range"
        )]
        let bin = ((value - self.min + half) * scale) as usize;
        bin.min(usize::try_from(self.count).unwrap_or(usize::MAX).saturating_sub(1))
    }

    /// As it is stored; with `statistics` median and mode beside it.
    fn items(&self, counts: &[u64], spec: &TargetSpec) -> Vec<(String, String)> {
        let mut values = String::new();
        for count in counts {
            values.push_str(&count.to_string());
            values.push('|');
        }
        let mut items = vec![
            ("STATISTICS_HISTOMIN", self.min.to_string()),
            ("STATISTICS_HISTOMAX", self.max.to_string()),
            ("STATISTICS_HISTONUMBINS", self.count.to_string()),
            ("STATISTICS_HISTOBINFUNCTION", if self.direct { "direct" } else { "linear" }.to_owned()),
            ("STATISTICS_HISTOBINVALUES", values),
        ];
        if spec.statistics {
            let integer = !spec.dtype.is_float();
            items.push(("STATISTICS_MEDIAN", self.value(median_bin(counts), integer).to_string()));
            items.push(("STATISTICS_MODE", self.value(mode_bin(counts), integer).to_string()));
        }
        items.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// The first bin that has half of all pixels in it or before it.
fn median_bin(counts: &[u64]) -> usize {
    let total: u64 = counts.iter().sum();
    let mut before = 0;
    counts
        .iter()
        .position(|count| {
            before += count;
            before * 2 >= total
        })
        .unwrap_or_default()
}

/// The first of the fullest bins.
fn mode_bin(counts: &[u64]) -> usize {
    let most = counts.iter().max();
    counts.iter().position(|count| Some(count) == most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts by C: `printf %.14g`, `printf %.4g`.
    #[test]
    fn numbers_as_c_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (100.0, "100"),
            (-2.5, "-2.5"),
            (1.0 / 3.0, "0.33333333333333"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (12_345_678_901_234.0, "12345678901234"),
            (0.000_012_5, "1.25e-05"),
            (0.000_125, "0.000125"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(general(value, 14), expected);
        }
        assert_eq!(general(99.876_54, 4), "99.88");
        assert_eq!(general(0.001_234_56, 4), "0.001235");
    }

    #[test]
    fn sums_of_parts_are_those_of_all() {
        let values: Vec<f64> = (0..10_000u32).map(|n| 1e9 + f64::from(n % 7)).collect();
        let mut sums = Sums::default();
        values.chunks(333).for_each(|part| sums.add(part));
        sums.add(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        let offsets = || (0..10_000u32).map(|n| f64::from(n % 7));
        let mean = offsets().sum::<f64>() / 10_000.0;
        let squares = offsets().map(|v| (v - mean).powi(2)).sum::<f64>();
        assert_eq!((sums.count, sums.infinite, sums.pixels, sums.min, sums.max), (10_000, 2, 10_003, 1e9, 1e9 + 6.0));
        assert!((sums.mean - 1e9 - mean).abs() < 1e-6 && (sums.squares / squares - 1.0).abs() < 1e-9);
    }

    #[test]
    fn nodata_is_compared_in_the_type() {
        // 16777217 and 16777216 are the same float32.
        let bytes: Vec<u8> = [16_777_216i32, 16_777_217, -1].iter().flat_map(|v| v.to_ne_bytes()).collect();
        let mut values = Vec::new();
        numbers(&bytes, DType::Int32, Some(16_777_217), &mut values);
        assert!(values[0] == 16_777_216.0 && values[1].is_nan() && values[2] == -1.0);
    }
}
