//! A grid cut into tiles, by arithmetic: no list of tiles exists.

use super::{Error, Window};
use serde::{Deserialize, Serialize};

/// A grid cut into equal tiles, row-major from the upper left; those at the right and lower edges may be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiling {
    grid_rows: u32,
    grid_cols: u32,
    tile_rows: u32,
    tile_cols: u32,
}

/// One tile of a [`Tiling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Number of the tile, row-major from the upper left.
    pub index: u64,
    /// Row in the matrix of tiles.
    pub row: u32,
    /// Column in the matrix of tiles.
    pub col: u32,
    /// The tile's pixels, without halo.
    pub window: Window,
}

impl Tiling {
    /// Cuts a grid of `grid_rows` × `grid_cols` pixels into tiles of `tile_rows` × `tile_cols`.
    ///
    /// # Errors
    /// When one of them is zero.
    pub fn new(grid_rows: u32, grid_cols: u32, tile_rows: u32, tile_cols: u32) -> Result<Self, Error> {
        if grid_rows == 0 || grid_cols == 0 {
            return Err(Error::Invalid(format!("its size is {grid_rows} rows × {grid_cols} columns")));
        }
        if tile_rows == 0 || tile_cols == 0 {
            return Err(Error::Invalid(format!("a tile of {tile_rows} rows × {tile_cols} columns has no pixels")));
        }
        Ok(Self { grid_rows, grid_cols, tile_rows, tile_cols })
    }

    /// Rows and columns of a full tile.
    pub const fn tile_size(&self) -> (u32, u32) {
        (self.tile_rows, self.tile_cols)
    }

    /// Rows of the matrix of tiles.
    pub const fn matrix_rows(&self) -> u32 {
        self.grid_rows.div_ceil(self.tile_rows)
    }

    /// Columns of the matrix of tiles.
    pub const fn matrix_cols(&self) -> u32 {
        self.grid_cols.div_ceil(self.tile_cols)
    }

    /// Number of tiles.
    pub const fn count(&self) -> u64 {
        self.matrix_rows() as u64 * self.matrix_cols() as u64
    }

    /// The tile with this number; `None` beyond the last.
    pub fn tile(&self, index: u64) -> Option<Tile> {
        let per_row = u64::from(self.matrix_cols());
        let row = u32::try_from(index / per_row).ok().filter(|row| *row < self.matrix_rows())?;
        let col = u32::try_from(index % per_row).ok()?;
        let (first_row, first_col) = (row * self.tile_rows, col * self.tile_cols);
        let window = Window::new(
            first_row.into(),
            first_col.into(),
            self.tile_rows.min(self.grid_rows - first_row),
            self.tile_cols.min(self.grid_cols - first_col),
        );
        Some(Tile { index, row, col, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tiles_cover_the_grid_once(gr in 1u32..60, gc in 1u32..60, tr in 1u32..70, tc in 1u32..70) {
            let tiling = Tiling::new(gr, gc, tr, tc).unwrap();
            let mut seen = vec![0u8; (gr * gc) as usize];
            for index in 0..tiling.count() {
                let tile = tiling.tile(index).unwrap();
                prop_assert_eq!(u64::from(tile.row * tiling.matrix_cols() + tile.col), index);
                for r in tile.window.row..tile.window.row_end() {
                    for c in tile.window.col..tile.window.col_end() {
                        seen[usize::try_from(r * i64::from(gc) + c).unwrap()] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|n| *n == 1));
            prop_assert_eq!(tiling.tile(tiling.count()), None);
        }
    }

    #[test]
    fn eight_hundred_thousand_squared() {
        let tiling = Tiling::new(800_000, 800_000, 256, 256).unwrap();
        assert_eq!(tiling.count(), 3125 * 3125);
        let last = tiling.tile(tiling.count() - 1).unwrap();
        assert_eq!(last.window, Window::new(799_744, 799_744, 256, 256));
        assert_eq!(tiling.tile(u64::MAX), None);
    }

    #[test]
    fn largest_possible_grid() {
        let tiling = Tiling::new(u32::MAX, u32::MAX, 1 << 31, u32::MAX).unwrap();
        assert_eq!(tiling.count(), 2);
        assert_eq!(tiling.tile(1).unwrap().window, Window::new(1 << 31, 0, (1 << 31) - 1, u32::MAX));
    }

    #[test]
    fn c14_blocks_of_the_union() {
        // 600 × 600 pixels in windows of 256: 3 × 3, the last 88 wide (RIOS conformance case C14).
        let tiling = Tiling::new(600, 600, 256, 256).unwrap();
        assert_eq!((tiling.matrix_rows(), tiling.matrix_cols()), (3, 3));
        assert_eq!(tiling.tile(8).unwrap().window, Window::new(512, 512, 88, 88));
    }

    #[test]
    fn nothing_to_cut() {
        assert_eq!(
            Tiling::new(10, 10, 0, 5).unwrap_err().to_string(),
            "the grid is invalid: a tile of 0 rows × 5 columns has no pixels"
        );
        assert_eq!(
            Tiling::new(0, 10, 5, 5).unwrap_err().to_string(),
            "the grid is invalid: its size is 0 rows × 10 columns"
        );
    }
}
