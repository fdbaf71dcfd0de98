//! Where a tile lies, on what grid, and what its inputs are.

mod place;
mod read;
mod testing;

use alloc::{string::String, vec::Vec};

use tilefn_abi::DType;

/// A tile's place and the job around it; a function that needs it takes an argument `ctx: &Context`.
///
/// Rows and columns of pixels count as in the input tiles: from the top left, halo included. In a test,
/// [`Context::for_test`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    index: u64,
    count: u64,
    matrix: (usize, usize),
    matrix_size: (usize, usize),
    window: Window,
    grid_size: (usize, usize),
    geotransform: [f64; 6],
    crs: String,
    halo: usize,
    inputs: Vec<InputInfo>,
}

/// A rectangle of the grid's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub row: usize,
    /// First column.
    pub col: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// An input: its name in the job file, and its files.
#[derive(Clone, Debug, PartialEq)]
pub struct InputInfo {
    /// The argument's name.
    pub name: String,
    /// One file, several of a list, or none of an optional input that the job leaves out.
    pub files: Vec<FileInfo>,
}

/// One file of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct FileInfo {
    /// The path as in the job file.
    pub path: String,
    /// The type of the pixels that the function is given.
    pub dtype: DType,
    /// The bands that the function is given.
    pub bands: Vec<BandInfo>,
}

/// One band of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct BandInfo {
    /// The band's description in the file; may be empty.
    pub name: String,
    /// The nodata value; a 64-bit integer beyond 2^53 is rounded here, [`Tile::nodata`](crate::Tile::nodata) has it exactly.
    pub nodata: Option<f64>,
}

impl Context {
    /// The tile's number, counted from 0, row by row from the top left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The number of tiles of the whole grid.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether this is the top left tile. Tiles run in any order: it says nothing about time.
    pub fn is_first(&self) -> bool {
        self.index == 0
    }

    /// Whether this is the bottom right tile. Tiles run in any order: it says nothing about time.
    pub fn is_last(&self) -> bool {
        self.index + 1 == self.count
    }

    /// The tile's `(row, col)` in the matrix of tiles.
    pub fn matrix(&self) -> (usize, usize) {
        self.matrix
    }

    /// The `(rows, cols)` of the matrix of tiles.
    pub fn matrix_size(&self) -> (usize, usize) {
        self.matrix_size
    }

    /// The tile's pixels in the grid, without the halo.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The `(rows, cols)` of the grid.
    pub fn grid_size(&self) -> (usize, usize) {
        self.grid_size
    }

    /// The grid's geotransform in GDAL's order: x of the left edge, pixel width, row rotation, y of the top edge, column
    /// rotation, pixel height (negative when north is up).
    pub fn geotransform(&self) -> [f64; 6] {
        self.geotransform
    }

    /// The grid's CRS as WKT; empty when it has none.
    pub fn crs(&self) -> &str {
        &self.crs
    }

    /// Extra pixels on each of the four sides of the input tiles.
    pub fn halo(&self) -> usize {
        self.halo
    }

    /// All inputs, in the order of the arguments.
    pub fn inputs(&self) -> &[InputInfo] {
        &self.inputs
    }

    /// The input with this name.
    pub fn input(&self, name: &str) -> Option<&InputInfo> {
        self.inputs.iter().find(|input| input.name == name)
    }
}
