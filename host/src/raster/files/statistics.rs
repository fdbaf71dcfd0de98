//! Statistics and histograms of a finished band, computed by GDAL and stored as GDAL and RIOS store them.

use super::cpl;
use super::finishing::Progress;
use gdal::raster::RasterBand;
use gdal::{Dataset, Metadata};
use gdal_sys::CPLErr;
use std::ffi::c_int;
use tilefn_abi::DType;

/// Bins of a histogram when there isn't one for each value.
const LINEAR_BINS: u32 = 256;
/// Most bins of a histogram with one for each class.
const MOST_CLASSES: f64 = 65_536.0;

/// What to compute of a band.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) statistics: bool,
    pub(super) histogram: bool,
    pub(super) thematic: bool,
    pub(super) dtype: DType,
}

/// Computes and stores what is wanted of a band; returns its smallest and largest valid value, if any was computed and
/// there is a valid pixel. A band without one gets no statistics, which is no error.
pub(super) fn compute(
    band: &mut RasterBand,
    wanted: Wanted,
    progress: &mut Progress,
) -> Result<Option<(f64, f64)>, String> {
    let Some((min, max)) = range(band, wanted.statistics, progress)? else {
        return Ok(None);
    };
    if wanted.histogram {
        if min.is_finite() && max.is_finite() {
            let bins = Bins::choose(min, max, wanted);
            let counts = count(band, &bins, progress)?;
            bins.store(band, &counts, wanted)?;
        } else {
            tracing::warn!("a band with infinite values gets no histogram");
        }
    }
    Ok(Some((min, max)))
}

/// What is stored of the statistics of all bands: number, key and value.
pub(super) fn items(dataset: &Dataset) -> Result<Vec<(usize, String, String)>, String> {
    let mut items = Vec::new();
    for number in 1..=dataset.raster_count() {
        let band = dataset.rasterband(number).map_err(|e| e.to_string())?;
        for item in band.metadata_domain("").unwrap_or_default() {
            match item.split_once('=') {
                Some((key, value)) if key.starts_with("STATISTICS_") => {
                    items.push((number, key.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
    }
    Ok(items)
}

/// Smallest and largest valid value, with mean and standard deviation stored beside them if `statistics`.
fn range(band: &RasterBand, statistics: bool, progress: &mut Progress) -> Result<Option<(f64, f64)>, String> {
    let (mut min, mut max, mut mean, mut stddev) = (f64::NAN, f64::NAN, f64::NAN, f64::NAN);
    let (result, messages) = cpl::watch(|| {
        let (function, argument) = progress.callback();
        if statistics {
            #[expect(unsafe_code, reason = "the gdal crate doesn't report progress")]
            // SAFETY: the band is valid, the numbers outlive the call, and so does what `argument` points to.
            unsafe {
                gdal_sys::GDALComputeRasterStatistics(
                    band.c_rasterband(),
                    c_int::from(false),
                    &raw mut min,
                    &raw mut max,
                    &raw mut mean,
                    &raw mut stddev,
                    function,
                    argument,
                )
            }
        } else {
            match band.compute_raster_min_max(false) {
                Ok(range) => {
                    (min, max) = (range.min, range.max);
                    CPLErr::CE_None
                }
                Err(_) => CPLErr::CE_Failure,
            }
        }
    });
    if result == CPLErr::CE_None {
        return Ok(Some((min, max)));
    }
    let reason = messages.reason("GDAL gives no reason");
    if reason.contains("no valid pixels") { Ok(None) } else { Err(reason) }
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
    fn choose(min: f64, max: f64, wanted: Wanted) -> Self {
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

    fn store(&self, band: &mut RasterBand, counts: &[u64], wanted: Wanted) -> Result<(), String> {
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
        if wanted.statistics {
            let integer = !wanted.dtype.is_float();
            items.push(("STATISTICS_MEDIAN", self.value(median_bin(counts), integer).to_string()));
            items.push(("STATISTICS_MODE", self.value(mode_bin(counts), integer).to_string()));
        }
        for (key, value) in items {
            band.set_metadata_item(key, &value, "").map_err(|e| format!("{key}: {e}"))?;
        }
        Ok(())
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

fn count(band: &RasterBand, bins: &Bins, progress: &mut Progress) -> Result<Vec<u64>, String> {
    let half = if bins.direct { 0.5 } else { 0.0 };
    let mut counts = vec![0u64; usize::try_from(bins.count).unwrap_or_default()];
    let count = c_int::try_from(bins.count).map_err(|e| e.to_string())?;
    let (result, messages) = cpl::watch(|| {
        let (function, argument) = progress.callback();
        #[expect(unsafe_code, reason = "the gdal crate doesn't report progress")]
        // SAFETY: the band is valid, `counts` has `count` items, and what `argument` points to outlives the call.
        unsafe {
            gdal_sys::GDALGetRasterHistogramEx(
                band.c_rasterband(),
                bins.min - half,
                bins.max + half,
                count,
                counts.as_mut_ptr(),
                // The highest value belongs to the last bin, not beyond it.
                c_int::from(true),
                c_int::from(false),
                function,
                argument,
            )
        }
    });
    if result == CPLErr::CE_None { Ok(counts) } else { Err(messages.reason("GDAL gives no reason")) }
}
