//! What can go wrong with a raster file.

use grid::Window;
use std::fmt;
use types::NotRepresentable;

/// A raster that can't be opened, read or written. Each text names the file as the user did, and ends with GDAL's own
/// words where there are any.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// GDAL can't open it: it doesn't exist, isn't a raster, or is damaged.
    #[error("can't open {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// GDAL's message.
        reason: String,
    },
    /// It has features, not pixels.
    #[error("{path} is a vector file, not a raster: give it with `vector = …`, not `path = …`")]
    Vector {
        /// The file.
        path: String,
    },
    /// It holds several rasters, none of them its own.
    #[error("{path} holds several rasters; take one of them as path:{}", lines(names))]
    Subdatasets {
        /// The file.
        path: String,
        /// Their GDAL names.
        names: Vec<String>,
    },
    /// It is something tilefn doesn't process.
    #[error("{path}: {reason}")]
    Unsupported {
        /// The file.
        path: String,
        /// What it is, and what would help.
        reason: String,
    },
    /// It can't have all its pixels.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is missing.
        reason: String,
    },
    /// Pixels can't be read.
    #[error("can't read {} of {path} at {window} of the file: {reason}", band_list(bands))]
    Read {
        /// The file.
        path: String,
        /// The bands asked for, from 1.
        bands: Vec<usize>,
        /// The window in the file's own pixels.
        window: Window,
        /// GDAL's message.
        reason: String,
    },
    /// Pixels outside the file are needed, and nothing says what they are.
    #[error(
        "band {band} of {path} has no nodata value to fill {window} of the grid with, which reaches outside the file"
    )]
    NoFill {
        /// The file.
        path: String,
        /// The band, from 1.
        band: usize,
        /// The window in pixels of the working grid.
        window: Window,
    },
    /// The caller's window or buffer doesn't fit the raster.
    #[error("{path}: {reason}")]
    Shape {
        /// The file.
        path: String,
        /// What doesn't fit.
        reason: String,
    },
    /// The output can't be created as the job wants it.
    #[error("can't create {path}: {reason}")]
    Create {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Pixels can't be written: mostly a full disk.
    #[error("can't write {path} at {window}: {reason}")]
    Write {
        /// The file.
        path: String,
        /// The window in the output's pixels.
        window: Window,
        /// GDAL's message.
        reason: String,
    },
    /// The output was written, but can't be completed.
    #[error("can't finish {path}: {step}: {reason}")]
    Finish {
        /// The file.
        path: String,
        /// What was being done.
        step: &'static str,
        /// GDAL's or the system's message.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("stopped while finishing {path}")]
    Stopped {
        /// The file.
        path: String,
    },
    /// A nodata value that the type can't hold.
    #[error("{path}: {source}")]
    Nodata {
        /// The file.
        path: String,
        /// The value and type.
        source: NotRepresentable,
    },
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
