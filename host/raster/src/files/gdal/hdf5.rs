//! Keeps the HDF5 library from printing its error stack on standard error.
//!
//! GDAL's netCDF driver probes for attributes that needn't be there. It silences HDF5, but that is a setting of each
//! thread, made for the first one only.

use crate::files::gdal::call;
use std::ffi::{c_int, c_void};
use std::{cell::Cell, ptr};

/// `herr_t H5Eset_auto2(hid_t estack_id, H5E_auto2_t func, void *client_data)`, since HDF5 1.10.
type SetAuto = unsafe extern "C" fn(i64, *const c_void, *mut c_void) -> c_int;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Silences HDF5 in this thread, if GDAL brings it along.
pub(crate) fn silence() {
    if SILENT.replace(true) {
        return;
    }
    let (symbol, _not_there) = call::watch(|| {
        #[expect(unsafe_code, reason = "HDF5 comes with GDAL or not at all, so it can't be linked to")]
        // SAFETY: no library means those that are loaded; the name has a closing zero.
        unsafe {
            gdal_sys::CPLGetSymbol(ptr::null(), c"H5Eset_auto2".as_ptr())
        }
    });
    if symbol.is_null() {
        return;
    }
    #[expect(unsafe_code, reason = "see above")]
    // SAFETY: the symbol is HDF5's function of this name, whose type has not changed since 1.10; stack 0 is the thread's
    // own, and no function means silence.
    unsafe {
        let set_auto: SetAuto = std::mem::transmute(symbol);
        set_auto(0, ptr::null(), ptr::null_mut());
    }
}
