//! Reading and writing windows of GeoTIFFs.

use std::ffi::c_int;

use gdal::errors::Result;
use gdal::raster::{Buffer, GdalType, RasterCreationOptions};
use gdal::{Dataset, DriverManager};

/// A rectangle of pixels; without halo.
#[derive(Clone, Copy)]
pub struct Window {
    pub row: usize,
    pub col: usize,
    pub rows: usize,
    pub cols: usize,
}

/// Columns and rows of a file.
pub fn size(path: &str) -> Result<(usize, usize)> {
    Ok(Dataset::open(path)?.raster_size())
}

/// The first band of a file, with a buffer for the window last read.
pub struct Input<T> {
    dataset: Dataset,
    /// The window's pixels with their halo, row-major; 0 outside the file.
    pub pixels: Vec<T>,
    part: Vec<T>,
}

impl<T: GdalType + Copy + Default> Input<T> {
    pub fn open(path: &str) -> Result<Self> {
        Ok(Self { dataset: Dataset::open(path)?, pixels: Vec::new(), part: Vec::new() })
    }

    /// Reads a window and `halo` pixels around it; GDAL converts to `T`.
    pub fn read(&mut self, window: Window, halo: usize) -> Result<&[T]> {
        let (cols, rows) = self.dataset.raster_size();
        let band = self.dataset.rasterband(1)?;
        let (wide, high) = (window.cols + 2 * halo, window.rows + 2 * halo);
        self.pixels.resize(wide * high, T::default());
        let (row, col) = (window.row.saturating_sub(halo), window.col.saturating_sub(halo));
        let size =
            ((window.col + window.cols + halo).min(cols) - col, (window.row + window.rows + halo).min(rows) - row);
        let at = (col.cast_signed(), row.cast_signed());
        if size == (wide, high) {
            band.read_into_slice(at, size, size, &mut self.pixels, None)?;
        } else {
            self.part.resize(size.0 * size.1, T::default());
            band.read_into_slice(at, size, size, &mut self.part, None)?;
            self.pixels.fill(T::default());
            let (down, right) = (row + halo - window.row, col + halo - window.col);
            for (to, from) in self.pixels.chunks_exact_mut(wide).skip(down).zip(self.part.chunks_exact(size.0)) {
                to[right..right + size.0].copy_from_slice(from);
            }
        }
        Ok(&self.pixels)
    }
}

/// Side of the output's blocks.
const BLOCK: usize = 256;

/// The float32 GeoTIFF being written.
pub struct Output {
    dataset: Dataset,
    block: Vec<f32>,
}

impl Output {
    /// A file as large and at the same place as `like`, nodata NaN.
    pub fn create(path: &str, like: &str, codec: &str) -> Result<Self> {
        let like = Dataset::open(like)?;
        let (cols, rows) = like.raster_size();
        let compress = format!("COMPRESS={}", codec.to_uppercase());
        let options = RasterCreationOptions::from_iter([
            "TILED=YES",
            "BLOCKXSIZE=256",
            "BLOCKYSIZE=256",
            "BIGTIFF=IF_SAFER",
            "NUM_THREADS=2",
            compress.as_str(),
        ]);
        let mut dataset = DriverManager::get_driver_by_name("GTiff")?
            .create_with_band_type_with_options::<f32, _>(path, cols, rows, 1, &options)?;
        dataset.set_geo_transform(&like.geo_transform()?)?;
        dataset.set_projection(&like.projection())?;
        dataset.rasterband(1)?.set_no_data_value(Some(f64::NAN))?;
        Ok(Self { dataset, block: vec![f32::NAN; BLOCK * BLOCK] })
    }

    /// Writes a window. Whole blocks go past GDAL's cache, which would copy them once more.
    pub fn write(&mut self, window: Window, pixels: Vec<f32>) -> Result<Vec<f32>> {
        let (cols, rows) = self.dataset.raster_size();
        let mut band = self.dataset.rasterband(1)?;
        let whole = |start: usize, len: usize, all: usize| {
            start.is_multiple_of(BLOCK) && (len.is_multiple_of(BLOCK) || start + len == all)
        };
        if !whole(window.row, window.rows, rows) || !whole(window.col, window.cols, cols) {
            let size = (window.cols, window.rows);
            let mut buffer = Buffer::new(size, pixels);
            band.write((window.col.cast_signed(), window.row.cast_signed()), size, &mut buffer)?;
            return Ok(buffer.into_shape_and_vec().1);
        }
        for row in (0..window.rows).step_by(BLOCK) {
            for col in (0..window.cols).step_by(BLOCK) {
                let cols = BLOCK.min(window.cols - col);
                let lines = pixels.chunks_exact(window.cols).skip(row);
                for (to, line) in self.block.chunks_exact_mut(BLOCK).zip(lines) {
                    to[..cols].copy_from_slice(&line[col..][..cols]);
                }
                let (down, along) = ((window.row + row) / BLOCK, (window.col + col) / BLOCK);
                // SAFETY: a block of the band is as large as ours and of its type.
                let done = unsafe {
                    gdal_sys::GDALWriteBlock(
                        band.c_rasterband(),
                        along as c_int,
                        down as c_int,
                        self.block.as_mut_ptr().cast(),
                    )
                };
                assert_eq!(done, gdal_sys::CPLErr::CE_None, "GDAL can't write");
            }
        }
        Ok(pixels)
    }

    pub fn close(self) -> Result<()> {
        self.dataset.close()
    }
}
