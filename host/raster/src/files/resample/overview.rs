//! Which overview of a file a coarser grid is read from: gdalwarp's choice for `-ovr AUTO`. Where the grid is coarser in one direction
//! than in the other, the finer one counts, as in newer versions of GDAL; 3.6.2 looks at the columns only.

use crate::files::gdal::call;
use crate::files::inspect::{info, open};
use crate::files::resample::transformer::Transformer;
use crate::{Error, Result, SourceBand, SourceSpec};
use gdal::{Dataset, GdalOpenFlags};
use grid::{Crs, GeoTransform, Grid};
use types::location::gdal_name;

/// From this nearness on a ratio of sizes counts as the one wanted: GDAL's number.
const NEAR: f64 = 0.1;
/// Points on each side of the grid that are looked up in the file: GDAL's number.
const POINTS: u32 = 10;

/// An overview of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Its number, from 0.
    pub level: u32,
    /// Where its pixels lie.
    pub grid: Grid,
}

/// The overview of a file from which to bring it onto a grid; none if the file's own pixels suit it best. `crs` is that of a file that
/// has none; `reprojects` says whether the two CRS differ.
///
/// # Errors
/// When the file or its overview can't be opened.
pub fn overview(path: &str, crs: Option<&Crs>, grid: &Grid, reprojects: bool) -> Result<Option<Overview>> {
    let dataset = open::open(path)?.dataset;
    let fail = |reason: String| Error::Unsupported { path: path.to_owned(), reason };
    let sizes = sizes(&dataset);
    if sizes.is_empty() {
        return Ok(None);
    }
    let transformer = Transformer::of_file(&dataset, crs, grid, reprojects).map_err(fail)?;
    let wanted = pixels_per_pixel(&transformer, grid);
    let (file_cols, _) = dataset.raster_size();
    let Some(level) = choose(&sizes, file_cols, wanted) else { return Ok(None) };
    let overview = open_level(path, level)?;
    let (cols, rows) = overview.raster_size();
    let size = (u32::try_from(rows), u32::try_from(cols));
    let (Ok(rows), Ok(cols), Ok(transform)) = (size.0, size.1, overview.geo_transform()) else {
        return Err(fail(format!("its overview {level} has no size or no geotransform")));
    };
    let crs = match crs {
        Some(crs) => crs.clone(),
        None => {
            let own = overview.spatial_ref().ok().and_then(|crs| crs.to_wkt().ok());
            Crs::from(own.unwrap_or_default().as_str())
        }
    };
    Ok(Some(Overview { level, grid: Grid { transform: GeoTransform(transform), rows, cols, crs } }))
}

/// Opens an overview of a file as a raster of its own.
///
/// # Errors
/// When there is none.
pub(crate) fn open_level(path: &str, level: u32) -> Result<Dataset> {
    let option = format!("OVERVIEW_LEVEL={level}");
    let flags = GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR;
    let (opened, messages) = call::hear(|| open::open_with(&gdal_name(path), flags, &[&option]));
    opened.ok_or_else(|| Error::Open {
        path: path.to_owned(),
        reason: format!("its overview {level}: {}", messages.reason("GDAL gives no reason")),
    })
}

/// Whether an overview has the bands that are to be read, with their types.
pub(crate) fn check_bands(overview: &Dataset, spec: &SourceSpec) -> Result<()> {
    for SourceBand { number, dtype, .. } in &spec.bands {
        let band = overview.rasterband(*number).ok();
        if band.and_then(|band| info::band_dtype(&band)) != Some(*dtype) {
            let reason = format!("its overviews have no band {number} of {}: leave `overviews` out", dtype.name());
            return Err(Error::Unsupported { path: spec.path.clone(), reason });
        }
    }
    Ok(())
}

/// Pixels of the file for one of the grid, along its columns or rows, whichever are fewer.
fn pixels_per_pixel(transformer: &Transformer, grid: &Grid) -> f64 {
    let side = |len: u32| (0..POINTS).map(move |n| f64::from(len) * f64::from(n) / f64::from(POINTS - 1));
    let lattice: Vec<_> = side(grid.rows).flat_map(|row| side(grid.cols).map(move |col| (row, col))).collect();
    let found: Vec<_> = transformer.to_file(&lattice).into_iter().flatten().collect();
    let span = |part: fn(&(f64, f64)) -> f64| {
        let all = || found.iter().map(part);
        all().fold(f64::NEG_INFINITY, f64::max) - all().fold(f64::INFINITY, f64::min)
    };
    (span(|at| at.0) / f64::from(grid.rows)).min(span(|at| at.1) / f64::from(grid.cols))
}

/// Columns of the first band's overviews, the finest first.
fn sizes(dataset: &Dataset) -> Vec<usize> {
    let (sizes, _) = call::watch(|| {
        let band = dataset.rasterband(1).ok()?;
        let count = band.overview_count().ok()?;
        (0..usize::try_from(count).ok()?).map(|n| Some(band.overview(n).ok()?.x_size())).collect::<Option<Vec<_>>>()
    });
    sizes.unwrap_or_default()
}

/// The coarsest overview that isn't coarser than `wanted` columns of the file for one.
fn choose(sizes: &[usize], file_cols: usize, wanted: f64) -> Option<u32> {
    if wanted <= 1.0 {
        return None;
    }
    let ratio = |cols: usize| file_cols as f64 / cols as f64;
    let mut last = sizes.len().checked_sub(1);
    let mut finer = 1.0;
    for (n, cols) in sizes.iter().enumerate() {
        let here = ratio(*cols);
        if (finer < wanted && here > wanted) || (finer - wanted).abs() < NEAR {
            last = n.checked_sub(1);
            break;
        }
        finer = here;
    }
    u32::try_from(last?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_that_is_fine_enough() {
        let choose = |wanted| choose(&[500, 250, 125], 1000, wanted);
        assert_eq!([0.5, 1.0, 1.05, 1.5, 1.95].map(choose), [None, None, None, None, None]);
        assert_eq!([2.0, 2.05, 3.9, 4.0, 7.0, 8.0, 100.0].map(choose), [0, 0, 0, 1, 1, 2, 2].map(Some));
    }
}
