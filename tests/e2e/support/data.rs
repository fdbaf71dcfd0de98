//! Real scenes, fetched once into a cache and checked by scripts/fetch-data.sh.

use super::ROOT;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

static READY: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The folder of a scene: `olinda`, `romania` or `srtm`.
#[track_caller]
pub fn scene(name: &'static str) -> PathBuf {
    let data = std::env::var_os("TILEFN_DATA").map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".cache/tilefn/data"),
        PathBuf::from,
    );
    let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
    if !ready.contains(name) {
        let script = Path::new(ROOT).join("scripts/fetch-data.sh");
        let output = Command::new(script).arg(name).env("TILEFN_DATA", &data).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ready.insert(name);
    }
    data.join(name)
}
