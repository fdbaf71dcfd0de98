//! Chooses a tile size that suits the files' blocks and the memory.

/// Pixels of a usual tile: 512 × 512. Smaller ones cost more in calls than they gain
/// in balance between workers, larger ones only memory.
const USUAL_PIXELS: u64 = 512 * 512;
/// Bytes of a usual tile, at most: the tiles that threads work on should stay in the processor's cache.
const USUAL_BYTES: u64 = 8 << 20;
/// Below this many pixels a tile isn't made smaller for its bytes, or to give every thread something to do.
const FEWEST_PIXELS: u64 = 128 * 128;
/// A tile's side is at least this many times the halo, if there is memory: pixels under halos are read more than once.
const SIDE_TO_HALO: u64 = 8;
/// A tall tile's rows for each of its columns, at most.
const TALL: u64 = 4;
/// Tiles that each thread should have, so that the last ones to finish leave little idle time.
const TILES_PER_THREAD: u64 = 4;

/// The memory that tiles may take, and what they need of it.
#[derive(Clone, Copy, Debug)]
pub struct TileBudget {
    /// Bytes that all tiles in work may take together.
    pub memory: u64,
    /// Bytes that one pixel of a tile takes: every band of every input and output, and what the function makes of it.
    pub bytes_per_pixel: u64,
    /// Pixels around each tile that it takes as well.
    pub halo: u32,
    /// Tiles in work at the same time.
    pub threads: u32,
    /// Whether a tile should rather be tall than square: as wide as a block, which then lies in it as in a file.
    pub tall: bool,
}

impl TileBudget {
    /// Whether tiles of this size can be in work on all threads.
    fn allows(&self, rows: u64, cols: u64) -> bool {
        let padded = |side: u64| side.saturating_add(2 * u64::from(self.halo));
        let tile = padded(rows).saturating_mul(padded(cols)).saturating_mul(self.bytes_per_pixel);
        tile.saturating_mul(self.threads.max(1).into()) <= self.memory
    }
}

/// Rows and columns of a tile for a grid of `(rows, cols)`, from the block sizes `(rows, cols)` of its files.
///
/// A tile is a whole multiple of every file's blocks wherever the budget allows, so that no block is decoded or
/// written twice: about 512 × 512 for tiled files (if tall, as wide as their blocks and up to four times as high), fewer
/// pixels of many bands and more with a large halo; bands of whole lines for striped ones. The budget is kept in any
/// case, down to a single pixel.
pub fn choose_tile(blocks: &[(u32, u32)], grid: (u32, u32), budget: &TileBudget) -> (u32, u32) {
    let (grid_rows, grid_cols) = (u64::from(grid.0.max(1)), u64::from(grid.1.max(1)));
    let threads = u64::from(budget.threads.max(1));
    let fewest = FEWEST_PIXELS.max((SIDE_TO_HALO * u64::from(budget.halo)).saturating_pow(2));
    let cached = USUAL_PIXELS.min(USUAL_BYTES / budget.bytes_per_pixel.max(1));
    let fair = grid_rows * grid_cols / (threads * TILES_PER_THREAD);
    let wanted = cached.min(fair).max(fewest);

    // A block as large as the grid is a whole line (or column) of it, whatever the excess.
    let mut clipped: Vec<(u64, u64)> =
        blocks.iter().map(|b| (u64::from(b.0.max(1)).min(grid_rows), u64::from(b.1.max(1)).min(grid_cols))).collect();
    clipped.sort_unstable_by_key(|(rows, cols)| rows * cols);
    // All blocks at once; if they are too much together, as many of the small ones as there is room for.
    let (mut rows, mut cols) = (1, 1);
    for (block_rows, block_cols) in clipped {
        let both = (lcm(rows, block_rows).min(grid_rows), lcm(cols, block_cols).min(grid_cols));
        if budget.allows(both.0, both.1) {
            (rows, cols) = both;
        }
    }
    // Double the side that is too short and can still grow: multiples stay multiples, the shape tends to the wanted one.
    loop {
        let taller = (rows < grid_rows).then(|| ((rows * 2).min(grid_rows), cols));
        let wider = (cols < grid_cols).then(|| (rows, (cols * 2).min(grid_cols)));
        let too_wide = if budget.tall { rows < TALL * cols } else { rows <= cols };
        let (first, second) = if too_wide { (taller, wider) } else { (wider, taller) };
        let fits = |(rows, cols): &(u64, u64)| rows * cols <= wanted && budget.allows(*rows, *cols);
        let Some(next) = [first, second].into_iter().flatten().find(fits) else {
            break;
        };
        (rows, cols) = next;
    }
    (side(rows), side(cols))
}

fn side(pixels: u64) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

fn lcm(a: u64, b: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (a / gcd(a, b).max(1)).saturating_mul(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn tile(blocks: &[(u32, u32)], grid: (u32, u32), memory: u64) -> (u32, u32) {
        choose_tile(blocks, grid, &TileBudget { memory, bytes_per_pixel: 16, halo: 0, threads: 2, tall: false })
    }

    #[test]
    fn tiled_files_give_about_512_squared() {
        assert_eq!(tile(&[(256, 256)], (10_980, 10_980), GIB), (512, 512));
        assert_eq!(tile(&[(512, 512), (256, 256)], (10_980, 10_980), GIB), (512, 512));
        assert_eq!(tile(&[(1024, 1024), (256, 256)], (10_980, 10_980), GIB), (1024, 1024));
        assert_eq!(tile(&[], (800_000, 800_000), GIB), (512, 512));
    }

    #[test]
    fn striped_files_give_whole_lines() {
        assert_eq!(tile(&[(1, 10_980)], (10_980, 10_980), GIB), (16, 10_980));
        assert_eq!(tile(&[(16, 10_980), (512, 512)], (10_980, 10_980), GIB), (512, 10_980));
        // Not enough memory for both: the smaller block wins.
        assert_eq!(tile(&[(16, 10_980), (512, 512)], (10_980, 10_980), 32 << 20), (16, 10_980));
    }

    #[test]
    fn small_grids_are_shared_out() {
        assert_eq!(tile(&[(64, 64)], (500, 500), GIB), (128, 128));
        assert_eq!(tile(&[(256, 256)], (100, 70), GIB), (100, 70));
    }

    #[test]
    fn many_bands_give_fewer_pixels_and_a_large_halo_more() {
        let tile = |bytes_per_pixel, halo, memory| {
            choose_tile(
                &[(256, 256)],
                (10_980, 10_980),
                &TileBudget { memory, bytes_per_pixel, halo, threads: 2, tall: false },
            )
        };
        assert_eq!(tile(128, 0, GIB), (256, 256));
        assert_eq!(tile(1000, 0, GIB), (256, 256));
        assert_eq!(tile(16, 50, GIB), (512, 512));
        assert_eq!(tile(16, 128, GIB), (1024, 1024));
        // Halos included, two of 512 × 512 take 19 MB.
        assert_eq!(tile(16, 128, 16 << 20), (512, 256));
    }

    #[test]
    fn tall_tiles_are_as_wide_as_the_blocks() {
        let tile = |blocks: &[(u32, u32)], grid| {
            let budget = TileBudget { memory: GIB, bytes_per_pixel: 16, halo: 0, threads: 2, tall: true };
            choose_tile(blocks, grid, &budget)
        };
        assert_eq!(tile(&[(256, 256)], (10_980, 10_980)), (1024, 256));
        assert_eq!(tile(&[(256, 256), (512, 512)], (10_980, 10_980)), (512, 512));
        assert_eq!(tile(&[(64, 64)], (10_980, 10_980)), (1024, 256));
        assert_eq!(tile(&[(256, 256)], (300, 10_980)), (300, 512));
        assert_eq!(tile(&[(1, 10_980)], (10_980, 10_980)), (16, 10_980));
    }

    #[test]
    fn a_hostile_block_size_does_not_break_the_budget() {
        let (rows, cols) = tile(&[(u32::MAX, u32::MAX)], (u32::MAX, u32::MAX), 32 << 20);
        assert!(u64::from(rows) * u64::from(cols) <= 1 << 20, "{rows} × {cols}");
    }

    proptest! {
        #[test]
        fn budget_is_kept_and_nothing_overflows(
            blocks in prop::collection::vec((0u32..5000, 0u32..20_000), 0..5),
            grid in (1u32.., 1u32..), memory in 1u64..GIB, bytes_per_pixel in 0u64..100,
            halo in prop_oneof![0u32..100, Just(u32::MAX)], threads in 0u32..64, tall: bool,
        ) {
            let (rows, cols) = choose_tile(&blocks, grid, &TileBudget { memory, bytes_per_pixel, halo, threads, tall });
            prop_assert!(rows >= 1 && cols >= 1 && rows <= grid.0 && cols <= grid.1);
            let padded = |side: u32| u64::from(side) + 2 * u64::from(halo);
            let pixels = u128::from(padded(rows)) * u128::from(padded(cols));
            prop_assert!((rows, cols) == (1, 1) || pixels * u128::from(bytes_per_pixel) * u128::from(threads.max(1)) <= memory.into());
        }
    }
}
