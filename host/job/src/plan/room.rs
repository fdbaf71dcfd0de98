//! Warns of disks that the outputs may fill. How much compression saves is only known at the end, so this is no mistake.

use super::draft::Draft;
use super::outputs::Planned;
use raster::TargetSpec;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use types::location::Kind;

/// Compares the outputs' pixels with the space that is free where they go.
pub fn check(draft: &mut Draft<'_>, outputs: &[Planned]) {
    // By device: the first output's folder, and the bytes of all pixels.
    let mut disks: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for target in outputs.iter().flat_map(|output| &output.targets) {
        if !matches!(Kind::of(&target.path), Kind::File(_)) {
            continue;
        }
        let Ok(file) = raster::destination(&target.path) else { continue };
        let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let Ok(meta) = fs::metadata(folder) else { continue };
        let (_, bytes) = disks.entry(meta.dev()).or_insert_with(|| (folder.to_owned(), 0));
        *bytes = bytes.saturating_add(bytes_of(target));
    }
    for (folder, bytes) in disks.values() {
        let Ok(found) = rustix::fs::statvfs(folder) else { continue };
        // A file system that stores nothing, such as /proc.
        if found.f_blocks == 0 {
            continue;
        }
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if *bytes > free {
            draft.warnings.push(format!(
                "the outputs' pixels take {} MB without compression, and {} MB are free in {}",
                bytes.div_ceil(MB),
                free / MB,
                folder.display()
            ));
        }
    }
}

const MB: u64 = 1_000_000;

fn bytes_of(target: &TargetSpec) -> u64 {
    let pixels = u64::from(target.grid.rows).saturating_mul(target.grid.cols.into());
    pixels.saturating_mul(target.bands.into()).saturating_mul(target.dtype.size() as u64)
}
