//! How a file that a command writes gets to its place: complete, or not at all.

use super::fatal::Fatal;
use std::fmt::Display;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Makes the file by `make`, beside its place, and moves it there.
pub fn place(path: &Path, make: impl FnOnce(&Path) -> Result<(), Fatal>) -> Result<(), Fatal> {
    // The rights of any new folder, from which the system takes the user's umask.
    let rights = Permissions::from_mode(0o777);
    let beside = tempfile::Builder::new().prefix(".tilefn-").permissions(rights).tempdir_in(folder_of(path));
    let beside = beside.map_err(|e| unwritten(path, e))?;
    let made = beside.path().join(path.file_name().unwrap_or_default());
    make(&made)?;
    std::fs::rename(&made, path).map_err(|e| unwritten(path, e))
}

/// The file can't be written, and why.
pub fn unwritten(path: &Path, reason: impl Display) -> Fatal {
    Fatal::failed(format!("can't write {}: {reason}", path.display()))
}

/// Refuses to replace a file, unless the user wants it.
pub fn refuse_existing(path: &Path, overwrite: bool) -> Result<(), Fatal> {
    if path.exists() && !overwrite {
        return Err(Fatal::usage(format!("{} exists; add --overwrite to replace it", path.display())));
    }
    Ok(())
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}
