//! Contexts for tests.

use alloc::{string::String, vec::Vec};

use super::{Context, FileInfo, InputInfo, Window};

impl Context {
    /// The context of the only tile of a grid of `rows` × `cols` pixels of size 1, its top left at (0, 0), without CRS.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// /// Metres to the tile's western edge.
    /// #[tile_function]
    /// fn easting(dem: Tile<f32>, ctx: &Context) -> Tile<f64> {
    ///     dem.map_valid_indexed(|(_, row, col), _| ctx.centre(row, col).0)
    /// }
    ///
    /// let ctx = Context::for_test(1, 2).with_geotransform([100.0, 30.0, 0.0, 0.0, 0.0, -30.0]);
    /// assert_eq!(easting(Tile::from_rows([[7.0, 8.0]]), &ctx), Tile::from_rows([[115.0, 145.0]]));
    /// ```
    pub fn for_test(rows: usize, cols: usize) -> Self {
        Self {
            index: 0,
            count: 1,
            matrix: (0, 0),
            matrix_size: (1, 1),
            window: Window { row: 0, col: 0, rows, cols },
            grid_size: (rows, cols),
            geotransform: [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
            crs: String::new(),
            halo: 0,
            inputs: Vec::new(),
        }
    }

    /// The tile at `(row, col)` of a matrix of `(rows, cols)` tiles.
    #[must_use]
    pub fn with_matrix(mut self, matrix: (usize, usize), matrix_size: (usize, usize)) -> Self {
        let ((row, col), (rows, cols)) = (matrix, matrix_size);
        (self.index, self.count) = ((row * cols + col) as u64, (rows * cols) as u64);
        (self.matrix, self.matrix_size) = (matrix, matrix_size);
        self
    }

    /// The tile's window in a grid of `(rows, cols)` pixels.
    #[must_use]
    pub fn with_window(mut self, window: Window, grid_size: (usize, usize)) -> Self {
        (self.window, self.grid_size) = (window, grid_size);
        self
    }

    /// The grid's geotransform.
    #[must_use]
    pub fn with_geotransform(mut self, geotransform: [f64; 6]) -> Self {
        self.geotransform = geotransform;
        self
    }

    /// The grid's CRS as WKT.
    #[must_use]
    pub fn with_crs(mut self, wkt: impl Into<String>) -> Self {
        self.crs = wkt.into();
        self
    }

    /// Extra pixels around the window.
    #[must_use]
    pub fn with_halo(mut self, halo: usize) -> Self {
        self.halo = halo;
        self
    }

    /// One more input with its files.
    #[must_use]
    pub fn with_input(mut self, name: impl Into<String>, files: impl IntoIterator<Item = FileInfo>) -> Self {
        self.inputs.push(InputInfo { name: name.into(), files: files.into_iter().collect() });
        self
    }
}
