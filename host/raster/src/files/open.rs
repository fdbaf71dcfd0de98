//! Opening rasters, wherever they are.

use super::{Error, Result, cpl, damage, hdf5};
use gdal::{Dataset, DatasetOptions, GdalOpenFlags, Metadata};
use std::borrow::Cow;
use std::ffi::{CStr, c_char};

/// The path that GDAL knows a file by: `s3://bucket/key` and `https://…` become GDAL's `/vsis3/…` and `/vsicurl/…`,
/// everything else stays.
pub fn gdal_path(path: &str) -> Cow<'_, str> {
    types::location::gdal_name(path)
}

/// Whether GDAL reads the file from elsewhere, where waiting takes the time; `name` is as GDAL knows it.
pub fn is_remote(name: &str) -> bool {
    types::location::is_remote(name)
}

/// A raster open for reading.
pub(super) struct Opened {
    /// The raster.
    pub(super) dataset: Dataset,
    /// What GDAL found odd about it, though it opened it.
    pub(super) warnings: Vec<String>,
}

/// Opens a raster for reading.
///
/// # Errors
/// When GDAL can't open it, it has no bands, or fewer bytes than its pixels take.
pub(super) fn open(path: &str) -> Result<Opened> {
    hdf5::silence();
    let name = gdal_path(path);
    let (opened, messages) =
        cpl::hear(|| open_as(&name, GdalOpenFlags::GDAL_OF_RASTER | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR));
    let Some(dataset) = opened else {
        let (vector, _) = cpl::watch(|| open_as(&name, GdalOpenFlags::GDAL_OF_VECTOR));
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
    // The same text for every file that has the same oddity.
    let warnings = messages.all().iter().map(|text| without_name(text, &name)).collect();
    Ok(Opened { dataset, warnings })
}

/// GDAL's reason without the file's name in front, which the message has already.
fn without_name(reason: &str, name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let rest = |name| reason.strip_prefix(name).and_then(|rest: &str| rest.strip_prefix(": "));
    rest(name).or_else(|| rest(last)).unwrap_or(reason).to_owned()
}

fn open_as(name: &str, open_flags: GdalOpenFlags) -> Option<Dataset> {
    let open = || {
        cpl::on_this_thread(|| Dataset::open_ex(name, DatasetOptions { open_flags, ..DatasetOptions::default() }).ok())
    };
    if is_remote(name) {
        // Listing the folder of a remote file, to find files beside it, may take longer than reading it.
        cpl::with_setting("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR", open)
    } else {
        open()
    }
}

/// The files that GDAL takes for this dataset, as it names them.
pub(super) fn files(dataset: &Dataset) -> Vec<String> {
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the handle is valid as long as `dataset` is; the list, null or not, is the caller's.
    let list = unsafe { gdal_sys::GDALGetFileList(dataset.c_dataset()) };
    texts(list)
}

/// The texts of one of GDAL's lists, which is the caller's, and freed.
pub(super) fn texts(list: *mut *mut c_char) -> Vec<String> {
    #[expect(unsafe_code, reason = "the gdal crate frees no lists")]
    // SAFETY: null, or a list that ends with a null pointer, of texts with a closing zero; it's read before it is freed, once.
    unsafe {
        let count = usize::try_from(gdal_sys::CSLCount(list)).unwrap_or(0);
        let texts = (0..count).map(|n| CStr::from_ptr(*list.add(n)).to_string_lossy().into_owned()).collect();
        gdal_sys::CSLDestroy(list);
        texts
    }
}

/// The names of the rasters in a container, in its order.
pub(super) fn subdatasets(dataset: &Dataset) -> Vec<String> {
    let items = dataset.metadata_domain("SUBDATASETS").unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.split_once('='))
        .filter(|(key, _)| key.ends_with("_NAME"))
        .map(|(_, name)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_for_gdal() {
        assert_eq!(gdal_path("s3://bucket/a/b.tif"), "/vsis3/bucket/a/b.tif");
        assert_eq!(gdal_path("https://example.org/a.tif?x=1"), "/vsicurl/https://example.org/a.tif?x=1");
        assert_eq!(gdal_path("NETCDF:\"x.nc\":B4"), "NETCDF:\"x.nc\":B4");
        assert_eq!(gdal_path("/vsizip/a.zip/b.tif"), "/vsizip/a.zip/b.tif");
        assert_eq!(gdal_path("a b.tif"), "a b.tif");
    }
}
