//! The job as data: what the job file says, with defaults filled in. The JSON schema is derived from these types.
//!
//! A `Spec` travels as JSON; that JSON is itself a valid job file. Times, sizes and nodata keep their written form in it.

mod instance_type;
mod names;
mod raster_files;
mod rasters;
mod texts;
mod workers;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use types::{Edge, Footprint, Location, Value};

use super::units::{Size, Time};

use texts::{crs, path, paths};

pub use instance_type::InstanceType;
pub use names::{Cast, CpuArchitecture, MaskUse, NetworkMode, OverviewResampling, OverviewUse, Reads, Spot};
pub use raster_files::{FileOf, ListedFile, OwnFile, RasterFiles};
pub use rasters::{
    Absent, Burn, Class, ColorTable, Files, Input, InputNodata, Layer, Output, OutputNodata, RasterInput, VectorInput,
};
pub use workers::{Ec2, Ecs, Fargate, FargateMemory, S3, Workers};

/// One run of one function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Spec {
    /// What to run.
    #[schemars(extend("x-example" = "[function]\n        module = \"ndvi.wasm\""))]
    pub function: Function,
    /// The function's parameters by name; `tilefn inspect MODULE` lists them. A file's bytes, such as a model's: `{ file = "…" }`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, Value>,
    /// The function's inputs by name: raster files, or vector files that are rasterised on the fly.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, Input>,
    /// The function's outputs by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, Output>,
    /// Where the result of an accumulating function goes, besides the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<ReducedFile>,
    /// The working grid on which all tiles lie, and how it is cut.
    #[serde(default)]
    pub grid: Grid,
    /// In place of a grid: the function gets columns of attribute tables, in blocks of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// What the sandbox allows the function for one tile.
    #[serde(default)]
    pub limits: TileLimits,
    /// Who runs the tiles.
    #[serde(default)]
    pub workers: Workers,
}

/// The file of an accumulating function's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Reduced")]
pub struct ReducedFile {
    /// The result's records as a table, on this machine: `.csv` or `.parquet`.
    #[schemars(schema_with = "path", example = "areas.csv")]
    pub path: Location,
}

/// How a function goes over the rows of attribute tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Table {
    /// Rows of a block.
    #[serde(default = "rows")]
    #[schemars(range(min = 1, max = 65_536))]
    pub rows: u32,
}

const fn rows() -> u32 {
    65_536
}

/// The function to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-either" = "give a module or an expression"))]
pub struct Function {
    /// What computes the pixels.
    #[serde(flatten)]
    pub code: Code,
    /// What becomes of an expression's value that its output's integer type doesn't hold. Default: `saturate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cast: Option<Cast>,
    /// The function's name; needed only if the module has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Files and folders, in the Python program's folder or below, that it may import and read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "paths", example = ["coefficients.npy", "helpers"])]
    pub include: Vec<Location>,
    /// The module's SHA-256; a module with another is refused. Of a Python program it is that of all its files together,
    /// which the report tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    #[schemars(extend("x-expected" = "a SHA-256 of 64 hexadecimal digits"))]
    pub sha256: Option<String>,
}

/// What computes the pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Code {
    /// The WebAssembly module or the Python program (`.py`): a path, `s3://bucket/key` or `https://…`.
    #[serde(rename = "module")]
    Module(#[schemars(schema_with = "path", example = "ndvi.wasm")] Location),
    /// An expression, which tilefn compiles.
    #[serde(rename = "expression")]
    Expression(#[schemars(length(min = 1), example = "(nir - red) / (nir + red)")] String),
}

impl Function {
    /// The module, if the function is one.
    pub const fn module(&self) -> Option<&Location> {
        match &self.code {
            Code::Module(module) => Some(module),
            Code::Expression(_) => None,
        }
    }
}

/// The working grid. By default its CRS, resolution and alignment are the first raster input's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Grid {
    /// Which extent to cover: where all inputs are, where any input is, or the reference's own.
    pub footprint: Footprint,
    /// An input's name or a file: its CRS, resolution and alignment are the working grid's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-format" = "reference", "x-expected" = "an input's name or a file"))]
    pub reference: Option<String>,
    /// Files whose extents replace the inputs' in the footprint. A pattern such as `dates/*.tif` stands for the files it matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "paths", extend("x-expected" = "a list of files"))]
    pub extent_from: Option<Vec<Location>>,
    /// The working grid's CRS: `EPSG:28355`, another authority's code, WKT or a PROJ string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crs")]
    pub crs: Option<String>,
    /// Pixel width and height in units of the CRS, both positive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = { "type": "number", "exclusiveMinimum": 0 }), example = [10.0, 10.0])]
    #[schemars(extend("x-expected" = "pixel width and height as [x, y]"))]
    #[schemars(extend("x-beyond" = "pixel width and height, both positive"))]
    pub resolution: Option<[f64; 2]>,
    /// The extent to cover, in the CRS of the working grid: xmin, ymin, xmax, ymax. It replaces the footprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = [500_000.0, 6_995_000.0, 505_000.0, 7_000_000.0])]
    #[schemars(extend("x-expected" = "bounds as [xmin, ymin, xmax, ymax]"))]
    pub bounds: Option<[f64; 4]>,
    /// How far, in pixels, any corner of a raster may be from the pixels of the working grid and still be on it.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 0.5))]
    #[schemars(extend("x-beyond" = "a part of a pixel: at least 0 and less than 0.5"))]
    pub tolerance: f64,
    /// Columns and rows of a tile. Default: chosen from the files' own blocks and the memory limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1, max = 65_536)), example = [512, 512])]
    #[schemars(extend("x-expected" = "the tile's size as [cols, rows]", "x-item" = "a number of pixels"))]
    pub tile: Option<[u32; 2]>,
    /// What the halo holds beyond the data.
    pub edge: Edge,
    /// Tiles with no valid pixel in any input are not run; their outputs are nodata.
    pub skip_empty: bool,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            footprint: Footprint::Intersection,
            reference: None,
            extent_from: None,
            crs: None,
            resolution: None,
            bounds: None,
            tolerance: 0.01,
            tile: None,
            edge: Edge::Nodata,
            skip_empty: true,
        }
    }
}

/// What the sandbox allows the function for one tile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, rename = "Limits")]
pub struct TileLimits {
    /// The module's memory, inputs and outputs of the tile included; at most 4GiB.
    #[schemars(extend("x-range" = ["1MiB", "4GiB"]))]
    pub memory: Size,
    /// Time for one tile.
    #[schemars(extend("x-range" = ["1ms", "24h"]))]
    pub time: Time,
    /// WebAssembly instructions for one tile, roughly; 0 is unlimited.
    #[schemars(extend("x-expected" = "a number of instructions, 0 for unlimited"))]
    pub fuel: u64,
}

impl Default for TileLimits {
    fn default() -> Self {
        let sandbox::Limits { memory, time, fuel, .. } = sandbox::Limits::default();
        Self { memory: Size(memory), time: Time::of(time), fuel: fuel.unwrap_or(0) }
    }
}

impl TileLimits {
    /// All limits of the sandbox: these, and its own defaults for the rest.
    pub fn sandbox(&self) -> sandbox::Limits {
        sandbox::Limits {
            memory: self.memory.0,
            time: self.time.duration(),
            fuel: (self.fuel > 0).then_some(self.fuel),
            ..sandbox::Limits::default()
        }
    }
}
