//! The files that GDAL and PROJ read, where they came with the program: a build with GDAL inside knows no other place.

use crate::files::gdal::settings::set_unless_given;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

static FOUND: OnceLock<PathBuf> = OnceLock::new();

/// Looks for the files beside a program: `bin/tilefn` has them in `share/tilefn`. To be called before all else; there may be none.
pub fn find_data(program: &Path) {
    let folder = program.parent().and_then(Path::parent).map(|folder| folder.join("share/tilefn"));
    if let Some(folder) = folder.filter(|folder| folder.join("proj/proj.db").is_file()) {
        let _first = FOUND.set(folder);
    }
}

/// Tells GDAL and PROJ of the files, unless the user has said where his are.
pub(super) fn apply() {
    let Some(folder) = FOUND.get() else { return };
    set_unless_given("GDAL_DATA", &folder.join("gdal").display().to_string());
    if ["PROJ_DATA", "PROJ_LIB"].iter().all(|name| std::env::var_os(name).is_none()) {
        search_proj(&folder.join("proj"));
    }
    // The libraries' own idea of where certificates are is that of the machine on which they were built.
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let given = ["CURL_CA_BUNDLE", "SSL_CERT_FILE"].iter().any(|name| std::env::var_os(name).is_some());
    if let Some(bundle) = usual.iter().find(|file| !given && Path::new(file).is_file()) {
        set_unless_given("CURL_CA_BUNDLE", bundle);
    }
}

fn search_proj(folder: &Path) {
    let Ok(folder) = CString::new(folder.display().to_string()) else { return };
    let paths = [folder.as_ptr(), std::ptr::null()];
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: a list of C strings that ends with null; PROJ copies it.
    unsafe {
        gdal_sys::OSRSetPROJSearchPaths(paths.as_ptr());
    }
}
