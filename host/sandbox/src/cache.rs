//! Compiled modules kept on this machine, so that the next run of a job starts at once.
//!
//! Files in the cache are run as machine code, unchecked: a person who can write there can do everything that this user can. So the cache
//! is used only when the directory is this user's own and nobody else may write to it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// The folder of this user's compiled modules: `$XDG_CACHE_HOME/tilefn/modules`, else `~/.cache/tilefn/modules`; `None` without a home,
/// as in a container, where it is `/`.
pub fn user_cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| {
        let home = absolute("HOME").filter(|home| home.parent().is_some())?;
        Some(home.join(".cache"))
    })?;
    Some(base.join("tilefn/modules"))
}

/// Opens the cache in this directory, which is made if need be; or says why it isn't used.
pub(super) fn open(dir: &Path) -> Result<Cache, String> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| e.to_string())?;
    check(dir)?;
    // Both symbolic links above the directory and a relative path are settled here.
    let dir = dir.canonicalize().map_err(|e| e.to_string())?;
    let mut config = CacheConfig::new();
    config.with_directory(dir);
    Cache::new(config).map_err(|e| format!("{e:#}"))
}

fn check(dir: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(dir).map_err(|e| e.to_string())?;
    if !found.is_dir() {
        return Err("it is not a directory".to_owned());
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!("others may write to it (mode {:o})", found.mode() & 0o7777));
    }
    // The owner of a new file is this user.
    let probe = tempfile::tempfile_in(dir).and_then(|file| file.metadata()).map_err(|e| e.to_string())?;
    if probe.uid() != found.uid() {
        return Err(format!("it belongs to user {}", found.uid()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_new_directory_is_the_users_own() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("a/b");
        open(&cache).unwrap();
        assert_eq!(fs::metadata(cache).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(open(dir.path()).err().unwrap(), "others may write to it (mode 770)");
    }

    #[test]
    fn a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::create_dir(&target).unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(open(&link).err().unwrap(), "it is not a directory");
    }
}
