//! The one call that moves pixels between a dataset and memory, with its bounds checked.

use crate::files::gdal::call;
use crate::files::layout::{Layout, buffer_len};
use gdal::Dataset;
use gdal_sys::{GDALDataType, GDALRWFlag};
use grid::Window;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Reads a window of the dataset's own pixels. GDAL converts to `dtype`.
pub(crate) fn read(
    dataset: &Dataset,
    bands: &[c_int],
    window: &Window,
    dtype: GDALDataType::Type,
    out: &mut [u8],
    layout: &Layout,
) -> Result<(), String> {
    transfer(dataset, GDALRWFlag::GF_Read, bands, window, dtype, out.as_mut_ptr(), out.len(), layout)
}

/// Masks of a window. The last one is kept, since the bands of a file often share one.
#[derive(Default)]
pub(crate) struct Masks {
    handle: usize,
    pixels: Vec<u8>,
}

impl Masks {
    /// The pixels of a band's mask in a window, packed: 0 where GDAL takes a pixel for invalid.
    pub(crate) fn read(&mut self, dataset: &Dataset, band: usize, window: &Window) -> Result<&[u8], String> {
        let band = dataset.rasterband(band).map_err(|e| e.to_string())?;
        let too_large = || format!("a window of {window} is too large");
        let int = |n: i64| c_int::try_from(n).map_err(|_| too_large());
        let (col, row) = (int(window.col)?, int(window.row)?);
        let (cols, rows) = (int(window.cols.into())?, int(window.rows.into())?);
        let len = buffer_len(1, window, 1).ok_or_else(too_large)?;
        let mut handle = self.handle;
        let pixels = &mut self.pixels;
        let (result, messages) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate's mask band can't be told from another one")]
            // SAFETY: the band's handle is valid as long as `dataset` is borrowed, and so is its mask's, which is only
            // compared with after that; GDAL writes `cols` × `rows` packed bytes, which `pixels` has room for.
            unsafe {
                let mask = gdal_sys::GDALGetMaskBand(band.c_rasterband());
                if mask.is_null() {
                    return gdal_sys::CPLErr::CE_Failure;
                }
                if mask.addr() == handle && pixels.len() == len {
                    return gdal_sys::CPLErr::CE_None;
                }
                handle = mask.addr();
                pixels.clear();
                pixels.resize(len, 0);
                gdal_sys::GDALRasterIOEx(
                    mask,
                    GDALRWFlag::GF_Read,
                    col,
                    row,
                    cols,
                    rows,
                    pixels.as_mut_ptr().cast::<c_void>(),
                    cols,
                    rows,
                    GDALDataType::GDT_Byte,
                    1,
                    i64::from(cols),
                    ptr::null_mut(),
                )
            }
        });
        messages.outcome(result).map_err(|reason| format!("its mask: {reason}"))?;
        self.handle = handle;
        Ok(&self.pixels)
    }
}

/// Writes a window of the dataset's pixels from packed `[bands, rows, cols]`.
pub(crate) fn write(
    dataset: &Dataset,
    bands: &[c_int],
    window: &Window,
    dtype: GDALDataType::Type,
    data: &[u8],
    layout: &Layout,
) -> Result<(), String> {
    // GDAL takes one pointer for both directions and only reads from it when it writes to the file.
    transfer(dataset, GDALRWFlag::GF_Write, bands, window, dtype, data.as_ptr().cast_mut(), data.len(), layout)
}

fn transfer(
    dataset: &Dataset,
    direction: GDALRWFlag::Type,
    bands: &[c_int],
    window: &Window,
    dtype: GDALDataType::Type,
    buffer: *mut u8,
    len: usize,
    layout: &Layout,
) -> Result<(), String> {
    let too_large = || format!("a window of {window} is too large");
    if layout.end(bands.len(), window).is_none_or(|end| end > len) {
        return Err(format!("{len} bytes don't hold {} bands of {window}", bands.len()));
    }
    let int = |n: i64| c_int::try_from(n).map_err(|_| too_large());
    let (col, row) = (int(window.col)?, int(window.row)?);
    let (cols, rows) = (int(window.cols.into())?, int(window.rows.into())?);
    let count = c_int::try_from(bands.len()).map_err(|_| too_large())?;
    let spacing = |n: usize| i64::try_from(n).map_err(|_| too_large());
    let (pixel, line, band) = (spacing(layout.pixel)?, spacing(layout.line)?, spacing(layout.band)?);
    let call = || {
        #[expect(unsafe_code, reason = "the gdal crate reads and writes one band at a time, packed only")]
        // SAFETY: the dataset is open and ours; the last byte that GDAL touches at these spacings is below `len`, as
        // checked above; it reads `bands` and, when writing, `buffer`, and changes neither.
        unsafe {
            gdal_sys::GDALDatasetRasterIOEx(
                dataset.c_dataset(),
                direction,
                col,
                row,
                cols,
                rows,
                buffer.add(layout.start).cast::<c_void>(),
                cols,
                rows,
                dtype,
                count,
                bands.as_ptr().cast_mut(),
                pixel,
                line,
                band,
                ptr::null_mut(),
            )
        }
    };
    if direction == GDALRWFlag::GF_Read {
        let (result, messages) = call::watch(|| call::on_this_thread(call));
        messages.outcome_of_read(result)
    } else {
        let (result, messages) = call::watch(call);
        messages.outcome(result)
    }
}
