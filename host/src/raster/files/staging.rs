//! A folder beside the output that holds it until it is complete.
//!
//! Every file keeps its final name there, as some formats refer to their own parts by name. An abandoned output goes
//! away with the folder, whatever files GDAL put beside it.

use super::{cpl, place};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Longest part of an output's name in the folder's, so that names stay below the usual limit of 255 bytes.
const NAME_BYTES: usize = 100;
/// A hidden folder `.NAME.tilefn-XXXXXX`, deleted with its contents when dropped, unless it is kept.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    name: OsString,
    target: PathBuf,
    kept: bool,
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept {
            // There is nobody to tell; what can't be removed was made unremovable by somebody else.
            let _gone = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Staging {
    /// Makes the folder for a file that is to be `target`, or what that leads to if it is a link. It may be one of GDAL's `/vsi…`
    /// paths: then the folder is among the temporary files.
    pub(super) fn new(target: &str) -> Result<Self, String> {
        let path = &*place::destination(target)?;
        let name = path.file_name().ok_or("it is not the name of a file")?;
        let parent = if is_virtual(path) {
            std::env::temp_dir()
        } else {
            if path.is_dir() && !is_zarr(path) {
                return Err("it is a folder".into());
            }
            match path.parent() {
                Some(parent) if parent != Path::new("") => parent.to_owned(),
                _ => PathBuf::from("."),
            }
        };
        if !parent.is_dir() {
            return Err(format!("there is no folder {}", parent.display()));
        }
        let shown: String = name.to_string_lossy().chars().take(NAME_BYTES / 4).collect();
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{shown}.tilefn-"))
            .tempdir_in(&parent)
            .map_err(|e| format!("can't make a temporary folder in {}: {e}", parent.display()))?;
        Ok(Self { name: name.to_owned(), target: path.to_owned(), folder: folder.keep(), kept: false })
    }

    /// Takes over the folder that an earlier run kept for `target`.
    pub(super) fn adopt(target: &str, folder: &Path) -> Result<Self, String> {
        let path = &*place::destination(target)?;
        let name = path.file_name().ok_or("it is not the name of a file")?;
        if !folder.is_dir() {
            return Err(format!("{} is gone", folder.display()));
        }
        Ok(Self { name: name.to_owned(), target: path.to_owned(), folder: folder.to_owned(), kept: false })
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves the folder where it is, for a later run.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// Where the output is written.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// A place for a file that is not part of the output.
    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.folder.join(".scratch");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(folder.join(name))
    }

    /// Puts the output in its place, in exchange for what is there, and returns how many bytes it has. The file itself
    /// comes last, in one step; with `sync` all that is on the disk before and after.
    pub(super) fn publish(self, sync: bool) -> Result<u64, String> {
        let entries = self.entries().map_err(|e| e.to_string())?;
        if !entries.contains(&self.name) {
            return Err("GDAL wrote no such file".into());
        }
        let bytes = entries.iter().map(|name| size(&self.folder.join(name))).sum();
        if is_virtual(&self.target) {
            for name in &entries {
                copy(&self.folder.join(name), &self.target.with_file_name(name))?;
            }
        } else {
            self.rename_all(&entries, sync).map_err(|e| e.to_string())?;
        }
        Ok(bytes)
    }

    /// Names of what belongs to the output, its own last.
    fn entries(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if name != OsStr::new(".scratch") {
                names.push(name);
            }
        }
        names.sort_by_key(|name| *name == self.name);
        Ok(names)
    }

    fn rename_all(&self, entries: &[OsString], sync: bool) -> io::Result<()> {
        for name in entries {
            let path = self.folder.join(name);
            if sync && path.is_file() {
                // The disk may report here what it couldn't store.
                File::open(&path)?.sync_all()?;
            }
        }
        for sidecar in place::stale(&self.target, entries) {
            remove_if_there(&sidecar)?;
        }
        if self.target.is_dir() {
            // A folder can't be replaced in one step; this one goes when the staging folder does.
            fs::rename(&self.target, self.folder.join(".replaced"))?;
        }
        for name in entries {
            fs::rename(self.folder.join(name), self.target.with_file_name(name))?;
        }
        if let Some(parent) = self.folder.parent().filter(|_| sync) {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }
}

/// Whether it is one of GDAL's virtual files, such as an object in a store.
fn is_virtual(path: &Path) -> bool {
    path.starts_with("/vsimem") || path.to_string_lossy().starts_with("/vsi")
}

/// Whether a folder is a Zarr store, the one kind of output that is a folder.
fn is_zarr(path: &Path) -> bool {
    [".zgroup", ".zarray", "zarr.json"].iter().any(|marker| path.join(marker).exists())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Bytes of a file, or of everything in a folder; what can't be looked at counts nothing.
fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

/// Copies a file or folder to a virtual file.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if from.is_dir() {
        for entry in fs::read_dir(from).map_err(|e| e.to_string())? {
            let name = entry.map_err(|e| e.to_string())?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    let c_path = |path: &Path| CString::new(path.to_string_lossy().into_owned()).map_err(|e| e.to_string());
    let (c_from, c_to) = (c_path(from)?, c_path(to)?);
    let (result, messages) = cpl::watch(|| {
        #[expect(unsafe_code, reason = "only GDAL writes to its virtual files")]
        // SAFETY: two texts with a closing zero.
        unsafe {
            gdal_sys::CPLCopyFile(c_to.as_ptr(), c_from.as_ptr())
        }
    });
    if result == 0 && messages.failure().is_none() {
        Ok(())
    } else {
        Err(format!("copying to {}: {}", to.display(), messages.reason("GDAL gives no reason")))
    }
}
