//! Statistics, histogram and overviews of a file that exists already.

use crate::files::gdal::attributes::AttributeTable;
use crate::files::gdal::call;
use crate::files::inspect::info::{BandInfo, Info, Mask, inspect};
use crate::files::write::classes::has_own_table;
use crate::files::write::dataset;
use crate::files::write::finish::{build_overviews, reader, store};
use crate::files::write::progress::Progress;
use crate::files::write::spec::{Overviews, TargetSpec, overview_levels};
use crate::files::write::statistics::{Computed, Summary};
use crate::{Error, Result};
use gdal::{Dataset, Metadata};
use std::path::Path;
use types::location::gdal_name;

/// Sides of the windows that are read at a time, in pixels, where the file's blocks aren't larger.
const SIDE: u32 = 1024;

/// The statistics of a band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandStatistics {
    /// Valid pixels that are finite. Without any, the other numbers mean nothing.
    pub count: u64,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Of all pixels, not of a sample of them.
    pub stddev: f64,
    /// As exact as the histogram's bins are.
    pub median: f64,
    /// The middle of what is most frequent, as exact as the histogram's bins are.
    pub mode: f64,
}

/// Computes statistics and histogram of all bands of the file at `path`, and its overviews with one of GDAL's methods in lower case, if any.
/// They are stored in the file, or beside it if it can't be changed or is a COG, which would be one no more. `progress` is as in
/// [`Target::complete`](crate::Target::complete).
///
/// # Errors
/// When it isn't a raster, can't be read, or takes nothing of this; or [`Error::Stopped`].
pub fn complete(
    path: &str,
    overviews: Option<&str>,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Vec<BandStatistics>> {
    let info = inspect(path)?;
    let mut progress = Progress::new(progress);
    let done = with_file(path, &info, overviews, &mut progress);
    if done.is_err() && progress.stopped() {
        return Err(Error::Stopped { path: path.to_owned() });
    }
    done
}

fn with_file(path: &str, info: &Info, overviews: Option<&str>, progress: &mut Progress) -> Result<Vec<BandStatistics>> {
    let failed = |step: &'static str| {
        let path = path.to_owned();
        move |reason: String| Error::Finish { path, step, reason }
    };
    let name = gdal_name(path);
    let file = Path::new(&*name);
    let read_only = Dataset::open(file).map_err(|e| failed("opening it")(e.to_string()))?;
    let is_cog = read_only.metadata_item("LAYOUT", "IMAGE_STRUCTURE").as_deref() == Some("COG");
    let mut dataset = if is_cog { read_only } else { dataset::reopen(file).unwrap_or(read_only) };
    let mut results = Vec::new();
    let parts = (info.bands.len() + usize::from(overviews.is_some())) as f64;
    for (number, band) in (1..).zip(&info.bands) {
        progress.step(1.0 / parts);
        if band.mask == Mask::Band {
            tracing::warn!("{path}: the mask of band {number} is not looked at, only its nodata value");
        }
        let spec = spec(path, info, band, &dataset, number);
        let found = compute(&dataset, file, &spec, number, progress).map_err(failed("statistics"))?;
        forget(&mut dataset, number).map_err(failed("statistics"))?;
        store(&dataset, number, &found, path).map_err(failed("statistics"))?;
        let (found, (median, mode)) = (found.moments, found.middle.unwrap_or_default());
        let stddev = (found.squares / found.count.max(1) as f64).sqrt();
        let (count, min, max, mean) = (found.count, found.min, found.max, found.mean);
        results.push(BandStatistics { count, min, max, mean, stddev, median, mode });
    }
    let has_own = dataset.rasterband(1).and_then(|band| band.overview_count()).is_ok_and(|count| count > 0);
    if let (Some(method), Some(band)) = (overviews.filter(|_| !(is_cog && has_own)), info.bands.first()) {
        progress.step(1.0 / parts);
        let spec = spec(path, info, band, &dataset, 1);
        let spec = TargetSpec { overview_resampling: Some(method.to_owned()), ..spec };
        let levels = overview_levels(&spec);
        if !levels.is_empty() {
            build_overviews(&dataset, &spec, &levels, progress).map_err(failed("overviews"))?;
        }
    }
    progress.step(0.0);
    dataset::close(dataset).map_err(failed("closing the file"))?;
    Ok(results)
}

/// The file as if it were an output with this band alone.
fn spec(path: &str, info: &Info, band: &BandInfo, dataset: &Dataset, number: usize) -> TargetSpec {
    let thematic = dataset.rasterband(number).ok().and_then(|band| band.metadata_item("LAYER_TYPE", ""));
    let side = |block: u32| block.max(1).saturating_mul(SIDE.div_ceil(block.max(1)));
    TargetSpec {
        nodata: band.nodata,
        statistics: true,
        histogram: true,
        thematic: thematic.is_some_and(|kind| kind.eq_ignore_ascii_case("thematic")),
        overviews: Overviews::Automatic,
        // Blocks that are a row wide are rows of windows, too.
        tile: (side(band.block.0), side(band.block.1)),
        threads: std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1)),
        ..TargetSpec::plain(path.to_owned(), info.grid.clone(), band.dtype)
    }
}

fn compute(
    dataset: &Dataset,
    file: &Path,
    spec: &TargetSpec,
    number: usize,
    progress: &mut Progress,
) -> Result<Computed, String> {
    let mut summary = Summary::new(spec, false).map_err(|e| e.to_string())?.ok_or("it has no bands")?;
    summary.cover(rows_of_own_table(dataset, number));
    let mut read = reader(dataset, Some(file), spec);
    summary.read_missing(&mut |_, window, bytes| read(number - 1, window, bytes), &mut |part| progress.at(part))?;
    summary.results().pop().ok_or_else(|| "it has no bands".to_owned())
}

/// Rows of the attribute table that lies in the file itself.
fn rows_of_own_table(dataset: &Dataset, number: usize) -> usize {
    if !has_own_table(&dataset.driver().short_name()) {
        return 0;
    }
    dataset.rasterband(number).ok().and_then(|band| AttributeTable::of(&band).map(|table| table.rows())).unwrap_or(0)
}

/// Removes the statistics that the band has, which may be of other pixels.
fn forget(dataset: &mut Dataset, number: usize) -> Result<(), String> {
    let band = dataset.rasterband(number).map_err(|e| e.to_string())?;
    let kept = band.metadata_domain("").unwrap_or_default();
    let kept = kept.iter().filter_map(|item| item.split_once('='));
    let kept: Vec<_> = kept.filter(|(key, _)| !key.starts_with("STATISTICS_")).collect();
    let mut list = gdal::cpl::CslStringList::new();
    kept.iter().try_for_each(|(key, value)| list.set_name_value(key, value)).map_err(|e| e.to_string())?;
    let (result, messages) = call::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate only adds items")]
        // SAFETY: the band belongs to an open dataset, and GDAL copies the list.
        unsafe {
            gdal_sys::GDALSetMetadata(band.c_rasterband(), list.as_ptr(), std::ptr::null())
        }
    });
    messages.outcome(result)
}
