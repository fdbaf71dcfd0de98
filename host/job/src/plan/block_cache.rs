//! The size of GDAL's block cache.

use super::inputs::Opened;
use raster::BandInfo;

/// At least this much, bytes.
const LEAST: u64 = 4 << 20;
/// At most this much, bytes: each block of a larger cache is put into new memory, which the kernel has to find and clear.
const MOST: u64 = 64 << 20;

/// The tiles that are read.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// Rows and columns of one.
    pub size: (u32, u32),
    /// Pixels that are read beyond each of its sides.
    pub halo: u32,
    /// Columns of the grid.
    pub cols: u32,
    /// How many are read at a time.
    pub threads: usize,
    /// Whether neighbours are read by different threads, which each have datasets, and so blocks, of their own.
    pub in_turns: bool,
}

/// Memory for GDAL's block cache in each process that reads these tiles of these files, bytes.
///
/// The cache must hold one tile a thread and, of files whose blocks neighbouring tiles share, one row of tiles.
pub fn block_cache(opened: &[Opened], tiles: Tiles) -> u64 {
    let bands = opened.iter().flat_map(|input| &input.files).flat_map(|file| &file.info.bands);
    bands.map(|band| of_band(band, tiles)).fold(0, u64::saturating_add).clamp(LEAST, MOST)
}

fn of_band(band: &BandInfo, tiles: Tiles) -> u64 {
    let ((rows, cols), (high, wide)) = (tiles.size, (band.block.0.max(1), band.block.1.max(1)));
    let threads = tiles.threads as u64;
    let pixels = if tiles.halo > 0 || !rows.is_multiple_of(high) || !cols.is_multiple_of(wide) {
        let row = u64::from(tiles.cols.max(wide));
        // A tile reaches into a block on each side.
        let reach = |tile: u32, block: u32| u64::from(tile) + 2 * u64::from(tiles.halo) + 2 * u64::from(block);
        let tile = reach(cols, wide).min(row);
        let row = if tiles.in_turns { row.saturating_mul(threads) } else { row };
        reach(rows, high).saturating_mul(tile.saturating_mul(threads).saturating_add(row))
    } else {
        (u64::from(rows) * u64::from(cols)).saturating_mul(threads)
    };
    pixels.saturating_mul(band.dtype.size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raster::Mask;

    #[test]
    fn a_row_of_tiles_or_one_for_each_thread() {
        let (dtype, block) = (tilefn_abi::DType::UInt16, (256, 256));
        let band = BandInfo {
            dtype,
            nodata: None,
            mask: Mask::None,
            scale: 1.0,
            offset: 0.0,
            name: String::new(),
            block,
            color: String::new(),
        };
        let tiles = Tiles { size: (512, 512), halo: 0, cols: 8192, threads: 3, in_turns: false };
        assert_eq!(of_band(&band, tiles), 512 * 512 * 3 * 2);
        let halo = Tiles { halo: 2, ..tiles };
        assert_eq!(of_band(&band, halo), (512 + 4 + 512) * (8192 + 3 * (512 + 4 + 512)) * 2);
        assert_eq!(of_band(&band, Tiles { in_turns: true, ..halo }), (512 + 4 + 512) * 3 * (8192 + 512 + 4 + 512) * 2);
        assert_eq!(of_band(&band, Tiles { size: (512, 300), ..tiles }), (512 + 512) * (8192 + 3 * (300 + 512)) * 2);
        // Lines are blocks of one row, as wide as the file.
        let lines = BandInfo { block: (1, 10_000), ..band };
        assert_eq!(of_band(&lines, tiles), (512 + 2) * (10_000 + 3 * 10_000) * 2);
        assert_eq!(block_cache(&[], tiles), LEAST);
    }
}
