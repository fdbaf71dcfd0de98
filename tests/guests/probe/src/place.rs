//! What a function is told about its tile.

use serde::{Deserialize, Serialize};
use tilefn_guest::prelude::*;

/// Everything in a tile's context, and the shape and nodata of its inputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    index: u64,
    count: u64,
    first: bool,
    last: bool,
    matrix: (usize, usize),
    matrix_size: (usize, usize),
    /// Row, column, rows, columns.
    window: (usize, usize, usize, usize),
    grid_size: (usize, usize),
    geotransform: [f64; 6],
    crs: String,
    halo: usize,
    /// Centre of the first pixel, halo included.
    first_centre: (f64, f64),
    /// The same of the last pixel, from the arrays of all centres, and their shape.
    last_centre: (f64, f64),
    centres: [usize; 3],
    pixel_size: (f64, f64),
    bounds: (f64, f64, f64, f64),
    /// Where the point is, if it is in the tile or its halo.
    point: Option<(usize, usize)>,
    inputs: Vec<SeenInput>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SeenInput {
    name: String,
    paths: Vec<String>,
    bands: Vec<Vec<String>>,
    /// Of the first band of each file, as the context has it.
    nodata: Vec<Option<f64>>,
    /// Of the first band of each tile, as the tile has it.
    tile_nodata: Vec<Option<f64>>,
    shapes: Vec<[usize; 3]>,
}

#[derive(Serialize, Deserialize)]
struct Log(Vec<Seen>);

impl Reduce for Log {
    fn identity() -> Self {
        Self(Vec::new())
    }

    fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    fn finish(self) -> impl Serialize {
        self.0
    }
}

/// Reports what the context says; the halo is a parameter.
#[tile_function(halo = "margin")]
fn context(
    image: Tile<u8>,
    others: Vec<Tile<u8>>,
    #[param(default = 0, min = 0)] margin: u32,
    #[param(default = 0.0)] x: f64,
    #[param(default = 0.0)] y: f64,
    ctx: &Context,
) -> Reduced<Log> {
    let _ = margin;
    let tiles = [vec![image], others];
    let window = ctx.window();
    let centres = ctx.coordinates();
    let [_, rows, cols] = centres.0.shape();
    let inputs = ctx.inputs().iter().zip(&tiles).map(|(info, tiles)| SeenInput {
        name: info.name.clone(),
        paths: info.files.iter().map(|f| f.path.clone()).collect(),
        bands: info.files.iter().map(|f| f.bands.iter().map(|b| b.name.clone()).collect()).collect(),
        nodata: info.files.iter().map(|f| f.bands[0].nodata).collect(),
        tile_nodata: tiles.iter().map(|t| t.nodata(0).map(f64::from)).collect(),
        shapes: tiles.iter().map(Tile::shape).collect(),
    });
    Reduced(Log(vec![Seen {
        index: ctx.index(),
        count: ctx.count(),
        first: ctx.is_first(),
        last: ctx.is_last(),
        matrix: ctx.matrix(),
        matrix_size: ctx.matrix_size(),
        window: (window.row, window.col, window.rows, window.cols),
        grid_size: ctx.grid_size(),
        geotransform: ctx.geotransform(),
        crs: ctx.crs().into(),
        halo: ctx.halo(),
        first_centre: ctx.centre(0, 0),
        last_centre: (centres.0[[0, rows - 1, cols - 1]], centres.1[[0, rows - 1, cols - 1]]),
        centres: centres.0.shape(),
        pixel_size: ctx.pixel_size(),
        bounds: ctx.bounds(),
        point: ctx.row_col_of(x, y),
        inputs: inputs.collect(),
    }]))
}

#[derive(Outputs)]
struct Places {
    /// Row and column in the grid, a band each.
    index: Tile<u16>,
    /// The tile's number.
    tile: Tile<u32>,
}

/// Writes where each pixel is.
#[tile_function]
fn places(image: Tile<u8>, ctx: &Context) -> Places {
    let all = image.without_nodata();
    let (row, col) = (ctx.window().row, ctx.window().col);
    let rows = all.map_valid_indexed(|(_, r, _), _| (row + r) as u16);
    let cols = all.map_valid_indexed(|(_, _, c), _| (col + c) as u16);
    Places { index: Tile::stack(&[rows, cols]), tile: all.map_valid(|_| ctx.index() as u32) }
}

#[derive(Serialize, Deserialize)]
struct Last(Vec<String>);

impl Reduce for Last {
    fn identity() -> Self {
        Self(Vec::new())
    }

    fn merge(&mut self, later: Self) {
        self.0 = later.0;
    }

    fn finish(self) -> impl Serialize {
        self.0
    }
}

/// Reports its parameters as Rust prints them.
#[tile_function]
#[allow(clippy::too_many_arguments)]
fn params(
    image: Tile<u8>,
    #[param(default = true)] flag: bool,
    #[param(default = -3, min = -10, max = 10)] number: i64,
    #[param(default = 5)] small: u8,
    #[param(default = 0.5, min = 0.0, max = 1.0)] share: f64,
    #[param(default = "none")] text: String,
    #[param(default = [1, 2])] numbers: Vec<i32>,
    #[param(default = ["a", "b"])] words: Vec<String>,
    #[param] required: f64,
) -> Reduced<Last> {
    let _ = image;
    let printed = [
        format!("{flag:?}"),
        format!("{number:?}"),
        format!("{small:?}"),
        format!("{share:?}"),
        format!("{text:?}"),
        format!("{numbers:?}"),
        format!("{words:?}"),
        format!("{required:?}"),
    ];
    Reduced(Last(printed.into()))
}
