//! The folder in which `tilefn build` compiles: one for all crates, so that dependencies are compiled once for a user.

use sandbox::user_cache_dir;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variables of cargo that name a folder.
const CHOSEN: [&str; 2] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];

/// The shared folder, as long as a crate has its own name there for itself.
pub struct BuildFolder {
    /// cargo's target folder.
    pub path: PathBuf,
    /// Locked. Two crates of one name would write the same file.
    _owner: File,
}

/// The shared folder for the crate in `folder`, compiled for `target`.
///
/// None for a crate that has chosen a folder, or is in a workspace with others, which share the workspace's; and where
/// the user has no cache.
pub fn shared(folder: &Path, target: &str) -> Option<BuildFolder> {
    if CHOSEN.iter().any(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(["metadata", "--no-deps", "--format-version=1"]);
    // What can't be read here, cargo complains of next.
    let metadata: Value = serde_json::from_slice(&cargo.output().ok()?.stdout).ok()?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(Path::new);
    let root = text("workspace_root")?;
    if text("target_directory")? != root.join("target") {
        return None;
    }
    let [package] = metadata.get("packages")?.as_array()?.as_slice() else { return None };
    let name = module(package)?.replace('-', "_");
    let path = user_cache_dir()?.parent()?.join("build");
    std::fs::create_dir_all(&path).ok()?;
    let owner = own(&path, &name, root, target).ok()?;
    Some(BuildFolder { path, _owner: owner })
}

/// Name of the package's library that becomes a module.
fn module(package: &Value) -> Option<&str> {
    let is_module = |target: &&Value| {
        let kinds = target.get("kind").and_then(Value::as_array);
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "cdylib"))
    };
    package.get("targets")?.as_array()?.iter().find(is_module)?.get("name")?.as_str()
}

/// Takes `name` in the folder for the crate in `root`, and waits if another build has it.
///
/// cargo gives modules of one name the same file, and takes the file of another crate for up to date: it is removed.
fn own(path: &Path, name: &str, root: &Path, target: &str) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let mut owner =
        options.read(true).write(true).create(true).truncate(false).open(path.join(format!("{name}.crate")))?;
    owner.lock()?;
    let mut last = Vec::new();
    owner.read_to_end(&mut last)?;
    let root = root.as_os_str().as_encoded_bytes();
    if last != root {
        let release = path.join(target).join("release");
        for file in [release.join("deps"), release].map(|folder| folder.join(format!("{name}.wasm"))) {
            match std::fs::remove_file(file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        owner.rewind()?;
        owner.set_len(0)?;
        owner.write_all(root)?;
    }
    Ok(owner)
}
