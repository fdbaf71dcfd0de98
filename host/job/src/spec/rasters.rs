//! Inputs and outputs of a job.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use types::{DType, Location, MosaicRule, Resampling};

use super::names::{MaskUse, OverviewResampling, OverviewUse};
use super::raster_files::RasterFiles;
use super::texts::{DataType, classes, colors, crs, metadata, path, paths};
use crate::units::Nodata;

/// One input of the function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Input {
    /// A raster file, or a list of them.
    Raster(RasterInput),
    /// A vector file.
    Vector(VectorInput),
}

/// The file of an output, or its list of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Files {
    /// One file: anything GDAL opens, `s3://bucket/key` and `https://…` included.
    #[serde(rename = "path")]
    One(#[schemars(schema_with = "path")] Location),
    /// A list of files for a list output.
    #[serde(rename = "paths")]
    List(#[schemars(schema_with = "paths")] Vec<Location>),
}

impl Files {
    /// The files in order; one for [`Files::One`].
    pub fn as_slice(&self) -> &[Location] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::List(paths) => paths,
        }
    }

    /// Whether it was written as a list (of whatever length).
    pub const fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }
}

/// A raster file, or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("x-example" = "path = \"scene.tif\", or vector = \"fields.gpkg\""),
    extend("x-elsewhere" = "only for a raster input, and `vector` makes this a vector input")
)]
pub struct RasterInput {
    /// The file or files.
    #[serde(flatten)]
    pub files: RasterFiles,
    /// Band numbers from 1, in the order the function sees them. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 1, max = 65_535)), example = [3])]
    #[schemars(extend("x-expected" = "a list of band numbers", "x-item" = "a band number"))]
    pub bands: Option<Vec<u32>>,
    /// The value of invalid pixels, or one for each band read. Default: the file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<InputNodata>,
    /// The CRS of a file that has none: `EPSG:28355`, another authority's code, WKT or a PROJ string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crs")]
    pub crs: Option<String>,
    /// What, beside NaN, makes a pixel invalid.
    #[serde(default)]
    pub mask: MaskUse,
    /// Apply the bands' scale and offset: the function gets value × scale + offset. Default: no, with a warning where
    /// there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscale: Option<bool>,
    /// No warning where numbers change since the function's type doesn't hold them.
    #[serde(default)]
    pub lossy: bool,
    /// How to resample a file on another grid or in another CRS than the working grid's: gdalwarp's methods. Default: `nearest`, with
    /// a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resampling: Option<Resampling>,
    /// Which pixels of a file with overviews are resampled onto a coarser grid: its own, or those of the overview that gdalwarp takes.
    #[serde(default)]
    pub overviews: OverviewUse,
    /// The files of `paths` are overlapping scenes of one raster, not a list: which value a pixel has where several have a valid one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mosaic: Option<MosaicRule>,
    /// The band whose attribute table it is, in a job with `[table]`. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-expected" = "a band number"))]
    pub band: Option<u32>,
    /// The column of the file's attribute table, in a job with `[table]`. Default: the input's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"Histogram")]
    pub column: Option<String>,
}

/// Nodata of an input that replaces the file's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum InputNodata {
    /// The same for every band.
    All(Nodata),
    /// One for each band read, in their order.
    PerBand(
        #[schemars(length(min = 1))]
        #[schemars(extend("x-expected" = "a number, \"nan\", or a list with one for each band"))]
        Vec<Nodata>,
    ),
}

/// A vector file, rasterised on the fly into one band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("x-elsewhere" = "only for a vector input, and there is no `vector`")
)]
pub struct VectorInput {
    /// The file: anything OGR opens.
    #[schemars(schema_with = "path", example = "fields.gpkg")]
    pub vector: Location,
    /// The layer's name, or its number from 0. Default: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// OGR attribute filter (the condition after SQL's WHERE): only these features are burned.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "crop = 'wheat'")]
    pub filter: Option<String>,
    /// The CRS of a layer that has none: `EPSG:28355`, another authority's code, WKT or a PROJ string. Default: the working
    /// grid's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crs")]
    pub crs: Option<String>,
    /// The value to burn. Default: 1. Excludes `burn_attribute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn: Option<f64>,
    /// The numeric attribute whose value is burned for each feature. Excludes `burn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub burn_attribute: Option<String>,
    /// Element type of the rasterised band.
    #[serde(default = "uint8", with = "types::dtype_name")]
    #[schemars(with = "DataType")]
    pub dtype: DType,
    /// The value outside the features; such pixels are invalid.
    #[serde(default = "zero")]
    pub nodata: Nodata,
    /// Burn every pixel a feature touches, not only those whose centre it covers.
    #[serde(default)]
    pub all_touched: bool,
    /// Instead of one band: bands with the values of the polygons that touch each pixel, then as many with the part of the
    /// pixel that each covers.
    #[serde(default)]
    pub coverage: bool,
}

fn uint8() -> DType {
    DType::UInt8
}

fn zero() -> Nodata {
    Nodata(0.0)
}

/// What is burned for a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Burn<'a> {
    /// The same value for every feature.
    Value(f64),
    /// The value of this attribute.
    Attribute(&'a str),
}

impl VectorInput {
    /// What to burn: `burn_attribute` if given, else `burn`, else 1.
    pub fn burn(&self) -> Burn<'_> {
        match &self.burn_attribute {
            Some(attribute) => Burn::Attribute(attribute),
            None => Burn::Value(self.burn.unwrap_or(1.0)),
        }
    }
}

/// A layer of a vector file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-expected" = "a layer's name, or its number from 0"))]
pub enum Layer {
    /// Its number, from 0.
    Index(#[schemars(range(max = 65_535), extend("x-expected" = "a layer's name, or its number"))] u32),
    /// Its name.
    Name(#[schemars(length(min = 1))] String),
}

/// One output of the function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-example" = "path = \"result.tif\""))]
pub struct Output {
    /// The file or files.
    #[serde(flatten)]
    pub files: Files,
    /// The band whose attribute table it is, in a job with `[table]`. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-expected" = "a band number"))]
    pub band: Option<u32>,
    /// The column of the file's attribute table, in a job with `[table]`. Default: the output's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"Red")]
    pub column: Option<String>,
    /// GDAL driver, e.g. `GTiff`, `COG`, `Zarr`. Default: from the file name's extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"COG")]
    pub driver: Option<String>,
    /// The driver's creation options, `NAME=VALUE`. Default: tiled, compressed, BIGTIFF when needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(inner(regex(pattern = "^[^=]+=")), example = ["COMPRESS=ZSTD"])]
    #[schemars(extend("x-expected" = "a list of creation options", "x-item" = "an option as NAME=VALUE"))]
    pub options: Option<Vec<String>>,
    /// The element type of an expression's output. Default: the expression's. A module's own type can't be changed.
    #[serde(default, with = "types::dtype_name::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<DataType>")]
    pub dtype: Option<DType>,
    /// The file's nodata value; `"none"` for a file without. Default: the function's own, else NaN for floats, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<OutputNodata>,
    /// Band descriptions, one for each band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(length(min = 1)), extend("x-expected" = "a list of band names"))]
    pub band_names: Option<Vec<String>>,
    /// Store minimum, maximum, mean and standard deviation of each band.
    #[serde(default)]
    pub statistics: bool,
    /// Store each band's histogram.
    #[serde(default)]
    pub histogram: bool,
    /// Make overviews (pyramids) with levels that suit the size.
    #[serde(default)]
    pub overviews: bool,
    /// The overviews' levels in place of the automatic ones, ascending, e.g. `[2, 4, 8]`. Implies `overviews`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 2, max = 65_536)), example = [2, 4, 8])]
    #[schemars(extend("x-expected" = "a list of overview levels", "x-item" = "a level"))]
    pub levels: Option<Vec<u32>>,
    /// How overviews are made. Default: `nearest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overview_resampling: Option<OverviewResampling>,
    /// Colours of the values: the name of a colour ramp, or colours by value, between which there is a ramp unless the output is thematic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_table: Option<ColorTable>,
    /// The values are classes, not quantities (LAYER_TYPE=thematic).
    #[serde(default)]
    pub thematic: bool,
    /// Names and colours of classes, by value. Implies `thematic`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(schema_with = "classes")]
    pub classes: IndexMap<String, Class>,
    /// Factor from the stored to the meant values, noted in the file. Pixels stay as the function returns them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// What is added after `scale`, noted in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// Unit of the values, noted in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"m")]
    pub unit: Option<String>,
    /// Metadata items of the file.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(schema_with = "metadata")]
    pub metadata: IndexMap<String, String>,
    /// No warning where valid pixels get lost in the file, and nodata in a format that changes pixels.
    #[serde(default)]
    pub lossy: bool,
}

/// The colours of an output's values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-expected" = "the name of a colour ramp, or colours by value"))]
pub enum ColorTable {
    /// The name of a colour ramp.
    Ramp(#[schemars(length(min = 1), example = &"viridis", extend("x-expected" = "the name of a colour ramp"))] String),
    /// Colours by value.
    Values(#[schemars(schema_with = "colors")] IndexMap<String, String>),
}

/// What a value of an output stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Class {
    /// The name of the class.
    #[schemars(regex(pattern = r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$"), example = &"water")]
    #[schemars(extend("x-expected" = "a name of one line"))]
    pub name: String,
    /// Its colour, as `#rrggbb` or `#rrggbbaa`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"), example = &"#2b83ba")]
    #[schemars(extend("x-expected" = "a colour as \"#rrggbb\" or \"#rrggbbaa\""))]
    pub color: Option<String>,
}

/// Nodata of an output file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-format" = "nodata", "x-word" = "none", "x-expected" = "a number, \"nan\" or \"none\""))]
pub enum OutputNodata {
    /// This value.
    Value(Nodata),
    /// None at all.
    None(Absent),
}

/// The word `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Absent {
    /// `"none"`.
    #[serde(rename = "none")]
    None,
}
