//! Tries, before any work is done, whether an output's place can be written to.

use crate::files::gdal::call;
use crate::files::gdal::messages::Messages;
use crate::files::gdal::vsi::{self, File};
use std::ffi::{CStr, CString};
use std::path::Path;
use types::location::{gdal_name, is_virtual};

/// GDAL's file systems where a probe can't be removed again, or would lie inside another file.
const NO_PROBE: [&str; 4] = ["/vsizip/", "/vsigzip/", "/vsistdout/", "/vsistdout_redirect/"];

/// Tries to write beside `path`, which is a local file or one of GDAL's, and leaves nothing there: a file is made and removed
/// again; in S3 an upload is begun and aborted, which needs no more rights than the output does. What stays is a warning.
///
/// # Errors
/// Why it can't be written, in words.
pub fn probe(path: &str) -> Result<Option<String>, String> {
    let path = gdal_name(path);
    let place = Path::new(&*path);
    if !is_virtual(&path) {
        let folder = place.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".tilefn-").tempfile_in(folder);
        return made.map(|_| None).map_err(|e| format!("can't make a file in {}: {e}", folder.display()));
    }
    if NO_PROBE.iter().any(|prefix| path.starts_with(prefix)) {
        return Ok(None);
    }
    // The name ends as the output's does, since permissions may depend on that.
    let name = place.file_name().ok_or("it is not the name of a file")?.to_string_lossy();
    let probe = place.with_file_name(format!(".tilefn-probe-{name}")).to_string_lossy().into_owned();
    let c_name = CString::new(probe.clone()).map_err(|e| e.to_string())?;
    let tried = if path.starts_with("/vsis3/") { upload(&c_name) } else { file(&c_name) };
    match tried {
        Ok(None) => Ok(None),
        Ok(Some(stays)) => {
            let reason = stays.reason("it can't be removed");
            Ok(Some(format!("{probe}, written to try whether outputs can be, stays: {reason}")))
        }
        Err(refused) => Err(format!("can't write {probe} to try: {}", refused.reason("GDAL gives no reason"))),
    }
}

/// Makes a file and removes it again. What GDAL said is an error if there can be no file, and a result if it stays.
fn file(name: &CStr) -> Result<Option<Messages>, Messages> {
    let (made, messages) = call::watch(|| {
        let Some(mut file) = File::create(name) else { return false };
        let written = file.write(b"tilefn");
        file.close() && written
    });
    if !made || messages.failure().is_some() {
        return Err(messages);
    }
    let (removed, messages) = call::watch(|| vsi::remove(name));
    Ok((!removed).then_some(messages))
}

/// Begins a multipart upload and aborts it: no object is made, so none has to be deleted. An output needs both rights as well.
/// Results are those of [`file`].
fn upload(name: &CStr) -> Result<Option<Messages>, Messages> {
    // With parts of one byte, the first byte begins the upload.
    let (file, messages) = call::watch(|| call::with("VSIS3_CHUNK_SIZE_BYTES", "1", || File::create(name)));
    let Some(mut file) = file else { return Err(messages) };
    let (begun, messages) = call::watch(|| file.write(b"t"));
    // GDAL aborts an upload of which a part fails, when the file is closed. No proxy has this scheme, so the next part fails.
    let _ = call::hear(|| {
        call::with("GDAL_HTTP_MAX_RETRY", "0", || call::with("GDAL_HTTP_PROXY", "none://none", || file.write(b"t")))
    });
    let (_, aborted) = call::watch(|| file.close());
    match begun {
        true => Ok(aborted.failure().is_some().then_some(aborted)),
        false => Err(messages),
    }
}
