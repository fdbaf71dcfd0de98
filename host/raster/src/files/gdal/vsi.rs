//! Bytes of files wherever GDAL finds them: on this machine, in archives, in object stores.

use crate::files::gdal::call;
use gdal_sys::VSILFILE;
use std::ffi::{CStr, CString, c_int};
use std::mem::ManuallyDrop;
use types::location::gdal_name;

/// A file open for reading, or for writing.
pub(crate) struct File(*mut VSILFILE);

impl File {
    /// `name` is GDAL's path of the file; `None` if there is none.
    pub(crate) fn open(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        let (file, _) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
            // SAFETY: two texts with a closing zero.
            unsafe {
                gdal_sys::VSIFOpenL(name.as_ptr(), c"rb".as_ptr())
            }
        });
        (!file.is_null()).then(|| Self(file))
    }

    /// Makes a file, or an empty one of one that is there; `None` if it can't be. The caller watches what GDAL says.
    pub(crate) fn create(name: &CStr) -> Option<Self> {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: two texts with a closing zero.
        let file = unsafe { gdal_sys::VSIFOpenL(name.as_ptr(), c"wb".as_ptr()) };
        (!file.is_null()).then(|| Self(file))
    }

    /// Whether all bytes could be written. The caller watches what GDAL says.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: the file is open, and ours alone; `bytes` has as many items of one byte.
        let written = unsafe { gdal_sys::VSIFWriteL(bytes.as_ptr().cast(), 1, bytes.len(), self.0) };
        written == bytes.len()
    }

    /// Whether the file could be closed. The caller watches what GDAL says.
    pub(crate) fn close(self) -> bool {
        let file = ManuallyDrop::new(self);
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: the file is open, and isn't used after this; it isn't dropped.
        unsafe {
            gdal_sys::VSIFCloseL(file.0) == 0
        }
    }

    /// Bytes in the file; `None` if its end can't be found.
    pub(crate) fn len(&mut self) -> Option<u64> {
        const END: c_int = 2;
        let (len, _) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
            // SAFETY: the file is open, and ours alone.
            unsafe {
                (gdal_sys::VSIFSeekL(self.0, 0, END) == 0).then(|| gdal_sys::VSIFTellL(self.0))
            }
        });
        len
    }

    /// Up to `len` bytes from `offset`; fewer at the end of the file.
    pub(crate) fn read(&mut self, offset: u64, len: usize) -> Vec<u8> {
        const START: c_int = 0;
        let mut bytes = vec![0; len];
        let (read, _) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
            // SAFETY: the file is open, and ours alone; `bytes` has room for `len` items of one byte.
            unsafe {
                if gdal_sys::VSIFSeekL(self.0, offset, START) != 0 {
                    return 0;
                }
                gdal_sys::VSIFReadL(bytes.as_mut_ptr().cast(), 1, len, self.0)
            }
        });
        bytes.truncate(read);
        bytes
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
            // SAFETY: the file is open, and isn't used after this.
            unsafe {
                gdal_sys::VSIFCloseL(self.0)
            }
        });
    }
}

/// Whether a file could be removed. The caller watches what GDAL says.
pub(crate) fn remove(name: &CStr) -> bool {
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: a text with a closing zero.
    unsafe {
        gdal_sys::VSIUnlink(name.as_ptr()) == 0
    }
}

/// Whether there is a file of any kind at one of GDAL's paths, `s3://…` included. A file that can't be opened counts as absent.
pub fn exists(path: &str) -> bool {
    File::open(&gdal_name(path)).is_some()
}
