//! Resampling by GDAL's warper, window by window, as if the whole file had been warped at once.
//!
//! The pixels don't depend on how the grid is cut: coordinates are counted from the grid's corner with an exact transformer, each
//! window reads what its kernels reach, and the kernels have one width all over the grid (`XSCALE`, `YSCALE`).

use crate::files::gdal::call;
use crate::files::resample::source_window::{Needed, needed};
use crate::files::resample::transformer::Transformer;
use crate::{Resampled, SourceBand};
use gdal::Dataset;
use gdal::cpl::CslStringList;
use gdal_sys::{GDALDataType, GDALResampleAlg, GDALWarpOperationH};
use grid::Window;
use std::ffi::{c_int, c_void};
use std::ptr;
use tilefn_abi::DType;
use types::Resampling;

/// Bytes of a file's pixels that are read for a window; beyond that the window is cut.
const MOST: u64 = 96 << 20;
/// The widest kernel, in pixels to each side (Lanczos).
const RADIUS: f64 = 3.0;

/// GDAL's warper from one file to one grid. It works in float64, which holds every type up to 32 bits.
#[derive(Debug)]
pub(crate) struct Warper {
    operation: GDALWarpOperationH,
    /// The operation refers to it.
    transformer: Transformer,
    bands: usize,
    file_size: (u32, u32),
    /// Rows and columns of the file that a pixel's kernel reaches to each side.
    reach: (f64, f64),
    /// The fewest columns of a window at the file's left edge: GDAL takes a window that a pixel of the grid nearly fills for one
    /// around the globe.
    fewest: u32,
}

#[expect(unsafe_code, reason = "a pointer isn't Send by itself")]
// SAFETY: the operation refers to the dataset, which moves with it, and to nothing of a thread.
unsafe impl Send for Warper {}

impl Drop for Warper {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the gdal crate has no warp operation")]
        // SAFETY: made by GDAL's constructor, and destroyed once, before the transformer and the dataset.
        unsafe {
            gdal_sys::GDALDestroyWarpOperation(self.operation);
        }
    }
}

impl Warper {
    /// `dataset` must live as long as the warper. `alpha` is the number of the band that says which pixels are valid, if one does.
    pub(crate) fn new(
        dataset: &Dataset,
        transformer: Transformer,
        bands: &[SourceBand],
        alpha: Option<c_int>,
        how: &Resampled,
        file_size: (u32, u32),
    ) -> Result<Self, String> {
        let (method, (x_scale, y_scale)) = (how.method, how.scale);
        let mut numbers: Vec<c_int> = bands
            .iter()
            .map(|band| c_int::try_from(band.number))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        let count = c_int::try_from(bands.len()).map_err(|e| e.to_string())?;
        let mut nodata: Vec<f64> = bands.iter().map(nodata).collect();
        let mut invalid = vec![f64::NAN; bands.len()];
        let mut options = CslStringList::new();
        let mut set = |key: &str, value: &str| options.set_name_value(key, value).map_err(|e| e.to_string());
        set("XSCALE", &x_scale.to_string())?;
        set("YSCALE", &y_scale.to_string())?;
        set("UNIFIED_SRC_NODATA", "NO")?;
        // A mask of the file says which pixels are valid; GDAL looks at it if there is no nodata.
        let masked = bands.iter().any(|band| band.mask);
        let (operation, messages) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no warp operation")]
            // SAFETY: the options are GDAL's own, with its defaults. What they are made to refer to (arrays of `count` numbers,
            // the list of texts) outlives the constructor, which copies it, and is taken out again before they are destroyed.
            // The operation keeps the dataset and the transformer, which live longer.
            unsafe {
                let settings = gdal_sys::GDALCreateWarpOptions();
                (*settings).papszWarpOptions = options.as_ptr();
                (*settings).eResampleAlg = algorithm(method);
                (*settings).eWorkingDataType = GDALDataType::GDT_Float64;
                (*settings).hSrcDS = dataset.c_dataset();
                (*settings).nBandCount = count;
                (*settings).panSrcBands = numbers.as_mut_ptr();
                (*settings).panDstBands = numbers.as_mut_ptr();
                (*settings).nSrcAlphaBand = alpha.unwrap_or(0);
                (*settings).padfSrcNoDataReal = if masked { ptr::null_mut() } else { nodata.as_mut_ptr() };
                (*settings).padfDstNoDataReal = invalid.as_mut_ptr();
                (*settings).pfnTransformer = Some(gdal_sys::GDALGenImgProjTransform);
                (*settings).pTransformerArg = transformer.argument();
                let operation = gdal_sys::GDALCreateWarpOperation(settings);
                (*settings).papszWarpOptions = ptr::null_mut();
                (*settings).panSrcBands = ptr::null_mut();
                (*settings).panDstBands = ptr::null_mut();
                (*settings).padfSrcNoDataReal = ptr::null_mut();
                (*settings).padfDstNoDataReal = ptr::null_mut();
                gdal_sys::GDALDestroyWarpOptions(settings);
                operation
            }
        });
        if operation.is_null() {
            return Err(messages.reason("GDAL gives no reason"));
        }
        let reach = |scale: f64| RADIUS / scale.min(1.0) + 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is clamped to the type's range"
        )]
        let fewest = (8.0 / x_scale) as u32;
        let reach = (reach(y_scale), reach(x_scale));
        Ok(Self { operation, transformer, bands: bands.len(), file_size, reach, fewest })
    }

    /// The grid's pixels in `window`, `[bands, rows, cols]`; NaN where there is no valid one.
    pub(crate) fn read(&self, window: &Window) -> Result<Vec<f64>, String> {
        let too_large = || format!("a window of {window} is too large");
        let pixels = usize::try_from(window.pixels()).map_err(|_| too_large())?;
        let mut all = vec![f64::NAN; pixels.checked_mul(self.bands).ok_or_else(too_large)?];
        let source = match needed(&self.transformer, window, self.file_size, self.reach) {
            Needed::Nothing => return Ok(all),
            Needed::Window(source) => Some(self.wide_enough(source)),
            Needed::Unclear => None,
        };
        let bytes = |source: &Window| source.pixels().saturating_mul(8).saturating_mul(self.bands as u64);
        let halves = halves(window);
        match (source, halves) {
            (Some(source), None) => self.warp(window, &source, &mut all)?,
            (Some(source), _) if bytes(&source) <= MOST => self.warp(window, &source, &mut all)?,
            (_, Some(halves)) => {
                for half in halves {
                    put(&self.read(&half)?, &half, window, self.bands, &mut all);
                }
            }
            (None, None) => {}
        }
        Ok(all)
    }

    fn wide_enough(&self, source: Window) -> Window {
        let cols = source.cols.max(self.fewest).min(self.file_size.1);
        if source.col == 0 { Window { cols, ..source } } else { source }
    }

    fn warp(&self, window: &Window, source: &Window, out: &mut [f64]) -> Result<(), String> {
        let too_large = || format!("a window of {window} is too large");
        let int = |n: i64| c_int::try_from(n).map_err(|_| too_large());
        let place = |window: &Window| {
            Ok::<_, String>((int(window.col)?, int(window.row)?, int(window.cols.into())?, int(window.rows.into())?))
        };
        let (to, from) = (place(window)?, place(source)?);
        let pixels = usize::try_from(window.pixels()).ok().and_then(|n| n.checked_mul(self.bands));
        if pixels.is_none_or(|pixels| pixels > out.len()) {
            return Err(too_large());
        }
        let (result, messages) = call::watch(|| {
            call::on_this_thread(|| {
                #[expect(unsafe_code, reason = "the gdal crate has no warp operation")]
                // SAFETY: the operation, its transformer and its dataset are alive; GDAL writes packed float64 pixels of all
                // bands in `window`, for which `out` has room as checked above.
                unsafe {
                    gdal_sys::GDALWarpRegionToBuffer(
                        self.operation,
                        to.0,
                        to.1,
                        to.2,
                        to.3,
                        out.as_mut_ptr().cast::<c_void>(),
                        GDALDataType::GDT_Float64,
                        from.0,
                        from.1,
                        from.2,
                        from.3,
                    )
                }
            })
        });
        messages.outcome_of_read(result)
    }
}

/// The nodata value as a float64; NaN where there is none.
fn nodata(band: &SourceBand) -> f64 {
    let value = band.nodata.map(|bits| types::Nodata::from_bits(bits, band.dtype).as_f64());
    value.unwrap_or(f64::NAN)
}

/// Whether the warper's float64 holds all pixels of a type.
pub(crate) fn holds(dtype: DType) -> bool {
    !matches!(dtype, DType::Int64 | DType::UInt64)
}

fn algorithm(method: Resampling) -> GDALResampleAlg::Type {
    match method {
        Resampling::Nearest => GDALResampleAlg::GRA_NearestNeighbour,
        Resampling::Bilinear => GDALResampleAlg::GRA_Bilinear,
        Resampling::Cubic => GDALResampleAlg::GRA_Cubic,
        Resampling::CubicSpline => GDALResampleAlg::GRA_CubicSpline,
        Resampling::Lanczos => GDALResampleAlg::GRA_Lanczos,
        Resampling::Average => GDALResampleAlg::GRA_Average,
        Resampling::Rms => GDALResampleAlg::GRA_RMS,
        Resampling::Mode => GDALResampleAlg::GRA_Mode,
        Resampling::Max => GDALResampleAlg::GRA_Max,
        Resampling::Min => GDALResampleAlg::GRA_Min,
        Resampling::Median => GDALResampleAlg::GRA_Med,
        Resampling::Q1 => GDALResampleAlg::GRA_Q1,
        Resampling::Q3 => GDALResampleAlg::GRA_Q3,
    }
}

/// The window cut through its longer side; `None` for a single pixel.
fn halves(window: &Window) -> Option<[Window; 2]> {
    let Window { row, col, rows, cols } = *window;
    if rows.max(cols) <= 1 {
        return None;
    }
    Some(if rows >= cols {
        let half = rows / 2;
        [Window::new(row, col, half, cols), Window::new(row.saturating_add(half.into()), col, rows - half, cols)]
    } else {
        let half = cols / 2;
        [Window::new(row, col, rows, half), Window::new(row, col.saturating_add(half.into()), rows, cols - half)]
    })
}

/// Puts the pixels of a part of a window to their place.
fn put(part: &[f64], of: &Window, window: &Window, bands: usize, out: &mut [f64]) {
    let size = |window: &Window| (window.rows as usize, window.cols as usize);
    let ((rows, cols), (all_rows, all_cols)) = (size(of), size(window));
    let start = |at: i64, from: i64| usize::try_from(at.saturating_sub(from)).unwrap_or_default();
    let (row, col) = (start(of.row, window.row), start(of.col, window.col));
    for (line, from) in part.chunks_exact(cols.max(1)).enumerate().take(bands * rows) {
        let to = (line / rows * all_rows + row + line % rows) * all_cols + col;
        if let Some(to) = out.get_mut(to..to + cols) {
            to.copy_from_slice(from);
        }
    }
}
