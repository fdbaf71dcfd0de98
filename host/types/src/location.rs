//! Where a file is, as the user names it: the only place that tells local files from all else.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

/// A place that a raster, a module or another file is read from or written to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Location(String);

/// The kind of a location's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A path of this machine's file systems.
    File(&'a Path),
    /// `scheme://…`
    Url {
        /// The part before `://`.
        scheme: &'a str,
    },
    /// `/vsi…`: a path of one of GDAL's own file systems.
    Virtual,
    /// A part of a file: `NETCDF:"file.nc":var`, `GTIFF_DIR:2:file.tif`.
    Subdataset {
        /// The driver and all else before the file.
        before: &'a str,
        /// The file.
        file: &'a str,
        /// The part's name in the file.
        after: &'a str,
    },
    /// A dataset that is written out as XML or JSON.
    Inline,
}

/// Prefixes of GDAL's subdataset names, with the number of `:`-separated parts between the prefix and the file.
const SUBDATASETS: [(&str, usize); 11] = [
    ("NETCDF", 0),
    ("HDF5", 0),
    ("HDF4_SDS", 1),
    ("HDF4_EOS", 1),
    ("GPKG", 0),
    ("ZARR", 0),
    ("GTIFF_RAW", 0),
    ("GTIFF_DIR", 1),
    ("NITF_IM", 1),
    ("SENTINEL2_L1C", 0),
    ("SENTINEL2_L2A", 0),
];

impl<'a> Kind<'a> {
    /// The kind of `text`.
    pub fn of(text: &'a str) -> Self {
        if text.trim_start().starts_with(['<', '{']) {
            Self::Inline
        } else if let Some((before, file, after)) = subdataset(text) {
            Self::Subdataset { before, file, after }
        } else if let Some(scheme) = scheme(text) {
            Self::Url { scheme }
        } else if is_virtual(text) {
            Self::Virtual
        } else {
            Self::File(Path::new(text))
        }
    }

    /// Whether the file system of this machine has no path for it: a URL, or one of GDAL's file systems.
    pub fn is_elsewhere(self) -> bool {
        matches!(self, Self::Url { .. } | Self::Virtual)
    }
}

impl Location {
    /// The text, as GDAL and messages name it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is.
    pub fn kind(&self) -> Kind<'_> {
        Kind::of(&self.0)
    }

    /// The place that `text` stands for in a job file in the folder `base`, which is absolute.
    ///
    /// Unchanged are absolute paths, `/vsi…` paths, URLs, and datasets that are written out. Of a subdataset's name the file is
    /// resolved, whether quoted or not.
    pub fn resolved(base: &str, text: &str) -> Self {
        Self(match Kind::of(text) {
            Kind::Subdataset { before, file, after } => format!("{before}{}{after}", Self::resolved(base, file)),
            Kind::File(path) if path.is_relative() => format!("{}/{text}", base.trim_end_matches('/')),
            Kind::File(_) | Kind::Url { .. } | Kind::Virtual | Kind::Inline => text.to_owned(),
        })
    }
}

/// The name that GDAL knows a location by: `s3://bucket/key` and `https://…` become GDAL's `/vsis3/…` and `/vsicurl/…`,
/// everything else stays.
pub fn gdal_name(text: &str) -> Cow<'_, str> {
    match Kind::of(text) {
        Kind::Url { scheme: "s3" } => Cow::Owned(text.replacen("s3://", "/vsis3/", 1)),
        Kind::Url { scheme: "http" | "https" } => Cow::Owned(format!("/vsicurl/{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// Whether it is a path of one of GDAL's own file systems, such as an object in a store.
pub fn is_virtual(name: &str) -> bool {
    name.starts_with("/vsi")
}

/// Whether GDAL reads it through one of its file systems, where waiting takes the time.
pub fn is_remote(text: &str) -> bool {
    let name = gdal_name(text);
    Kind::of(&name) == Kind::Virtual && !name.starts_with("/vsimem/")
}

/// The part before `://`.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let letter = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (letter && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))).then_some(scheme)
}

/// A subdataset's name as what comes before the file, the file, and what comes after.
fn subdataset(text: &str) -> Option<(&str, &str, &str)> {
    let (prefix, rest) = text.split_once(':')?;
    let known = SUBDATASETS.iter().find(|(name, _)| *name == prefix);
    let start = if let Some(quote) = rest.find('"') {
        // Drivers that this list doesn't know follow the same form when they quote the file.
        let upper = prefix.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if prefix.is_empty() || !upper {
            return None;
        }
        prefix.len() + 1 + quote + 1
    } else {
        let (_, skipped) = known?;
        // `GTIFF_DIR:off:OFFSET:file` has one part more.
        let skipped = if rest.starts_with("off:") { skipped + 1 } else { *skipped };
        let mut start = prefix.len() + 1;
        for _ in 0..skipped {
            start += text.get(start..)?.find(':')? + 1;
        }
        start
    };
    let (before, tail) = text.split_at_checked(start)?;
    let end = if before.ends_with('"') {
        tail.find('"')?
    } else if scheme(tail).is_some() {
        tail.len()
    } else {
        tail.find(':').unwrap_or(tail.len())
    };
    let (file, after) = tail.split_at_checked(end)?;
    (!file.is_empty()).then_some((before, file, after))
}

impl Deref for Location {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Location {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Location {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl PartialEq<&str> for Location {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every spelling: what it is, where it is from the folder /jobs, and whether GDAL reads it remotely.
    #[test]
    fn spellings() {
        let file = |path| Kind::File(Path::new(path));
        let url = |scheme| Kind::Url { scheme };
        let part = |before, file, after| Kind::Subdataset { before, file, after };
        for (text, kind, resolved, remote) in [
            ("a.tif", file("a.tif"), "/jobs/a.tif", false),
            ("../a.tif", file("../a.tif"), "/jobs/../a.tif", false),
            ("sub/a:b.tif", file("sub/a:b.tif"), "/jobs/sub/a:b.tif", false),
            ("/data/a.tif", file("/data/a.tif"), "/data/a.tif", false),
            // Another system's absolute path is a relative one here.
            (r"C:\data\a.tif", file(r"C:\data\a.tif"), r"/jobs/C:\data\a.tif", false),
            ("C:/data/a.tif", file("C:/data/a.tif"), "/jobs/C:/data/a.tif", false),
            ("s3://bucket/a.tif", url("s3"), "s3://bucket/a.tif", true),
            ("https://a.org/a.tif?x=[1]", url("https"), "https://a.org/a.tif?x=[1]", true),
            ("http://a.org/a.tif", url("http"), "http://a.org/a.tif", true),
            ("gs://bucket/a.tif", url("gs"), "gs://bucket/a.tif", false),
            ("vrt://a.tif?bands=1", url("vrt"), "vrt://a.tif?bands=1", false),
            ("/vsis3/bucket/a.tif", Kind::Virtual, "/vsis3/bucket/a.tif", true),
            ("/vsimem/a.tif", Kind::Virtual, "/vsimem/a.tif", false),
            (
                "/vsizip//vsicurl/https://a.org/a.zip/b.tif",
                Kind::Virtual,
                "/vsizip//vsicurl/https://a.org/a.zip/b.tif",
                true,
            ),
            ("<VRTDataset/>", Kind::Inline, "<VRTDataset/>", false),
            (" {\"type\": \"x:\\\"y\"}", Kind::Inline, " {\"type\": \"x:\\\"y\"}", false),
            ("NETCDF:\"a b.nc\":v", part("NETCDF:\"", "a b.nc", "\":v"), "NETCDF:\"/jobs/a b.nc\":v", false),
            ("NETCDF:a.nc:v", part("NETCDF:", "a.nc", ":v"), "NETCDF:/jobs/a.nc:v", false),
            ("NETCDF:/data/a.nc:v", part("NETCDF:", "/data/a.nc", ":v"), "NETCDF:/data/a.nc:v", false),
            (
                "NETCDF:https://a.org/a.nc:v",
                part("NETCDF:", "https://a.org/a.nc:v", ""),
                "NETCDF:https://a.org/a.nc:v",
                false,
            ),
            (
                "HDF5:\"a.h5\"://grid/b1",
                part("HDF5:\"", "a.h5", "\"://grid/b1"),
                "HDF5:\"/jobs/a.h5\"://grid/b1",
                false,
            ),
            (
                "HDF4_EOS:EOS_GRID:\"a.hdf\":MOD:b1",
                part("HDF4_EOS:EOS_GRID:\"", "a.hdf", "\":MOD:b1"),
                "HDF4_EOS:EOS_GRID:\"/jobs/a.hdf\":MOD:b1",
                false,
            ),
            (
                "HDF4_SDS:UNKNOWN:a.hdf:3",
                part("HDF4_SDS:UNKNOWN:", "a.hdf", ":3"),
                "HDF4_SDS:UNKNOWN:/jobs/a.hdf:3",
                false,
            ),
            ("GTIFF_DIR:1:x.tif", part("GTIFF_DIR:1:", "x.tif", ""), "GTIFF_DIR:1:/jobs/x.tif", false),
            (
                "GTIFF_DIR:off:408:a.tif",
                part("GTIFF_DIR:off:408:", "a.tif", ""),
                "GTIFF_DIR:off:408:/jobs/a.tif",
                false,
            ),
            (
                "SENTINEL2_L2A:a.xml:10m:EPSG_32632",
                part("SENTINEL2_L2A:", "a.xml", ":10m:EPSG_32632"),
                "SENTINEL2_L2A:/jobs/a.xml:10m:EPSG_32632",
                false,
            ),
            ("ZARR:\"a.zarr\":/red", part("ZARR:\"", "a.zarr", "\":/red"), "ZARR:\"/jobs/a.zarr\":/red", false),
            ("ZARR:\"/vsis3/b/a.zarr\"", part("ZARR:\"", "/vsis3/b/a.zarr", "\""), "ZARR:\"/vsis3/b/a.zarr\"", false),
            ("FUTURE:\"a.dat\":1", part("FUTURE:\"", "a.dat", "\":1"), "FUTURE:\"/jobs/a.dat\":1", false),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
            assert_eq!(Location::resolved("/jobs", text), resolved, "{text}");
            assert_eq!(is_remote(text), remote, "{text}");
        }
        assert_eq!(Location::resolved("/", "a.tif"), "/a.tif");
    }

    #[test]
    fn names_for_gdal() {
        assert_eq!(gdal_name("s3://bucket/a/b.tif"), "/vsis3/bucket/a/b.tif");
        assert_eq!(gdal_name("https://example.org/a.tif?x=1"), "/vsicurl/https://example.org/a.tif?x=1");
        for same in ["NETCDF:\"x.nc\":B4", "/vsizip/a.zip/b.tif", "a b.tif", "gs://bucket/a.tif"] {
            assert_eq!(gdal_name(same), same);
        }
    }
}
