//! How much memory GDAL's block cache is worth.

use super::inputs::Opened;
use raster::BandInfo;

/// At least this much, bytes.
const LEAST: u64 = 4 << 20;
/// At most this much, bytes: blocks of a larger cache come into memory that the kernel has to find and clear first.
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
}

/// Memory for GDAL's block cache in each process that reads these tiles of these files, bytes.
///
/// The cache must hold one row of tiles of the files whose blocks neighbouring tiles share; of the others, one tile a thread.
pub fn block_cache(opened: &[Opened], tiles: Tiles) -> u64 {
    let bands = opened.iter().flat_map(|input| &input.files).flat_map(|file| &file.info.bands);
    bands.map(|band| of_band(band, tiles)).fold(0, u64::saturating_add).clamp(LEAST, MOST)
}

fn of_band(band: &BandInfo, Tiles { size: (rows, cols), halo, cols: all, threads }: Tiles) -> u64 {
    let (high, wide) = (band.block.0.max(1), band.block.1.max(1));
    let pixels = if halo > 0 || !rows.is_multiple_of(high) || !cols.is_multiple_of(wide) {
        // The row reaches into a block above it and one below.
        let reached = u64::from(rows) + 2 * u64::from(halo) + 2 * u64::from(high);
        reached.saturating_mul(u64::from(all.max(wide)))
    } else {
        (u64::from(rows) * u64::from(cols)).saturating_mul(threads as u64)
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
        let tiles = Tiles { size: (512, 512), halo: 0, cols: 8192, threads: 3 };
        assert_eq!(of_band(&band, tiles), 512 * 512 * 3 * 2);
        assert_eq!(of_band(&band, Tiles { halo: 2, ..tiles }), (512 + 4 + 512) * 8192 * 2);
        assert_eq!(of_band(&band, Tiles { size: (512, 300), ..tiles }), (512 + 512) * 8192 * 2);
        // Lines are blocks of one row, as wide as the file.
        let lines = BandInfo { block: (1, 10_000), ..band };
        assert_eq!(of_band(&lines, tiles), (512 + 2) * 10_000 * 2);
        assert_eq!(block_cache(&[], tiles), LEAST);
    }
}
