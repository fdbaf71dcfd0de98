//! Progress of finishing an output.

use gdal_sys::GDALProgressFunc;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// Reports how far the work is, and asks whether to go on.
pub(crate) struct Progress<'a> {
    report: &'a mut dyn FnMut(f64) -> bool,
    done: f64,
    share: f64,
    stopped: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(report: &'a mut dyn FnMut(f64) -> bool) -> Self {
        Self { report, done: 0.0, share: 0.0, stopped: false }
    }

    /// Begins the next step, which is this share of the whole.
    pub(crate) fn step(&mut self, share: f64) {
        self.done += self.share;
        self.share = share;
        self.at(0.0);
    }

    /// Says which part of the step is done, and asks whether to go on.
    pub(crate) fn at(&mut self, part: f64) -> bool {
        self.stopped |= !(self.report)((self.done + self.share * part).clamp(0.0, 1.0));
        !self.stopped
    }

    /// Whether the caller asked to stop.
    pub(crate) const fn stopped(&self) -> bool {
        self.stopped
    }

    /// A function and its argument for GDAL to call, valid as long as this is borrowed.
    pub(crate) fn callback(&mut self) -> (GDALProgressFunc, *mut c_void) {
        #[expect(unsafe_code, reason = "GDAL calls back through C")]
        unsafe extern "C" fn call(part: f64, _text: *const c_char, argument: *mut c_void) -> c_int {
            // SAFETY: GDAL passes on the pointer that it was given with this function, from the same thread.
            let progress = unsafe { &mut *argument.cast::<Progress>() };
            c_int::from(progress.at(part))
        }
        (Some(call), ptr::from_mut(self).cast())
    }
}
