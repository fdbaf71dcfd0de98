//! How GDAL names files.

use std::borrow::Cow;
use std::path::Path;

/// The path that GDAL knows a file by: `s3://bucket/key` and `https://…` become GDAL's `/vsis3/…` and `/vsicurl/…`,
/// everything else stays.
pub fn gdal_path(path: &str) -> Cow<'_, str> {
    if let Some(key) = path.strip_prefix("s3://") {
        Cow::Owned(format!("/vsis3/{key}"))
    } else if path.starts_with("https://") || path.starts_with("http://") {
        Cow::Owned(format!("/vsicurl/{path}"))
    } else {
        Cow::Borrowed(path)
    }
}

/// Whether GDAL reads the file from another machine or an archive, so that waiting takes most of the time; `name` is GDAL's.
pub fn is_remote(name: &str) -> bool {
    name.starts_with("/vsi") && !name.starts_with("/vsimem/")
}

/// Whether it is one of GDAL's virtual files, such as an object in a store.
pub(crate) fn is_virtual(path: &Path) -> bool {
    // Not `Path::starts_with`, which compares whole names.
    path.to_string_lossy().starts_with("/vsi")
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
