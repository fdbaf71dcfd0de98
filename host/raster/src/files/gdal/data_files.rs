//! The data files of a GDAL that was published together with the program: PROJ's database and GDAL's own tables. A library knows
//! where its files lay on the machine that built it, which is nowhere here.

use crate::files::gdal::settings;
use gdal::config;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where distributions keep the certificates that HTTPS trusts.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Tells GDAL and PROJ of the data files in the folder `share` beside the library's, if they are there. A distribution's library
/// finds its own.
pub(super) fn find() {
    let Some(share) = library().and_then(|library| beside(&library)) else { return };
    if let Some(gdal) = share.join("gdal").to_str() {
        settings::set_unless_given("GDAL_DATA", gdal);
    }
    // PROJ refuses another version's database, so that the user's folders come after; they may have grids for datums.
    let given = ["PROJ_DATA", "PROJ_LIB"].iter().find_map(std::env::var_os);
    let mut folders = vec![share.join("proj")];
    folders.extend(given.iter().flat_map(std::env::split_paths));
    set_proj_folders(&folders);
    // The library looks for them where the distribution that built it has them.
    let trusted = CERTIFICATES.iter().find(|path| Path::new(path).exists());
    let given = ["CURL_CA_BUNDLE", "SSL_CERT_FILE"]
        .iter()
        .any(|key| config::get_config_option(key, "").is_ok_and(|given| !given.is_empty()));
    if let Some(path) = trusted.filter(|_| !given) {
        // Plain ASCII without NUL, the only way this fails.
        let _ = config::set_config_option("CURL_CA_BUNDLE", path);
    }
}

/// The folder `share` beside a library's folder, if PROJ's database is in it.
fn beside(library: &Path) -> Option<PathBuf> {
    let share = library.parent()?.parent()?.join("share");
    share.join("proj/proj.db").is_file().then_some(share)
}

/// The file from which GDAL was loaded.
#[expect(unsafe_code, reason = "the dynamic linker's C interface")]
fn library() -> Option<PathBuf> {
    let function: unsafe extern "C" fn(*const std::ffi::c_char) -> *const std::ffi::c_char = gdal_sys::GDALVersionInfo;
    // SAFETY: a struct of pointers and numbers, for which zero is a value.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: an address that is never read, and a struct that the call fills.
    if unsafe { libc::dladdr(function as *const libc::c_void, &raw mut found) } == 0 || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: a text that ends in NUL and lives as long as the library is loaded, which is always.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    // Through the links, since a library's folder may be reached by several ways.
    Path::new(OsStr::from_bytes(name.to_bytes())).canonicalize().ok()
}

#[expect(unsafe_code, reason = "the gdal crate has no call for it")]
fn set_proj_folders(folders: &[PathBuf]) {
    let folders: Vec<_> =
        folders.iter().filter_map(|folder| CString::new(folder.as_os_str().as_bytes()).ok()).collect();
    let mut list: Vec<_> = folders.iter().map(|folder| folder.as_ptr()).collect();
    list.push(std::ptr::null());
    // SAFETY: a list of texts that ends in a null pointer; GDAL copies them.
    unsafe { gdal_sys::OSRSetPROJSearchPaths(list.as_ptr()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_files_are_found_beside_the_library_only() {
        let folder = tempfile::tempdir().unwrap();
        let (lib, proj) = (folder.path().join("lib"), folder.path().join("share/proj"));
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::create_dir_all(&proj).unwrap();
        assert_eq!(beside(&lib.join("libgdal.so.38")), None);
        std::fs::write(proj.join("proj.db"), b"").unwrap();
        assert_eq!(beside(&lib.join("libgdal.so.38")), Some(folder.path().join("share")));
    }

    #[test]
    fn the_library_is_a_file() {
        assert!(library().unwrap().is_file());
    }
}
