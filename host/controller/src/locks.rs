//! Locks on the outputs of a run: two runs that write one file would mix it.
//!
//! A lock is a file, locked until the run ends, however it ends. For a local output it is `.NAME.tilefn-lock` beside the output; for
//! an output elsewhere, a file in the user's cache, which other machines don't see.

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The names of files beside an output contain its name. If that is longer than this, bytes, its digest is used instead, so that they
/// stay below the usual limit of 255.
const MAX_NAME: usize = 200;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum LockError {
    /// Another run has it.
    Busy,
    /// The file can't be made or locked.
    Failed(io::Error),
}

impl Lock {
    /// Takes the lock at `path`, or says who has it.
    pub fn take(path: PathBuf) -> Result<Self, LockError> {
        loop {
            // Refuses links, which could lead anywhere, and doesn't wait at a pipe.
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
            let opened = OpenOptions::new().create(true).truncate(false).write(true).custom_flags(flags).open(&path);
            let file = opened.map_err(LockError::Failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Busy),
                Err(TryLockError::Error(e)) => return Err(LockError::Failed(e)),
            }
            // The previous holder has removed the file since it was opened here, so it locks nothing any more.
            let here = file.metadata().map_err(LockError::Failed)?;
            if fs::symlink_metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (here.dev(), here.ino())) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while the lock is held, so that no other run has locked this file. A file that can't be removed does no harm.
        let _gone = fs::remove_file(&self.path);
    }
}

/// The file `.NAME.tilefn-KIND` beside the local file `path`.
pub fn beside(path: &Path, kind: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = match name.len() {
        0..=MAX_NAME => name.into_owned(),
        _ => digest(&name),
    };
    path.with_file_name(format!(".{name}.tilefn-{kind}"))
}

/// The lock of an output that is a local file. It is the same for all spellings of the name, and for links.
pub fn lock_here(path: &Path) -> PathBuf {
    let file = raster::destination(&path.to_string_lossy()).unwrap_or_else(|_| path.to_owned());
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    match (folder.canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => beside(&folder.join(name), "lock"),
        // The plan says what is wrong with it.
        _ => beside(&file, "lock"),
    }
}

/// The lock of an output elsewhere, given by GDAL's name for it: in the first of these folders that can be made.
pub fn lock_elsewhere(name: &str, folders: &[PathBuf]) -> io::Result<PathBuf> {
    let mut made = Err(io::ErrorKind::NotFound.into());
    for folder in folders {
        made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        if made.is_ok() {
            return Ok(folder.join(format!("{}.lock", digest(name))));
        }
    }
    Err(made.err().unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// A short digest of a long name.
pub fn digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(16);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_at_a_time_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = Lock::take(path.clone()).unwrap();
        assert!(matches!(Lock::take(path.clone()), Err(LockError::Busy)));
        drop(lock);
        assert!(!path.exists());
        // What a killed run left.
        fs::write(&path, "").unwrap();
        drop(Lock::take(path.clone()).unwrap());
        assert!(!path.exists());
    }

    /// Each holder removes the file, while others have it open already.
    #[test]
    fn never_two_holders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let holders = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        if let Ok(lock) = Lock::take(path.clone()) {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            holders.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn neither_links_nor_pipes() {
        let folder = tempfile::tempdir().unwrap();
        let (link, pipe) = (folder.path().join("link"), folder.path().join("pipe"));
        std::os::unix::fs::symlink(folder.path().join("other"), &link).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for path in [link, pipe] {
            assert!(matches!(Lock::take(path), Err(LockError::Failed(_))));
        }
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn long_names_have_short_ones() {
        let name = "x".repeat(250);
        let path = beside(&Path::new("/data").join(&name), "journal");
        assert!(path.file_name().unwrap().len() < 255 && path.parent() == Some(Path::new("/data")));
        assert_eq!(beside(Path::new("/data/a.tif"), "lock"), Path::new("/data/.a.tif.tilefn-lock"));
    }
}
