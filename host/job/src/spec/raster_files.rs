//! The files of a raster input, those of a list each with bands and nodata of its own where it needs them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use types::Location;

use super::rasters::{InputNodata, RasterInput};
use super::texts::{path, raster_paths};
use crate::tree::{item, join};

/// The file of a raster input, or its list of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum RasterFiles {
    /// One file: anything GDAL opens, `s3://bucket/key` and `https://…` included.
    #[serde(rename = "path")]
    One(#[schemars(schema_with = "path")] Location),
    /// A list of files, for a list input or a mosaic. A pattern such as `dates/*.tif` stands for the files it matches, sorted by name.
    /// `{ path = "b.tif", bands = [2], nodata = 0 }` is a file with bands and nodata of its own.
    #[serde(rename = "paths")]
    List(#[schemars(schema_with = "raster_paths")] Vec<ListedFile>),
}

impl RasterFiles {
    /// Whether it was written as a list (of whatever length).
    pub const fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// Where the files are, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Location> {
        let (one, list) = match self {
            Self::One(path) => (Some(path), [].as_slice()),
            Self::List(files) => (None, files.as_slice()),
        };
        one.into_iter().chain(list.iter().map(ListedFile::path))
    }
}

/// A file of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ListedFile {
    /// One that differs from the others.
    Own(OwnFile),
    /// One that is read as the input says.
    Plain(Location),
}

impl ListedFile {
    /// Where it is.
    pub const fn path(&self) -> &Location {
        match self {
            Self::Own(file) => &file.path,
            Self::Plain(path) => path,
        }
    }
}

/// A file of a list that differs from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OwnFile {
    /// The file, or a pattern.
    #[schemars(schema_with = "path", example = "scene.tif")]
    pub path: Location,
    /// Its band numbers. Default: the input's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_535)), example = [3])]
    #[schemars(extend("x-expected" = "a list of band numbers", "x-item" = "a band number"))]
    pub bands: Option<Vec<u32>>,
    /// The value of its invalid pixels, or one for each of its bands read. Default: the input's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<InputNodata>,
}

/// How a file of an input is read: as it says itself, else as the input says.
#[derive(Clone, Debug)]
pub struct FileOf<'a> {
    /// Where it is.
    pub path: &'a Location,
    /// Band numbers from 1; none for all.
    pub bands: Option<&'a [u32]>,
    /// Nodata that replaces the file's own.
    pub nodata: Option<&'a InputNodata>,
    /// Number in the list, where the file has bands or nodata of its own.
    pub own: Option<usize>,
}

impl FileOf<'_> {
    /// The key path of the table that says how it is read: the input's, or the file's own in the list.
    pub fn section(&self, input: &str) -> String {
        match self.own {
            Some(index) => item(&join(input, "paths"), index),
            None => input.to_owned(),
        }
    }
}

impl RasterInput {
    /// The files, in order, and how each is read.
    pub fn each(&self) -> impl Iterator<Item = FileOf<'_>> {
        let own = |index: usize| match &self.files {
            RasterFiles::List(files) => match files.get(index) {
                Some(ListedFile::Own(file)) => Some(file),
                _ => None,
            },
            RasterFiles::One(_) => None,
        };
        self.files.paths().enumerate().map(move |(index, path)| {
            let own = own(index);
            FileOf {
                path,
                bands: own.and_then(|file| file.bands.as_deref()).or(self.bands.as_deref()),
                nodata: own.and_then(|file| file.nodata.as_ref()).or(self.nodata.as_ref()),
                own: own.map(|_| index),
            }
        })
    }
}
