//! From pixels to coordinates and back.

use alloc::vec::Vec;

use num_traits::AsPrimitive;

use super::Context;
use crate::Tile;

impl Context {
    /// The `(width, height)` of a pixel in units of the CRS, both positive. In a rotated grid the geotransform has the rest.
    pub fn pixel_size(&self) -> (f64, f64) {
        let [_, dx, _, _, _, dy] = self.geotransform;
        (dx.abs(), dy.abs())
    }

    /// The coordinates `(x, y)` of a pixel's centre.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let ctx = Context::for_test(2, 3).with_geotransform([500.0, 10.0, 0.0, 8000.0, 0.0, -10.0]);
    /// assert_eq!(ctx.centre(0, 0), (505.0, 7995.0));
    /// assert_eq!(ctx.clone().with_halo(1).centre(0, 0), (495.0, 8005.0));
    /// ```
    pub fn centre(&self, row: usize, col: usize) -> (f64, f64) {
        let [x0, dx, rx, y0, ry, dy] = self.geotransform;
        let (row, col) = (self.grid_row(row) + 0.5, self.grid_col(col) + 0.5);
        (x0 + col * dx + row * rx, y0 + col * ry + row * dy)
    }

    /// The coordinates `(x, y)` of all pixels' centres: two tiles of one band, halo included. With them a function needs no input.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// /// Distance from the grid's origin.
    /// #[tile_function]
    /// fn distance(ctx: &Context) -> Tile<f64> {
    ///     let (x, y) = ctx.coordinates();
    ///     x.zip_valid(&y, f64::hypot)
    /// }
    ///
    /// let ctx = Context::for_test(1, 2).with_geotransform([0.0, 6.0, 0.0, 8.0, 0.0, -8.0]);
    /// assert_eq!(distance(&ctx), Tile::from_rows([[5.0, 97f64.sqrt()]]));
    /// ```
    pub fn coordinates(&self) -> (Tile<f64>, Tile<f64>) {
        let (rows, cols) = (self.window.rows + 2 * self.halo, self.window.cols + 2 * self.halo);
        let pixels = || (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
        let (x, y): (Vec<_>, Vec<_>) = pixels().map(|(row, col)| self.centre(row, col)).unzip();
        let tile = |values| Tile::from_vec([1, rows, cols], values).with_halo(self.halo);
        (tile(x), tile(y))
    }

    /// The map coordinates `(x_min, y_min, x_max, y_max)` of the tile's outer edges, without the halo. Only meaningful in a grid
    /// that isn't rotated.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let ctx = Context::for_test(2, 3).with_geotransform([500.0, 10.0, 0.0, 8000.0, 0.0, -10.0]);
    /// assert_eq!(ctx.with_halo(1).bounds(), (500.0, 7980.0, 530.0, 8000.0));
    /// ```
    pub fn bounds(&self) -> (f64, f64, f64, f64) {
        let [x0, dx, _, y0, _, dy] = self.geotransform;
        let side = |origin: f64, step: f64, start: usize, len: usize| {
            let (a, b) = (origin + real(start) * step, origin + real(start + len) * step);
            (a.min(b), a.max(b))
        };
        let (x_min, x_max) = side(x0, dx, self.window.col, self.window.cols);
        let (y_min, y_max) = side(y0, dy, self.window.row, self.window.rows);
        (x_min, y_min, x_max, y_max)
    }

    /// The `(row, col)` of the pixel that contains the point; none when it is outside the tile and its halo.
    ///
    /// A pixel contains its upper and left edge, not the others, so each point of the grid is in exactly one pixel,
    /// whatever the tiles. Points in the halo are in a neighbour's window too: count those of the window with
    /// [`is_in_halo`](Self::is_in_halo).
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let ctx = Context::for_test(2, 3).with_geotransform([500.0, 10.0, 0.0, 8000.0, 0.0, -10.0]);
    /// assert_eq!(ctx.row_col_of(500.0, 8000.0), Some((0, 0)));
    /// assert_eq!(ctx.row_col_of(529.9, 7980.1), Some((1, 2)));
    /// assert_eq!(ctx.row_col_of(530.0, 7990.0), None);
    /// ```
    pub fn row_col_of(&self, x: f64, y: f64) -> Option<(usize, usize)> {
        let [x0, dx, rx, y0, ry, dy] = self.geotransform;
        let (row, col) = if rx == 0.0 && ry == 0.0 {
            (cell_of(y, y0, dy)?, cell_of(x, x0, dx)?)
        } else {
            let determinant = dx * dy - rx * ry;
            let (x, y) = (x - x0, y - y0);
            (floor((y * dx - x * ry) / determinant)?, floor((x * dy - y * rx) / determinant)?)
        };
        let row = local(row, self.window.row, self.window.rows, self.halo)?;
        let col = local(col, self.window.col, self.window.cols, self.halo)?;
        Some((row, col))
    }

    /// Whether a pixel is part of the halo, not of the tile's window.
    pub fn is_in_halo(&self, row: usize, col: usize) -> bool {
        let inside = |at: usize, len: usize| at >= self.halo && at - self.halo < len;
        !(inside(row, self.window.rows) && inside(col, self.window.cols))
    }

    /// A row of the tile as one of the grid; negative above it.
    fn grid_row(&self, row: usize) -> f64 {
        real(self.window.row) + real(row) - real(self.halo)
    }

    fn grid_col(&self, col: usize) -> f64 {
        real(self.window.col) + real(col) - real(self.halo)
    }
}

fn real(count: usize) -> f64 {
    count.as_()
}

/// The grid's row or column that contains a coordinate.
///
/// The division can round to the neighbour; the cell's edges, computed as everywhere, decide.
fn cell_of(coordinate: f64, origin: f64, step: f64) -> Option<i64> {
    let guess = floor((coordinate - origin) / step)?;
    let edge = |cell: i64| origin + AsPrimitive::<f64>::as_(cell) * step;
    let is_before = |edge: f64| if step > 0.0 { coordinate < edge } else { coordinate > edge };
    Some(if is_before(edge(guess)) {
        guess - 1
    } else if is_before(edge(guess + 1)) {
        guess
    } else {
        guess + 1
    })
}

/// The integer below, if there is one that a grid can have; `f64::floor` needs `std`.
fn floor(value: f64) -> Option<i64> {
    if !(-1e15..1e15).contains(&value) {
        return None;
    }
    let truncated: i64 = value.as_();
    Some(if AsPrimitive::<f64>::as_(truncated) > value { truncated - 1 } else { truncated })
}

/// A row or column of the grid as one of a tile whose window starts at `start` and has `len` of them, halo around it.
fn local(cell: i64, start: usize, len: usize, halo: usize) -> Option<usize> {
    let local = cell.checked_sub(i64::try_from(start).ok()?)?.checked_add(i64::try_from(halo).ok()?)?;
    usize::try_from(local).ok().filter(|local| *local < len + 2 * halo)
}
