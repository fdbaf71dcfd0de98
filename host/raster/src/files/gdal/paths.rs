//! How GDAL names files.

use std::path::Path;
pub use types::location::{gdal_name as gdal_path, is_remote};

/// Whether it is one of GDAL's virtual files, such as an object in a store.
pub(crate) fn is_virtual(path: &Path) -> bool {
    // Not `Path::starts_with`, which compares whole names.
    path.to_string_lossy().starts_with("/vsi")
}
