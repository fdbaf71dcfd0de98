//! Helpers: rasters to read and to write.

pub use super::python::{folder, python};
use grid::{Crs, GeoTransform, Grid, Offset, Placement, Tiling, Turn, Window};
use std::fs;
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{BandInfo, Error, Info, Source, SourceBand, SourceSpec, Target, TargetSpec, Way, Written};
use types::Edge;

/// A file's path as text.
pub fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// Names in a folder, hidden ones included.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// To read all bands of a file that is its own grid.
pub fn source_spec(path: &str, info: &Info) -> SourceSpec {
    let size = (info.grid.rows, info.grid.cols);
    let dtype = info.bands[0].dtype;
    SourceSpec {
        path: path.to_owned(),
        bands: (1..).zip(&info.bands).map(|(number, band)| source_band(number, band)).collect(),
        dtype,
        way: aligned(0, 0),
        file_size: size,
        grid_size: size,
        halo: 0,
        edge: Edge::Nodata,
    }
}

/// The pixels of a file whose upper-left one lies here in the grid.
pub fn aligned(row: i64, col: i64) -> Way {
    Way::Aligned(Placement { offset: Offset { row, col }, turn: Turn::default() })
}

/// A band as it is, with its nodata value and without its mask.
pub fn source_band(number: usize, info: &BandInfo) -> SourceBand {
    let nodata = info.nodata.map(|v| v.as_bits_for(info.dtype).unwrap());
    SourceBand { number, dtype: info.dtype, nodata, mask: false, scale: None, mark: nodata }
}

/// Reads a window's bytes.
pub fn read_bytes(spec: &SourceSpec, window: Window) -> Result<Vec<u8>, Error> {
    let mut out = vec![0xaa; spec.bands.len() * window.pixels() as usize * spec.dtype.size()];
    Source::open(spec)?.read(window, &mut out)?;
    Ok(out)
}

/// Reads a window's pixels.
pub fn read<T: bytemuck::AnyBitPattern>(spec: &SourceSpec, window: Window) -> Vec<T> {
    values(&read_bytes(spec, window).unwrap())
}

/// Numbers from their bytes in memory order.
pub fn values<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

/// An output of one band with nothing special, in tiles of 128 × 128.
pub fn target_spec(folder: &Path, name: &str, (rows, cols): (u32, u32), dtype: DType) -> TargetSpec {
    let transform = GeoTransform::north_up(500_000.0, 7_000_000.0, 10.0, 10.0);
    let grid = Grid { transform, rows, cols, crs: Crs::default() };
    TargetSpec { tile: (128, 128), threads: 2, ..TargetSpec::plain(path(folder, name), grid, dtype) }
}

/// Writes every tile: `pixel(band, row, col)`.
pub fn fill_target<T: bytemuck::NoUninit>(
    target: &mut Target,
    pixel: impl Fn(i64, i64, i64) -> T,
) -> Result<(), Error> {
    let (grid, tile) = (target.spec().grid.clone(), target.spec().tile);
    let bands = i64::from(target.spec().bands);
    let tiling = Tiling::new(grid.rows, grid.cols, tile.0, tile.1).unwrap();
    for index in 0..tiling.count() {
        let w = tiling.tile(index).unwrap().window;
        let mut data = Vec::new();
        for b in 0..bands {
            for r in w.row..w.row_end() {
                data.extend((w.col..w.col_end()).map(|c| pixel(b, r, c)));
            }
        }
        target.write(w, bytemuck::cast_slice(&data))?;
    }
    Ok(())
}

/// Writes a whole raster, tile by tile.
pub fn write<T: bytemuck::NoUninit>(spec: TargetSpec, pixel: impl Fn(i64, i64, i64) -> T) -> Result<Written, Error> {
    let mut target = Target::create(spec)?;
    fill_target(&mut target, pixel)?;
    target.finish(&mut |_| true)
}
