//! A folder for files that nobody needs after this process, and its end: also that of the folders of processes that were killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// A folder is locked as soon as it is made, but for a moment it isn't: younger ones are left alone.
const AGE: Duration = Duration::from_secs(3600);

/// A folder of this process, which is removed with it.
pub(super) struct OwnFolder {
    folder: TempDir,
    /// Held as long as the folder is used; the system gives it up when the process ends, however it ends.
    _lock: File,
}

impl OwnFolder {
    /// A new folder in `base` whose name begins with `prefix`; those that were left behind there are removed.
    pub fn new(prefix: &str, base: &Path) -> io::Result<Self> {
        remove_leftovers(prefix, base);
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(base)?;
        let lock = File::open(folder.path())?;
        // Where folders can't be locked, none is ever taken for left behind.
        _ = lock.try_lock();
        Ok(Self { folder, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder there, or where it was moved to.
    pub fn keep(self) {
        _ = self.folder.keep();
    }
}

/// Removes this user's old folders that no process holds. What can't be removed stays: it is in nobody's way.
fn remove_leftovers(prefix: &str, base: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        // Of a link itself, not of what it leads to.
        let Ok(found) = entry.metadata() else { continue };
        let age = found.modified().ok().and_then(|made| SystemTime::now().duration_since(made).ok());
        if found.is_dir()
            && found.uid() == user
            && age.is_some_and(|age| age > AGE)
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok())
        {
            _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a folder look old.
    fn age(folder: &Path) {
        File::open(folder).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    #[test]
    fn folders_of_processes_that_are_gone_are_removed() {
        let base = tempfile::tempdir().unwrap();
        let there = |name: &str| base.path().join(name).exists();
        for name in ["own-old", "own-new", "other-old"] {
            fs::create_dir(base.path().join(name)).unwrap();
            fs::write(base.path().join(name).join("file"), "x").unwrap();
        }
        let running = OwnFolder::new("own-", base.path()).unwrap();
        std::os::unix::fs::symlink("other-old", base.path().join("own-link")).unwrap();
        fs::write(base.path().join("own-file"), "x").unwrap();
        for folder in ["own-old", "other-old", "own-file"] {
            age(&base.path().join(folder));
        }
        age(running.path());
        let next = OwnFolder::new("own-", base.path()).unwrap();
        assert!(!there("own-old"));
        assert!(there("own-new") && there("other-old/file") && there("own-link") && there("own-file"));
        assert!(running.path().exists() && next.path().exists(), "they are in use");
        let path = running.path().to_owned();
        drop(running);
        assert!(!path.exists());
        let path = next.path().to_owned();
        next.keep();
        assert!(path.exists());
    }
}
