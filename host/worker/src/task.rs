//! The task: the part of the plan that travels to workers, with all they need to run any tile.

use grid::{Grid, Tile, Tiling};
use raster::{BurnSpec, CoverageSpec, MosaicSpec, SourceSpec};
use sandbox::Limits;
use serde::{Deserialize, Serialize};
use tilefn_abi::DType;
use types::Value;

/// A job as a worker sees it. The planner makes it; each worker gets it once, for all tiles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Name of the function in the module.
    pub function: String,
    /// SHA-256 of the module, lower-case hexadecimal.
    pub module_sha256: String,
    /// Parameter values, in the order of the function's description; a float that JSON lacks is a text, as in the job file.
    pub params: Vec<Value>,
    /// Inputs, in the order of the function's description.
    pub inputs: Vec<Input>,
    /// Outputs, in the order of the function's description.
    pub outputs: Vec<Output>,
    /// Whether the function accumulates over the raster.
    pub reduce: bool,
    /// The working grid.
    pub grid: Grid,
    /// How the grid is cut.
    pub tiling: Tiling,
    /// Extra pixels on each side of every input.
    pub halo: u32,
    /// Whether tiles without any valid input pixel are left out.
    pub skip_empty: bool,
    /// What the function may use.
    pub limits: Limits,
    /// Memory for GDAL's block cache in each process, bytes.
    pub block_cache: u64,
}

impl Task {
    /// Bytes of all inputs under `tile`, halo included.
    pub fn bytes_in(&self, tile: &Tile) -> u64 {
        let Some(window) = tile.window.padded(self.halo) else { return 0 };
        let rasters = self.inputs.iter().flat_map(|i| &i.rasters);
        rasters.map(|r| r.bytes(window.rows, window.cols).map_or(0, |n| n as u64)).sum()
    }

    /// The task as the bytes that travel to workers.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// The task in these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// A named input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The name in the job file and in the function.
    pub name: String,
    /// Its files, in order; none when the input is optional and absent.
    pub rasters: Vec<Raster>,
    /// Whether its numbers may change without a warning where the function's type doesn't hold them.
    pub lossy: bool,
}

/// One file of an input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Raster {
    /// The path as the job file has it.
    pub path: String,
    /// Element type in which the function gets the pixels.
    #[serde(with = "types::dtype_name")]
    pub dtype: DType,
    /// The bands the function gets, in order.
    pub bands: Vec<Band>,
    /// Where its pixels come from.
    pub source: PixelSource,
}

/// Where the pixels of an input's file come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum PixelSource {
    /// They are read from a raster file.
    Read(SourceSpec),
    /// They are those of overlapping raster files.
    Mosaic(MosaicSpec),
    /// They are the features of a vector file, burned.
    Burned(BurnSpec),
    /// They are the areas that the features of a vector file cover.
    Covered(CoverageSpec),
}

impl PixelSource {
    /// Whether the mark of invalid pixels may differ from window to window.
    pub fn marks_vary(&self) -> bool {
        match self {
            Self::Read(spec) => spec.marks_vary(),
            Self::Mosaic(spec) => spec.parts.first().is_some_and(|part| !part.dtype.is_float()),
            Self::Burned(spec) => spec.marks_vary(),
            Self::Covered(spec) => spec.burn.marks_vary(),
        }
    }
}

impl Raster {
    /// Bytes of this raster under a tile of `rows` × `cols` pixels, halo included; `None` when the sum overflows.
    pub fn bytes(&self, rows: u32, cols: u32) -> Option<usize> {
        usize::try_from(rows)
            .ok()?
            .checked_mul(usize::try_from(cols).ok()?)?
            .checked_mul(self.bands.len())?
            .checked_mul(self.dtype.size())
    }
}

/// A band as the function sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Band {
    /// The band's description in the file.
    pub name: String,
    /// Its nodata value as the ABI encodes it for the raster's dtype; where marks vary, that of most tiles.
    pub nodata: Option<u64>,
}

/// A named output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Output {
    /// The name in the job file and in the function.
    pub name: String,
    /// Element type.
    #[serde(with = "types::dtype_name")]
    pub dtype: DType,
    /// Number of files; 0 when the job leaves the output out.
    pub rasters: u32,
    /// The file's nodata value, as the ABI encodes it for `dtype`.
    pub nodata: Option<u64>,
    /// The largest number that the file holds, where it has fewer bits than the type (NBITS).
    pub most: Option<f64>,
    /// Whether pixels may be lost without a warning: valid ones that equal nodata, and those above `most`.
    pub lossy: bool,
}
