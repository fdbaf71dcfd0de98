//! The state of a job's tiles, as a map of few cells.

use grid::Tiling;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most rows and most columns of the map, whatever the number of tiles.
const MAP_SIDE: u32 = 64;

/// The matrix of tiles, several tiles to a cell.
#[derive(Debug)]
pub struct Map {
    tiling: Tiling,
    /// Rows of cells.
    pub rows: u32,
    /// Columns of cells.
    pub cols: u32,
    cells: Vec<Cell>,
}

#[derive(Debug, Default)]
struct Cell {
    done: AtomicU64,
    skipped: AtomicU64,
}

impl Map {
    pub fn new(tiling: Tiling) -> Self {
        let (rows, cols) = (tiling.matrix_rows().min(MAP_SIDE), tiling.matrix_cols().min(MAP_SIDE));
        let cells = (0..rows * cols).map(|_| Cell::default()).collect();
        Self { tiling, rows, cols, cells }
    }

    /// The cell that a tile lies in, row-major.
    pub fn cell(&self, tile: u64) -> usize {
        let per_row = u64::from(self.tiling.matrix_cols());
        let row = (tile / per_row) * u64::from(self.rows) / u64::from(self.tiling.matrix_rows());
        let col = (tile % per_row) * u64::from(self.cols) / per_row;
        usize::try_from(row * u64::from(self.cols) + col).unwrap_or(usize::MAX)
    }

    /// How many tiles lie in each cell, row-major.
    pub fn tiles(&self) -> Vec<u64> {
        let rows = spread(self.tiling.matrix_rows(), self.rows);
        let cols = spread(self.tiling.matrix_cols(), self.cols);
        rows.iter().flat_map(|r| cols.iter().map(move |c| r * c)).collect()
    }

    /// A tile was run and written.
    pub fn done(&self, tile: u64) {
        self.cells.get(self.cell(tile)).map(|c| c.done.fetch_add(1, Ordering::Relaxed));
    }

    /// A tile was left out.
    pub fn skipped(&self, tile: u64) {
        self.cells.get(self.cell(tile)).map(|c| c.skipped.fetch_add(1, Ordering::Relaxed));
    }

    /// Tiles run and tiles left out in each cell, row-major.
    pub fn counts(&self) -> (Vec<u64>, Vec<u64>) {
        self.cells.iter().map(|c| (c.done.load(Ordering::Relaxed), c.skipped.load(Ordering::Relaxed))).unzip()
    }
}

/// How many of `all` things fall into each of `parts` when thing `n` falls into part `n · parts / all`.
fn spread(all: u32, parts: u32) -> Vec<u64> {
    let (all, parts) = (u64::from(all), u64::from(parts));
    let start = |part: u64| (part * all).div_ceil(parts);
    (0..parts).map(|part| start(part + 1) - start(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_hold_the_tiles_that_lie_in_them(rows in 1u32..200, cols in 1u32..200) {
            let map = Map::new(Tiling::new(rows, cols, 1, 1).unwrap());
            let mut counted = vec![0u64; map.cells.len()];
            (0..map.tiling.count()).for_each(|tile| counted[map.cell(tile)] += 1);
            prop_assert_eq!(counted, map.tiles());
            prop_assert!(map.rows <= 64 && map.cols <= 64);
        }
    }
}
