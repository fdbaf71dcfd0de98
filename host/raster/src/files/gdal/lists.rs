//! Lists that GDAL keeps for an open dataset: its files, and the rasters in it.

use gdal::{Dataset, Metadata};
use std::ffi::{CStr, c_char};

/// The files that GDAL takes for this dataset, as it names them.
pub(crate) fn files(dataset: &Dataset) -> Vec<String> {
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the handle is valid as long as `dataset` is; the list, null or not, is the caller's.
    let list = unsafe { gdal_sys::GDALGetFileList(dataset.c_dataset()) };
    texts(list)
}

/// The texts of one of GDAL's lists, which is the caller's, and freed.
pub(crate) fn texts(list: *mut *mut c_char) -> Vec<String> {
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
pub(crate) fn subdatasets(dataset: &Dataset) -> Vec<String> {
    let items = dataset.metadata_domain("SUBDATASETS").unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.split_once('='))
        .filter(|(key, _)| key.ends_with("_NAME"))
        .map(|(_, name)| name.to_owned())
        .collect()
}
