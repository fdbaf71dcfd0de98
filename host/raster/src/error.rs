//! What can go wrong with a raster file.

use grid::Window;
use std::fmt;
use types::NotRepresentable;

/// A raster that can't be opened, read or written. Each text names the file as the user did (`path`), and ends with GDAL's
/// own words (`reason`) where there are any.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// GDAL can't open it: it doesn't exist, isn't a raster, or is damaged.
    #[error("can't open {path}: {reason}")]
    Open { path: String, reason: String },
    /// The file has features, not pixels.
    #[error("{path} is a vector file, not a raster: give it with `vector = …`, not `path = …`")]
    Vector { path: String },
    /// The file has pixels, not features.
    #[error("{path} is a raster file, not a vector file: give it with `path = …`, not `vector = …`")]
    Raster { path: String },
    /// OGR doesn't understand the attribute filter.
    #[error("{path}: the filter {filter:?} is wrong: {reason}")]
    Filter { path: String, filter: String, reason: String },
    /// The file is a container of several rasters, known to GDAL by these names.
    #[error("{path} holds several rasters; take one of them as path:{}", lines(names))]
    Subdatasets { path: String, names: Vec<String> },
    /// tilefn doesn't process this kind of raster.
    #[error("{path}: {reason}")]
    Unsupported {
        path: String,
        /// What it is, and what would help.
        reason: String,
    },
    /// The file is too short to have all its pixels.
    #[error("{path}: {reason}")]
    Damaged { path: String, reason: String },
    /// Pixels can't be read.
    #[error("can't read {} of {path} at {window} of the file: {reason}", band_list(bands))]
    Read {
        path: String,
        /// The bands asked for, from 1.
        bands: Vec<usize>,
        /// The window in the file's own pixels.
        window: Window,
        reason: String,
    },
    /// Pixels can't be resampled onto the working grid.
    #[error("can't resample {path} onto {window} of the grid: {reason}")]
    Resample {
        path: String,
        /// The window in pixels of the working grid.
        window: Window,
        reason: String,
    },
    /// A tile reaches outside the file, and no nodata value says what to fill it with.
    #[error(
        "band {band} of {path} has no nodata value to fill {window} of the grid with, which reaches outside the file"
    )]
    NoFill {
        path: String,
        /// The band, from 1.
        band: usize,
        /// The window in pixels of the working grid.
        window: Window,
    },
    /// Features can't be burned into a window.
    #[error("can't burn {path} into {window} of the grid: {reason}")]
    Burn {
        path: String,
        /// The window in pixels of the working grid.
        window: Window,
        reason: String,
    },
    /// The caller's window or buffer doesn't fit the raster.
    #[error("{path}: {reason}")]
    Shape { path: String, reason: String },
    /// The output can't be created as the job wants it.
    #[error("can't create {path}: {reason}")]
    Create { path: String, reason: String },
    /// Pixels can't be written: mostly a full disk.
    #[error("can't write {path} at {window}: {reason}")]
    Write {
        path: String,
        /// The window in the output's pixels.
        window: Window,
        reason: String,
    },
    /// The output was written, but can't be completed.
    #[error("can't finish {path}: {step}: {reason}")]
    Finish { path: String, step: &'static str, reason: String },
    /// The caller asked to stop.
    #[error("stopped while finishing {path}")]
    Stopped { path: String },
    /// A nodata value that the type can't hold.
    #[error("{path}: {source}")]
    Nodata { path: String, source: NotRepresentable },
}

fn lines(names: &[String]) -> String {
    names.iter().map(|name| format!("\n  {name}")).collect()
}

fn band_list(bands: &[usize]) -> impl fmt::Display {
    const SHOWN: usize = 8;
    let shown: Vec<_> = bands.iter().take(SHOWN).map(usize::to_string).collect();
    let more = if bands.len() > SHOWN { ", …" } else { "" };
    format!("band{} {}{more}", if bands.len() == 1 { "" } else { "s" }, shown.join(", "))
}
