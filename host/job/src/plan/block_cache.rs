//! How much memory GDAL's block cache is worth.

use super::inputs::Opened;
use raster::BandInfo;

/// At least this much, bytes.
const LEAST: u64 = 4 << 20;
/// At most this much, bytes.
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
    /// How many are read at a time, each by a thread with datasets of its own.
    pub threads: usize,
    /// Whether neighbours are read by different threads, which each need the blocks between them.
    pub in_turns: bool,
}

/// Memory for GDAL's block cache in each process that reads these tiles of these files, bytes.
///
/// Blocks that tiles share, under a halo or since they reach into the next tile, are to be there still when the row of tiles below is read. Of other
/// ones, only what each thread reads at a time: all bands of a place, which some drivers decode together. Not more, since every block
/// of a larger cache comes into memory that the kernel has to find and clear first.
pub fn block_cache(opened: &[Opened], tiles: Tiles) -> u64 {
    let (mut shared, mut own) = (0_u64, 0_u64);
    for file in opened.iter().flat_map(|input| &input.files) {
        let bands = || file.info.bands.iter();
        shared = bands().filter_map(|band| in_a_row(band, tiles)).fold(shared, u64::saturating_add);
        own = own.max(bands().map(|band| bytes(band, band.block)).fold(0, u64::saturating_add));
    }
    let threads = u64::try_from(tiles.threads).unwrap_or(u64::MAX);
    own.saturating_mul(threads).saturating_add(shared).clamp(LEAST, MOST)
}

/// Bytes of the blocks under a row of tiles, and under one tile for each thread; `None` if no tile reads of another's blocks.
fn in_a_row(band: &BandInfo, tiles: Tiles) -> Option<u64> {
    let Tiles { size: (rows, cols), halo, cols: all, threads, in_turns } = tiles;
    let (high, wide) = (reach(rows, band.block.0, halo), reach(cols, band.block.1, halo));
    if (high, wide) == (rows, cols) {
        return None;
    }
    let threads = u64::try_from(threads).unwrap_or(u64::MAX);
    let row = bytes(band, (high, all.max(band.block.1))).saturating_mul(if in_turns { threads } else { 1 });
    Some(bytes(band, (high, wide)).saturating_mul(threads).saturating_add(row))
}

/// Pixels of the blocks under a tile, in one direction, wherever in the grid it is.
fn reach(tile: u32, block: u32, halo: u32) -> u32 {
    let block = block.max(1);
    if halo == 0 && tile.is_multiple_of(block) {
        return tile;
    }
    let whole = tile.saturating_add(halo.saturating_mul(2)).div_ceil(block);
    whole.saturating_add(1).saturating_mul(block)
}

fn bytes(band: &BandInfo, (rows, cols): (u32, u32)) -> u64 {
    (u64::from(rows) * u64::from(cols)).saturating_mul(band.dtype.size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raster::Mask;

    /// A focal mean over 8192 columns of uint16: four rows of blocks, and four times four blocks for each thread.
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
        let tiles = Tiles { size: (512, 512), halo: 2, cols: 8192, threads: 2, in_turns: false };
        assert_eq!(in_a_row(&band, tiles), Some(20 << 20));
        assert_eq!(in_a_row(&band, Tiles { in_turns: true, ..tiles }), Some(36 << 20));
        assert_eq!(in_a_row(&band, Tiles { halo: 0, ..tiles }), None);
    }

    #[test]
    fn what_a_tile_reaches_into() {
        assert_eq!(reach(512, 256, 0), 512);
        // Two pixels to each side are two blocks more.
        assert_eq!(reach(512, 256, 2), 1024);
        // Blocks of 256 under a tile of 300 that begins in the middle of one.
        assert_eq!(reach(300, 256, 0), 768);
        // Lines are blocks of one row, as wide as the file.
        assert_eq!((reach(512, 1, 0), reach(512, 8192, 0)), (512, 16384));
        assert_eq!(reach(u32::MAX, 1, 1), u32::MAX);
    }
}
