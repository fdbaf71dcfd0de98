//! Tries, before any work is done, whether outputs can be written where they are to be.

use super::staging::is_virtual;
use super::{cpl, open};
use std::ffi::CString;
use std::path::Path;

/// GDAL's file systems in which a file can't be removed again, or has others in it.
const NO_PROBE: [&str; 4] = ["/vsizip/", "/vsigzip/", "/vsistdout/", "/vsistdout_redirect/"];

/// Makes a small file in the folder of `path`, which is a local file or one of GDAL's, and removes it again. What can't be
/// removed is a warning.
///
/// # Errors
/// Why it can't be made, in words.
pub fn probe(path: &str) -> Result<Option<String>, String> {
    let path = open::gdal_path(path);
    let place = Path::new(&*path);
    if !is_virtual(place) {
        let folder = place.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".tilefn-").tempfile_in(folder);
        return made.map(|_| None).map_err(|e| format!("can't make a file in {}: {e}", folder.display()));
    }
    if NO_PROBE.iter().any(|prefix| path.starts_with(prefix)) {
        return Ok(None);
    }
    // It ends as the output does, since what is allowed may depend on that.
    let name = place.file_name().ok_or("it is not the name of a file")?.to_string_lossy();
    let probe = place.with_file_name(format!(".tilefn-probe-{name}")).to_string_lossy().into_owned();
    let c_name = CString::new(probe.clone()).map_err(|e| e.to_string())?;
    let (made, messages) = cpl::watch(|| {
        #[expect(unsafe_code, reason = "only GDAL writes to its virtual files")]
        // SAFETY: two texts with a closing zero; what was opened is closed, once.
        unsafe {
            let file = gdal_sys::VSIFOpenL(c_name.as_ptr(), c"wb".as_ptr());
            !file.is_null() && {
                let written = gdal_sys::VSIFWriteL(c"tilefn".as_ptr().cast(), 1, 6, file) == 6;
                gdal_sys::VSIFCloseL(file) == 0 && written
            }
        }
    });
    if !made || messages.failure().is_some() {
        return Err(format!("can't write {probe} to try: {}", messages.reason("GDAL gives no reason")));
    }
    let (removed, messages) = cpl::watch(|| {
        #[expect(unsafe_code, reason = "only GDAL removes its virtual files")]
        // SAFETY: a text with a closing zero.
        unsafe {
            gdal_sys::VSIUnlink(c_name.as_ptr()) == 0
        }
    });
    let left =
        || format!("{probe}, written to try whether outputs can be, stays: {}", messages.reason("it can't be removed"));
    Ok((!removed).then(left))
}
