//! Guest modules, compiled once per test run by `tilefn build` itself.

use super::{ROOT, TILEFN};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Cargo's folder for all guests: their dependencies are compiled once.
pub static TARGET: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::var_os("TILEFN_GUEST_TARGET")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests"), PathBuf::from)
});

static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// The module of the crate in this folder of the repository, such as `examples/ndvi`.
#[track_caller]
pub fn module(folder: &str) -> PathBuf {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(folder) {
        return path.clone();
    }
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules");
    std::fs::create_dir_all(&modules).unwrap();
    // Two test runs at a time must not copy over each other's module.
    let lock = File::create(modules.join(".lock")).unwrap();
    lock.lock().unwrap();
    let path = modules.join(folder.replace('/', "-")).with_extension("wasm");
    let output = Command::new(TILEFN)
        .arg("build")
        .arg(Path::new(ROOT).join(folder))
        .arg("--output")
        .arg(&path)
        .env("CARGO_TARGET_DIR", &*TARGET)
        .output()
        .unwrap();
    assert!(output.status.success(), "tilefn build {folder}:\n{}", String::from_utf8_lossy(&output.stderr));
    built.insert(folder.into(), path.clone());
    path
}
