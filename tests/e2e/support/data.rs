//! Real scenes, fetched once into a cache and checked by scripts/fetch-data.sh.

use super::ROOT;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static SCENES: LazyLock<PathBuf> = LazyLock::new(|| {
    let data = std::env::var_os("TILEFN_DATA").map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".cache/tilefn/data"),
        PathBuf::from,
    );
    let mut fetch = Command::new(Path::new(ROOT).join("scripts/fetch-data.sh"));
    let output = fetch.args(["olinda", "romania", "srtm"]).env("TILEFN_DATA", &data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    data
});

/// The folder that has the scenes `olinda`, `romania` and `srtm`, a folder each.
pub fn scenes() -> &'static Path {
    &SCENES
}
