//! A tile's result on its way back to the host.

use alloc::vec::Vec;

use crate::AnyTile;

/// What a function made of one tile.
pub struct TileResult {
    /// The tiles of each output.
    pub outputs: Vec<Vec<AnyTile>>,
    /// The accumulated state; empty if there is none.
    pub state: Vec<u8>,
}

#[cfg(target_arch = "wasm32")]
impl TileResult {
    /// Lays the result out for the host and gives up its memory; the address of the [`Outcome`](tilefn_abi::Outcome).
    ///
    /// The tiles are contiguous and without halo, as [`Call::check`](super::Call::check) leaves them.
    pub(super) fn leak(self) -> u32 {
        use alloc::boxed::Box;

        use tilefn_abi::{Outcome, RasterList};

        let lists: Vec<_> = self
            .outputs
            .into_iter()
            .map(|tiles| {
                let rasters: Vec<_> = tiles.into_iter().map(out_raster).collect();
                let rasters = rasters.leak();
                RasterList { rasters: address(rasters.as_ptr()), count: count(rasters.len()) }
            })
            .collect();
        let (lists, state) = (lists.leak(), self.state.leak());
        let outcome = Outcome {
            outputs: address(lists.as_ptr()),
            output_count: count(lists.len()),
            state: address(state.as_ptr()),
            state_len: count(state.len()),
        };
        address(Box::leak(Box::new(outcome)))
    }
}

#[cfg(target_arch = "wasm32")]
fn out_raster(tile: AnyTile) -> tilefn_abi::OutRaster {
    use crate::{Element, Tile, with_tile};

    fn describe<T: Element>(tile: Tile<T>) -> tilefn_abi::OutRaster {
        let [bands, rows, cols] = tile.shape();
        let nodata = tile.nodata(0);
        let pixels = tile.as_slice().unwrap_or_default();
        let raster = tilefn_abi::OutRaster {
            nodata: nodata.map_or(0, T::to_bits64),
            has_nodata: nodata.is_some().into(),
            dtype: T::DTYPE as u32,
            bands: count(bands),
            rows: count(rows),
            cols: count(cols),
            data: address(pixels.as_ptr()),
        };
        core::mem::forget(tile);
        raster
    }
    with_tile!(tile, |t| describe(t))
}

/// A pointer's address, which has 32 bits here.
#[cfg(target_arch = "wasm32")]
#[expect(clippy::cast_possible_truncation, reason = "pointers have 32 bits in wasm32")]
pub(super) fn address<T: ?Sized>(pointer: *const T) -> u32 {
    pointer.cast::<u8>() as usize as u32
}

#[cfg(target_arch = "wasm32")]
#[expect(clippy::cast_possible_truncation, reason = "sizes have 32 bits in wasm32")]
fn count(len: usize) -> u32 {
    len as u32
}
