//! Opening rasters, wherever they are.

use crate::files::gdal::lists::subdatasets;
use crate::files::gdal::{call, hdf5};
use crate::files::inspect::damage;
use crate::{Error, Result};
use gdal::{Dataset, DatasetOptions, GdalOpenFlags};
use types::location::{gdal_name, is_remote};

/// A raster open for reading.
pub(crate) struct Opened {
    pub(crate) dataset: Dataset,
    /// GDAL's warnings from opening it.
    pub(crate) warnings: Vec<String>,
}

/// Opens a raster for reading.
///
/// # Errors
/// When GDAL can't open it, it has no bands, or fewer bytes than its pixels take.
pub(crate) fn open(path: &str) -> Result<Opened> {
    hdf5::silence();
    let name = gdal_name(path);
    let (opened, messages) =
        call::hear(|| open_as(&name, GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR));
    let Some(dataset) = opened else {
        let (vector, _) = call::watch(|| open_as(&name, GdalOpenFlags::GDAL_OF_VECTOR));
        return Err(match vector {
            Some(_) => Error::Vector { path: path.to_owned() },
            None => Error::Open {
                path: path.to_owned(),
                reason: without_name(&messages.reason("GDAL gives no reason"), &name),
            },
        });
    };
    if dataset.raster_count() == 0 {
        let names = subdatasets(&dataset);
        return Err(if names.is_empty() {
            Error::Unsupported { path: path.to_owned(), reason: "it has no raster bands".into() }
        } else {
            Error::Subdatasets { path: path.to_owned(), names }
        });
    }
    damage::check(&dataset, &name).map_err(|reason| Error::Damaged { path: path.to_owned(), reason })?;
    // Without the name, every file with the same oddity has the same text, which is shown once.
    let warnings = messages.all().iter().map(|text| without_name(text, &name)).collect();
    Ok(Opened { dataset, warnings })
}

/// GDAL's reason without the file's name in front, which the message has already.
pub(crate) fn without_name(reason: &str, name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let rest = |name| reason.strip_prefix(name).and_then(|rest: &str| rest.strip_prefix(": "));
    rest(name).or_else(|| rest(last)).unwrap_or(reason).to_owned()
}

/// Opens a file as GDAL's flags say; the caller watches what GDAL says.
pub(crate) fn open_as(name: &str, open_flags: GdalOpenFlags) -> Option<Dataset> {
    open_with(name, open_flags, &[])
}

/// As [`open_as`], with options of the format's own.
pub(crate) fn open_with(name: &str, open_flags: GdalOpenFlags, options: &[&str]) -> Option<Dataset> {
    let open = || {
        let options = DatasetOptions { open_flags, open_options: Some(options), ..DatasetOptions::default() };
        call::on_this_thread(|| Dataset::open_ex(name, options).ok())
    };
    if is_remote(name) {
        // To list the folder of a remote file, for files beside it, may take longer than to read the file.
        call::with_setting("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR", open)
    } else {
        open()
    }
}
