//! From pixels of the working grid to pixels of a file and back, by GDAL's exact transformer.

use crate::files::gdal::call;
use gdal::Dataset;
use gdal::cpl::CslStringList;
use grid::{Crs, Grid};
use std::ffi::{CString, c_int, c_void};
use std::ptr::NonNull;

/// GDAL's transformer between two grids, as gdalwarp uses it with `-et 0`.
#[derive(Debug)]
pub(crate) struct Transformer(NonNull<c_void>);

#[expect(unsafe_code, reason = "a pointer isn't Send by itself")]
// SAFETY: the transformer refers to nothing of the thread that made it, and is used by one thread at a time.
unsafe impl Send for Transformer {}

impl Drop for Transformer {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the gdal crate has no transformer between grids")]
        // SAFETY: made by GDAL's constructor, and destroyed once.
        unsafe {
            gdal_sys::GDALDestroyGenImgProjTransformer(self.0.as_ptr());
        }
    }
}

impl Transformer {
    /// Between the map coordinates of two CRS: columns are x, rows are y.
    pub(crate) fn between(file: &Crs, grid: &Crs) -> Result<Self, String> {
        let text = |crs: &Crs| CString::new(&*crs.0).map_err(|_| "a CRS with a zero byte".to_owned());
        let (file_crs, grid_crs) = (text(file)?, text(grid)?);
        let identity = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let (made, messages) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no transformer between grids")]
            // SAFETY: both texts end with a zero, the geotransform has six numbers, and all outlive the call, which
            // copies them.
            unsafe {
                gdal_sys::GDALCreateGenImgProjTransformer3(
                    file_crs.as_ptr(),
                    identity.as_ptr(),
                    grid_crs.as_ptr(),
                    identity.as_ptr(),
                )
            }
        });
        NonNull::new(made).map(Self).ok_or_else(|| messages.reason("GDAL gives no reason"))
    }

    /// Between a file's pixels and `grid`, with the operation between the CRS that suits the file's area. `crs` is that of a
    /// file that has none; `reprojects` says whether the two CRS differ.
    pub(crate) fn of_file(dataset: &Dataset, crs: Option<&Crs>, grid: &Grid, reprojects: bool) -> Result<Self, String> {
        let mut options = CslStringList::new();
        let mut set = |key: &str, value: &str| options.set_name_value(key, value).map_err(|e| e.to_string());
        set("METHOD", "GEOTRANSFORM")?;
        if reprojects {
            set("DST_SRS", &grid.crs.0)?;
            if let Some(crs) = crs {
                set("SRC_SRS", &crs.0)?;
            }
        }
        let (made, messages) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no transformer without a destination file")]
            // SAFETY: the dataset is open, no destination is allowed, and the options outlive the call, which copies what
            // it needs of both.
            unsafe {
                gdal_sys::GDALCreateGenImgProjTransformer2(dataset.c_dataset(), std::ptr::null_mut(), options.as_ptr())
            }
        });
        let made = NonNull::new(made).ok_or_else(|| messages.reason("GDAL gives no reason"))?;
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: the transformer was just made; the six numbers are copied.
        unsafe {
            gdal_sys::GDALSetGenImgProjTransformerDstGeoTransform(made.as_ptr(), grid.transform.0.as_ptr());
        }
        Ok(Self(made))
    }

    /// What positions `(row, col)` in the grid are in the file; `None` for those that it can't express.
    pub(crate) fn to_file(&self, positions: &[(f64, f64)]) -> Vec<Option<(f64, f64)>> {
        self.transform(positions, true)
    }

    /// What positions `(row, col)` in the file are in the grid.
    pub(crate) fn to_grid(&self, positions: &[(f64, f64)]) -> Vec<Option<(f64, f64)>> {
        self.transform(positions, false)
    }

    fn transform(&self, positions: &[(f64, f64)], to_file: bool) -> Vec<Option<(f64, f64)>> {
        let (mut y, mut x): (Vec<f64>, Vec<f64>) = positions.iter().copied().unzip();
        let mut z = vec![0.0; positions.len()];
        let mut found = vec![0; positions.len()];
        let Ok(count) = c_int::try_from(positions.len()) else { return vec![None; positions.len()] };
        let (done, _) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
            // SAFETY: the transformer is alive, and all four arrays have `count` items.
            unsafe {
                gdal_sys::GDALGenImgProjTransform(
                    self.0.as_ptr(),
                    to_file.into(),
                    count,
                    x.as_mut_ptr(),
                    y.as_mut_ptr(),
                    z.as_mut_ptr(),
                    found.as_mut_ptr(),
                )
            }
        });
        let known = |((y, x), found): ((f64, f64), c_int)| {
            (done != 0 && found != 0 && x.is_finite() && y.is_finite()).then_some((y, x))
        };
        y.into_iter().zip(x).zip(found).map(known).collect()
    }

    /// For GDAL's warper, which gets it together with `GDALGenImgProjTransform`.
    pub(crate) const fn argument(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}
