//! Tries an output out before any work is done: writes and finishes a tiny raster of the same type and options, and reads it again. So
//! everything that a driver refuses, drops or changes is known.

use crate::files::fill::{fill, pixel_bytes};
use crate::files::gdal::{call, dtype, lists, pixels};
use crate::files::inspect::info;
use crate::files::layout::Layout;
use crate::files::write::classes;
use crate::files::write::creation::Creation;
use crate::files::write::destination;
use crate::files::write::spec::{Overviews, TargetSpec, check, nodata_bits, overview_levels};
use crate::files::write::target::Target;
use crate::{Error, Result};
use gdal::raster::RasterBand;
use gdal::{Dataset, Metadata};
use grid::{Grid, Window};
use std::path::Path;
use tilefn_abi::DType;
use tracing::subscriber::{NoSubscriber, with_default};
use types::location::gdal_name;
use types::{Nodata, holds_all};

/// Rows and columns of the raster that is tried: not the same number, as some formats take bands for rows.
const ROWS: u32 = 16;
const COLS: u32 = 20;
/// Strips are tried with one row more than they have, up to this.
const MOST_ROWS: u32 = 4096;
/// Some drivers have sizes that they can't be larger than: sides from here on are tried.
const LONG: u32 = 4096;
/// A driver that wants certain sizes gets the output's own, if it has no more pixels than this.
const MOST_PIXELS: u64 = 1 << 22;

/// The findings about an output that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// Of the files that it has beside its own, what follows its name without the extension: `.hdr`, `.tif.aux.xml`.
    pub beside: Vec<String>,
    /// Properties that the format doesn't keep, though it can be written.
    pub warnings: Vec<String>,
}

impl TargetSpec {
    /// Tries the output in a temporary folder; what is at its place stays untouched.
    ///
    /// # Errors
    /// As making, completing and publishing a [`Target`], and when what is read again are not the pixels, bands and nodata value that were
    /// written.
    pub fn rehearse(&self) -> Result<Rehearsal> {
        // GDAL will give the same messages again when the output itself is written.
        with_default(NoSubscriber::new(), || self.try_out())
    }

    fn try_out(&self) -> Result<Rehearsal> {
        let failed = |reason: String| Error::Create { path: self.path.clone(), reason };
        let spec = check(self.clone())?;
        let creation = Creation::plan(&spec).map_err(failed)?;
        let (rows, cols) = (spec.grid.rows, spec.grid.cols);
        let strip = creation.strip().map_or(0, |rows| rows.saturating_add(1)).min(MOST_ROWS);
        let tiny = (rows.min(ROWS.max(strip)), cols.min(COLS));
        let whole = u64::from(rows) * u64::from(cols) <= MOST_PIXELS;
        let rehearsal = match run(&spec, &creation, tiny) {
            Err(refused) if !creation.direct && whole && tiny != (rows, cols) => {
                run(&spec, &creation, (rows, cols)).map_err(|_| refused)
            }
            result => result,
        };
        let rehearsal = rehearsal.map_err(failed)?;
        if !creation.direct && creation.driver_name() != "COG" {
            for size in [(rows.min(ROWS), cols), (rows, cols.min(COLS))] {
                if size.0.max(size.1) > LONG {
                    run(&spec, &creation, size).map_err(failed)?;
                }
            }
        }
        Ok(rehearsal)
    }
}

/// Writes a raster of this size as the output is written, and reads it again.
fn run(spec: &TargetSpec, creation: &Creation, (rows, cols): (u32, u32)) -> Result<Rehearsal, String> {
    let folder = match tempfile::Builder::new().prefix("tilefn-").tempdir() {
        Ok(folder) => folder,
        // No reason to fail: the output itself is written to another folder.
        Err(e) => {
            let warning = format!("it is not tried out before it is written, as there is no temporary folder: {e}");
            return Ok(Rehearsal { beside: Vec::new(), warnings: vec![warning] });
        }
    };
    let destination = destination::destination(&gdal_name(&spec.path))?;
    let path = folder.path().join(destination.file_name().ok_or("it is not the name of a file")?);
    // Two, if there are several: GDAL 3.6 spoils files of 64-bit integers only then.
    let levels = [2, 4].into_iter().take(overview_levels(spec).len()).collect();
    let tiny = TargetSpec {
        path: path.to_string_lossy().into_owned(),
        driver: Some(creation.driver_name().to_owned()),
        // All options are given, so that no default follows from the small size.
        options: creation.options.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        grid: Grid { rows, cols, ..spec.grid.clone() },
        overviews: Overviews::Levels(levels),
        tile: (rows, cols),
        ..spec.clone()
    };
    let pixels = pattern(&tiny, creation.bits())?;
    let window = Window::new(0, 0, rows, cols);
    let driver = creation.driver_name();
    let in_words = |error: Error| match error {
        Error::Create { reason, .. } => reason,
        Error::Write { reason, .. } => format!("writing pixels: {reason}"),
        Error::Finish { step: "overviews", reason, .. } => {
            format!(
                "{reason}; leave `overviews` and `levels` out, or choose a format that has them, such as GTiff or COG"
            )
        }
        Error::Finish { step: "classes and colours", reason, .. } => {
            format!(
                "{reason}; leave classes and colours out, or choose a format that has them, such as GTiff, COG or HFA"
            )
        }
        Error::Finish { step: "giving it its name", .. } => format!("{driver} writes no file of this name"),
        Error::Finish { step, reason, .. } => format!("{step}: {reason}"),
        other => other.to_string(),
    };
    let written = || {
        let mut target = Target::create(tiny.clone())?;
        target.write(window, &pixels)?;
        // Nothing of it outlives this, so nothing has to be on the disk.
        target.complete(&mut |_| true)?.publish(false)
    };
    written().map_err(|error| without_folder(&in_words(error), folder.path()))?;
    let warnings = compare(&tiny, driver, &path, &pixels)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let names = names(folder.path()).into_iter().filter(|name| Some(name.as_ref()) != path.file_name());
    let beside = names.filter_map(|name| name.strip_prefix(&*stem).map(str::to_owned)).collect();
    Ok(Rehearsal { beside, warnings })
}

/// A text of GDAL's in which files of the folder have only their names.
fn without_folder(text: &str, folder: &Path) -> String {
    let folder = format!("{}/", folder.display());
    let mut parts = text.split(&folder);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let word = part.find(char::is_whitespace).unwrap_or(part.len());
        let name = part.get(..word).and_then(|path| path.rfind('/')).map_or(0, |slash| slash + 1);
        clean.push_str(part.get(name..).unwrap_or_default());
    }
    clean
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Values that no format keeps by chance, each fifth of them nodata. With fewer bits than the type has, they fit these.
fn pattern(spec: &TargetSpec, bits: Option<u32>) -> Result<Vec<u8>, String> {
    let size = spec.dtype.size();
    let count = [spec.bands, spec.grid.rows, spec.grid.cols].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let count = count.iter().try_fold(1usize, |all, n| all.checked_mul(*n)).ok_or("it has too many bands")?;
    let mut data = vec![0; count.checked_mul(size).ok_or("it has too many bands")?];
    let nodata = nodata_bits(spec).map_err(|e| e.to_string())?;
    if let (Some(value), Some(bits)) = (spec.nodata, bits.filter(|_| !spec.dtype.is_float()))
        && nodata.checked_shr(bits).is_some_and(|rest| rest > 0)
    {
        return Err(format!(
            "the nodata value {value} has no room in NBITS={bits}: set nodata = \"none\", or another value"
        ));
    }
    let values = 2u32.checked_pow(bits.unwrap_or(8)).unwrap_or(u32::MAX).min(101);
    let mut number = 0u32;
    for (at, pixel) in data.chunks_exact_mut(size).enumerate() {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = (number >> 8) % values;
        let nodata_here = spec.nodata.is_some() && at % 5 == 4;
        let bits = match spec.dtype {
            _ if nodata_here => nodata,
            DType::Float32 | DType::Float64 => {
                let value = Nodata::Float(f64::from(value) / 7.0);
                value.as_bits_for(spec.dtype).map_err(|e| e.to_string())?
            }
            _ => value.into(),
        };
        for (to, from) in pixel.iter_mut().zip(pixel_bytes(bits, spec.dtype)) {
            *to = from;
        }
    }
    Ok(data)
}

/// Holds what was read against what was written; returns what isn't kept but does no harm.
fn compare(spec: &TargetSpec, driver: &str, path: &Path, written: &[u8]) -> Result<Vec<String>, String> {
    let (opened, messages) = call::watch(|| Dataset::open(path));
    let dataset =
        opened.map_err(|e| format!("{driver} files can't be read again: {}", messages.reason(&e.to_string())))?;
    let parts = lists::subdatasets(&dataset);
    if dataset.raster_count() == 0 && u32::try_from(parts.len()) == Ok(spec.bands) {
        return compare_parts(spec, driver, &parts, written);
    }
    if u32::try_from(dataset.raster_count()) != Ok(spec.bands) {
        return Err(format!("{driver} keeps {} of {} bands", dataset.raster_count(), spec.bands));
    }
    let (cols, rows) = dataset.raster_size();
    if (u32::try_from(rows), u32::try_from(cols)) != (Ok(spec.grid.rows), Ok(spec.grid.cols)) {
        return Err(format!("{driver} makes {rows} rows × {cols} columns of {} × {}", spec.grid.rows, spec.grid.cols));
    }
    let mut warnings = Vec::new();
    let band = dataset.rasterband(1).map_err(|e| e.to_string())?;
    let found = info::band_dtype(&band);
    if found != Some(spec.dtype) {
        let stores =
            format!("{driver} stores {} pixels as {}", spec.dtype.name(), found.map_or("another type", DType::name));
        if !found.is_some_and(|found| holds_all(found, spec.dtype)) {
            return Err(format!("{stores}: choose a format that has the type"));
        }
        warnings.push(stores);
    }
    check_nodata(spec, driver, &band, &mut warnings)?;
    check_pixels(spec, driver, &dataset, written, &mut warnings)?;
    warnings.extend(classes::check_kept(spec, driver, &band)?);
    let kept = |(number, name): (usize, &String)| {
        dataset.rasterband(number).and_then(|band| band.description()).is_ok_and(|found| found == *name)
    };
    if !(1..).zip(&spec.band_names).all(kept) {
        warnings.push(format!("{driver} doesn't keep the names of bands"));
    }
    if !spec.grid.crs.is_none() && dataset.spatial_ref().is_err() {
        warnings.push(format!("{driver} doesn't keep the CRS"));
    }
    Ok(warnings)
}

/// As [`compare`], for a format that makes a raster of each band.
fn compare_parts(spec: &TargetSpec, driver: &str, parts: &[String], written: &[u8]) -> Result<Vec<String>, String> {
    let one = TargetSpec { bands: 1, band_names: Vec::new(), ..spec.clone() };
    let plane = written.len().checked_div(parts.len()).unwrap_or_default().max(1);
    let mut warnings = Vec::new();
    for (name, pixels) in parts.iter().zip(written.chunks(plane)) {
        warnings = compare(&one, driver, Path::new(name), pixels)?;
    }
    if !spec.band_names.is_empty() {
        warnings.push(format!("{driver} doesn't keep the names of bands"));
    }
    Ok(warnings)
}

/// The nodata value that GDAL finds in the band.
fn nodata_of(band: &RasterBand, dtype: DType) -> Option<Nodata> {
    match dtype {
        DType::Int64 => band.no_data_value_i64().map(|v| Nodata::Int(v.into())),
        DType::UInt64 => band.no_data_value_u64().map(|v| Nodata::Int(v.into())),
        _ => band.no_data_value().map(Nodata::Float),
    }
}

fn check_nodata(spec: &TargetSpec, driver: &str, band: &RasterBand, warnings: &mut Vec<String>) -> Result<(), String> {
    let dtype = info::band_dtype(band).unwrap_or(spec.dtype);
    let found = nodata_of(band, dtype);
    let bits = |value: Nodata| value.as_bits_for(spec.dtype).ok();
    match (spec.nodata, found) {
        (Some(wanted), Some(found)) if bits(wanted) == bits(found) => Ok(()),
        (Some(wanted), Some(found)) => {
            Err(format!("{driver} files have the nodata value {found}, not {wanted}: set nodata = {found}"))
        }
        (Some(wanted), None) => Err(format!(
            "{driver} doesn't keep the nodata value {wanted}: set nodata = \"none\", or choose another format"
        )),
        // A value that the type can't hold is no pixel's.
        (None, Some(found)) if bits(found).is_some() => {
            warnings.push(format!("in {driver} files, pixels of the value {found} are nodata"));
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

fn check_pixels(
    spec: &TargetSpec,
    driver: &str,
    dataset: &Dataset,
    written: &[u8],
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let size = spec.dtype.size();
    let window = Window::new(0, 0, spec.grid.rows, spec.grid.cols);
    let layout = Layout::packed(window.rows, window.cols, size).ok_or("it is too large")?;
    let bands: Result<Vec<_>, _> = (1..=spec.bands).map(std::ffi::c_int::try_from).collect();
    let mut read = vec![0; written.len()];
    let bands = bands.map_err(|e| e.to_string())?;
    pixels::read(dataset, &bands, &window, dtype::to_gdal(spec.dtype), &mut read, &layout)
        .map_err(|reason| format!("{driver} files can't be read again: {reason}"))?;
    let mut nodata = vec![0; size];
    if let Some(value) = spec.nodata {
        fill(&mut nodata, value.as_bits_for(spec.dtype).map_err(|e| e.to_string())?, spec.dtype);
    }
    let is_nodata = |pixel: &[u8]| {
        spec.nodata.is_some() && (pixel == nodata || (is_nan(&nodata, spec.dtype) && is_nan(pixel, spec.dtype)))
    };
    let same = |a: &[u8], b: &[u8]| a == b || (is_nan(a, spec.dtype) && is_nan(b, spec.dtype));
    let pairs = || written.chunks_exact(size).zip(read.chunks_exact(size));
    if pairs().all(|(a, b)| same(a, b)) {
        return Ok(());
    }
    if let (true, Some(value)) = (pairs().any(|(a, b)| is_nodata(a) != is_nodata(b)), spec.nodata) {
        return Err(format!(
            "with these options {driver} changes pixels, and the nodata value {value} is lost: set nodata = \"none\", or choose \
             lossless options or another nodata value"
        ));
    }
    warnings.push(format!("with these options {driver} stores pixels with loss"));
    Ok(())
}

fn is_nan(pixel: &[u8], dtype: DType) -> bool {
    match (dtype, pixel) {
        (DType::Float32, &[a, b, c, d]) => f32::from_ne_bytes([a, b, c, d]).is_nan(),
        (DType::Float64, &[a, b, c, d, e, f, g, h]) => f64::from_ne_bytes([a, b, c, d, e, f, g, h]).is_nan(),
        _ => false,
    }
}
