//! The binary contract between a tilefn host and a module's functions, ABI version 1.
//!
//! Both sides compile this crate, so a field can't mean two things. `include/tilefn.h` says the same in C, and
//! `docs/abi.md` explains it. All numbers are little-endian; a *pointer* is an absolute address in the module's linear
//! memory; an *offset* counts from the first byte of the [`Call`] block, which the host writes with 16-byte alignment.
//!
//! A module exports `memory`, the marker [`VERSION_EXPORT`], [`ALLOC_EXPORT`] and, for each of its functions `NAME`:
//!
//! | export | signature | meaning |
//! |---|---|---|
//! | `describe:NAME` | `() -> i64` | JSON description: pointer in the upper, length in the lower 32 bits |
//! | `process:NAME` | `(call: i32) -> i32` | runs one tile; pointer to a [`Outcome`], 0 after a reported error |
//! | `merge:NAME` | `(a: i32, a_len: i32, b: i32, b_len: i32) -> i32` | joins two states, `a` from earlier tiles; [`Outcome`] |
//! | `finish:NAME` | `(state: i32, len: i32) -> i32` | turns the last state into JSON text; [`Outcome`] |
//!
//! The last two exist only for functions that accumulate. The host may import to a module [`REPORT_IMPORT`] and WASI
//! preview 1, nothing else.
#![no_std]
#![warn(missing_docs)]

use bytemuck::{Pod, Zeroable};

/// The ABI's major version; a host refuses a module that marks another.
pub const VERSION: u32 = 1;
/// An exported function (never called) whose name alone says which ABI the module speaks.
pub const VERSION_EXPORT: &str = "tilefn_abi_v1";
/// What every version marker starts with; the version follows in decimal.
pub const VERSION_EXPORT_PREFIX: &str = "tilefn_abi_v";
/// `(len: i32, align: i32) -> i32`: memory for the host to fill; 0 when there is none. Never freed: an instance lives for one tile.
pub const ALLOC_EXPORT: &str = "tilefn_alloc";
/// `() -> i32`, optional: the end of the memory in use, the highest so far. A host may give a module that exports it more memory from
/// the start than it asks for, so that the memory needn't grow for each tile.
pub const MEMORY_USED_EXPORT: &str = "tilefn_memory_used";
/// Prefix of the export that describes a function.
pub const DESCRIBE_PREFIX: &str = "describe:";
/// Prefix of the export that runs a function on one tile.
pub const PROCESS_PREFIX: &str = "process:";
/// Prefix of the export that joins two accumulated states.
pub const MERGE_PREFIX: &str = "merge:";
/// Prefix of the export that turns the accumulated state into JSON.
pub const FINISH_PREFIX: &str = "finish:";
/// Module name of the host's import.
pub const IMPORT_MODULE: &str = "tilefn";
/// `(kind: i32, text: i32, len: i32)`: hands the host a UTF-8 text; `kind` is a [`Report`].
pub const REPORT_IMPORT: &str = "report";

/// What a text handed to the host's `report` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Report {
    /// A line for the log.
    Info = 1,
    /// A warning for the log and the run's report.
    Warning = 2,
    /// Why the function failed; `process` returns 0 next.
    Error = 3,
    /// A panic's message and place; the module traps next.
    Panic = 4,
}

impl Report {
    /// The kind with this number, if there is one.
    pub const fn from_u32(kind: u32) -> Option<Self> {
        Some(match kind {
            1 => Self::Info,
            2 => Self::Warning,
            3 => Self::Error,
            4 => Self::Panic,
            _ => return None,
        })
    }
}

/// Element type of a raster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum DType {
    /// Unsigned 8-bit integer (GDAL `Byte`).
    UInt8 = 1,
    /// Signed 8-bit integer.
    Int8 = 2,
    /// Unsigned 16-bit integer.
    UInt16 = 3,
    /// Signed 16-bit integer.
    Int16 = 4,
    /// Unsigned 32-bit integer.
    UInt32 = 5,
    /// Signed 32-bit integer.
    Int32 = 6,
    /// Unsigned 64-bit integer.
    UInt64 = 7,
    /// Signed 64-bit integer.
    Int64 = 8,
    /// IEEE 754 single precision.
    Float32 = 9,
    /// IEEE 754 double precision.
    Float64 = 10,
}

impl DType {
    /// Every type, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::UInt8,
        Self::Int8,
        Self::UInt16,
        Self::Int16,
        Self::UInt32,
        Self::Int32,
        Self::UInt64,
        Self::Int64,
        Self::Float32,
        Self::Float64,
    ];

    /// The type with this number, if there is one.
    pub fn from_u32(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|d| *d as u32 == number)
    }

    /// The type with this name (`"uint8"` … `"float64"`), if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }

    /// The name used in job files, descriptions and messages: numpy's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UInt8 => "uint8",
            Self::Int8 => "int8",
            Self::UInt16 => "uint16",
            Self::Int16 => "int16",
            Self::UInt32 => "uint32",
            Self::Int32 => "int32",
            Self::UInt64 => "uint64",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::UInt8 | Self::Int8 => 1,
            Self::UInt16 | Self::Int16 => 2,
            Self::UInt32 | Self::Int32 | Self::Float32 => 4,
            Self::UInt64 | Self::Int64 | Self::Float64 => 8,
        }
    }

    /// Whether the type has NaN.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }

    /// Whether the type has negative values.
    pub const fn is_signed(self) -> bool {
        !matches!(self, Self::UInt8 | Self::UInt16 | Self::UInt32 | Self::UInt64)
    }
}

/// A run of `len` items that starts `offset` bytes into the call block. Texts are UTF-8, without a closing zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Slice {
    /// Bytes from the start of the call block, a multiple of the item's alignment.
    pub offset: u32,
    /// Number of items (bytes of a text).
    pub len: u32,
}

/// The block that `process` is given: one tile, all its inputs, all parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Call {
    /// Bytes of the whole block.
    pub size: u32,
    /// Extra pixels on each of the four sides of every input raster.
    pub halo: u32,
    /// Number of this tile, row-major from the top left.
    pub tile_index: u64,
    /// Tiles of the whole grid.
    pub tile_count: u64,
    /// Row and column of this tile in the matrix of tiles.
    pub tile_row: u32,
    /// Column of this tile in the matrix of tiles.
    pub tile_col: u32,
    /// Rows of the matrix of tiles.
    pub tile_rows: u32,
    /// Columns of the matrix of tiles.
    pub tile_cols: u32,
    /// First grid row of the tile, without halo.
    pub row: u32,
    /// First grid column of the tile, without halo.
    pub col: u32,
    /// Pixel rows of the tile, without halo: what every output must have.
    pub rows: u32,
    /// Pixel columns of the tile, without halo.
    pub cols: u32,
    /// Rows of the working grid.
    pub grid_rows: u32,
    /// Columns of the working grid.
    pub grid_cols: u32,
    /// The working grid's geotransform in GDAL's order: x0, dx, rx, y0, ry, dy.
    pub geotransform: [f64; 6],
    /// The working grid's CRS as WKT; empty when it has none.
    pub crs: Slice,
    /// [`Param`]s, in the order of the description.
    pub params: Slice,
    /// [`Input`]s, in the order of the description.
    pub inputs: Slice,
    /// [`Output`]s, in the order of the description.
    pub outputs: Slice,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ParamKind {
    /// 0 or 1.
    Bool = 1,
    /// A signed 64-bit integer.
    Int = 2,
    /// A 64-bit float.
    Float = 3,
    /// A text.
    Text = 4,
    /// The bytes of a file.
    Bytes = 5,
}

/// A parameter's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Param {
    /// A [`ParamKind`].
    pub kind: u32,
    /// 1 when it is a list.
    pub list: u32,
    /// A single bool, integer or float, as its 64 bits; else 0.
    pub bits: u64,
    /// A single text's bytes, or those of a file; a list's items: `u64` bits each, or a [`Slice`] each for texts.
    pub items: Slice,
}

/// A named input: one raster, or as many as its list has, or none when it is optional and absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Input {
    /// The name in the job file.
    pub name: Slice,
    /// [`Raster`]s.
    pub rasters: Slice,
}

/// The pixels of one file under this tile: `[bands, rows, cols]`, row-major, halo included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Raster {
    /// A [`DType`].
    pub dtype: u32,
    /// Number of bands.
    pub bands: u32,
    /// Pixel rows, halo included.
    pub rows: u32,
    /// Pixel columns, halo included.
    pub cols: u32,
    /// Pointer to the first pixel, 16-byte aligned.
    pub data: u32,
    /// Zero.
    pub reserved: u32,
    /// The file's path as the job file has it.
    pub path: Slice,
    /// [`Band`]s, one for each band.
    pub band_info: Slice,
}

/// What is known of a band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Band {
    /// The nodata value: `f64` bits for a float raster, else the two's complement integer, extended to 64 bits.
    pub nodata: u64,
    /// 1 when the band has a nodata value.
    pub has_nodata: u32,
    /// Zero.
    pub reserved: u32,
    /// The band's description in the file; may be empty.
    pub name: Slice,
}

/// What the job wants for a named output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Output {
    /// The name in the job file.
    pub name: Slice,
    /// Number of files, hence of rasters to return; 0 when the job leaves this output out.
    pub rasters: u32,
    /// Zero.
    pub reserved: u32,
}

/// What `process`, `merge` and `finish` return a pointer to; 4-byte aligned or better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Outcome {
    /// Pointer to [`RasterList`]s, one for each output in the order of the description.
    pub outputs: u32,
    /// Number of outputs.
    pub output_count: u32,
    /// Pointer to the state of an accumulating function (from `finish`: JSON text).
    pub state: u32,
    /// Bytes of the state.
    pub state_len: u32,
}

/// The rasters of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RasterList {
    /// Pointer to [`OutRaster`]s.
    pub rasters: u32,
    /// Number of rasters.
    pub count: u32,
}

/// One output raster: `[bands, rows, cols]`, row-major, without halo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OutRaster {
    /// The value that marks pixels without a value, encoded as in [`Band::nodata`].
    pub nodata: u64,
    /// 1 when `nodata` counts. NaN marks them too in a float raster, always.
    pub has_nodata: u32,
    /// A [`DType`].
    pub dtype: u32,
    /// Number of bands.
    pub bands: u32,
    /// Pixel rows: the tile's.
    pub rows: u32,
    /// Pixel columns: the tile's.
    pub cols: u32,
    /// Pointer to the first pixel, aligned to the element.
    pub data: u32,
}

// The C header states the same numbers; a change here is a new ABI version.
const _: () = {
    assert!(size_of::<Slice>() == 8 && align_of::<Slice>() == 4);
    assert!(size_of::<Call>() == 144 && align_of::<Call>() == 8);
    assert!(size_of::<Param>() == 24);
    assert!(size_of::<Input>() == 16);
    assert!(size_of::<Raster>() == 40);
    assert!(size_of::<Band>() == 24);
    assert!(size_of::<Output>() == 16);
    assert!(size_of::<Outcome>() == 16);
    assert!(size_of::<RasterList>() == 8);
    assert!(size_of::<OutRaster>() == 32);
};
