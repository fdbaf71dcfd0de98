//! Modules beside the crate that they are built from: whether one is older than its sources, and `--build`.

use super::build;
use super::console::Console;
use super::fatal::Fatal;
use job::Loaded;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use types::location::Kind;

/// Times closer than this say nothing: a checkout writes all files at once, in any order.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Files of a crate that are looked at.
const MOST: usize = 10_000;

/// Builds the job's module, with `build`, or says that it is older than its sources.
pub fn look(loaded: &Loaded, build: bool, console: &Console) -> Result<(), Fatal> {
    let module = loaded.spec.function.module().map(|path| path.as_str());
    let module = module.filter(|path| matches!(Kind::of(path), Kind::File(_)) && path.ends_with(".wasm"));
    let folder = module.and_then(|path| Path::new(path).parent()).filter(|folder| folder.join("Cargo.toml").is_file());
    let (Some(module), Some(folder)) = (module, folder) else {
        if build {
            return Err(Fatal::usage(
                "--build: the job's function.module is no .wasm file beside the Cargo.toml that it is built from",
            ));
        }
        return Ok(());
    };
    if build {
        return build::build_module(folder, Path::new(module), console);
    }
    if let Some(source) = newer(Path::new(module), folder) {
        console.warn(&format!(
            "{module} is older than {}: `tilefn build {}` builds it anew, and so does --build",
            source.display(),
            folder.display()
        ));
    }
    Ok(())
}

/// The crate's file that was changed last, if that was after the module was built.
fn newer(module: &Path, folder: &Path) -> Option<PathBuf> {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut files = vec![folder.join("Cargo.toml"), folder.join("build.rs")];
    let mut folders = vec![folder.join("src")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).ok()?.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => files.push(entry.path()),
            }
        }
        if files.len() + folders.len() > MOST {
            return None;
        }
    }
    let built: SystemTime = changed(module)?;
    let times = files.into_iter().filter_map(|file| Some((changed(&file)?, file)));
    let (time, file) = times.max_by_key(|(time, _)| *time)?;
    time.duration_since(built).is_ok_and(|later| later > AT_ONCE).then_some(file)
}
