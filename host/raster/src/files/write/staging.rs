//! A hidden folder beside the output that holds the output until it is complete.
//!
//! Every file has its final name there, as some formats refer to their own parts by name. When an output is abandoned, the folder is
//! deleted with everything that GDAL put into it.

use crate::files::gdal::call;
use crate::files::write::destination;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use types::location::{gdal_name, is_virtual};

/// Longest part of an output's name in the folder's, so that names stay below the usual limit of 255 bytes.
const NAME_BYTES: usize = 100;
/// The folder that an output replaces, until that is in its place.
const REPLACED: &str = ".replaced";

/// A hidden folder `.NAME.tilefn-HASH-XXXXXX`, deleted with its contents when dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    name: OsString,
    target: PathBuf,
    kept: bool,
}

/// What tells a file from every other, under whatever name: it stays when the file is renamed, and changes when it is
/// written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    inode: u64,
    /// Bytes, and the time of the last change in nanoseconds since 1970; 0 for a folder.
    size: u64,
    changed: i64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        if meta.is_dir() {
            return Ok(Self { inode: meta.ino(), size: 0, changed: 0 });
        }
        let changed = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Ok(Self { inode: meta.ino(), size: meta.len(), changed })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept {
            // A failure can't be reported from here; somebody else has made the folder unremovable.
            let _gone = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Staging {
    /// Makes the folder for a file that is to be `target`, or what that leads to if it is a link. It may be one of GDAL's `/vsi…`
    /// paths: then the folder is among the temporary files.
    pub(crate) fn new(target: &str) -> Result<Self, String> {
        let Located { path, parent, name, prefix } = Located::of(target)?;
        refuse_folder(&path)?;
        if !parent.is_dir() {
            return Err(format!("there is no folder {}", parent.display()));
        }
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&parent)
            .map_err(|e| format!("can't make a temporary folder in {}: {e}", parent.display()))?;
        Ok(Self { name, target: path, folder: folder.keep(), kept: false })
    }

    /// Takes over the folder of this name that an earlier run kept for `target`; it stays when this is dropped.
    ///
    /// The name comes from a file that anybody may have written, so only a folder that [`Staging::new`] makes for this very
    /// target is taken.
    pub(crate) fn adopt(target: &str, folder: &str) -> Result<Self, String> {
        let Located { path, parent, name, prefix } = Located::of(target)?;
        let random = folder.strip_prefix(&prefix);
        if !random.is_some_and(|r| !r.is_empty() && r.chars().all(|c| c.is_ascii_alphanumeric())) {
            return Err(format!("{folder:?} is not a folder of this output; run without --resume to start afresh"));
        }
        let folder = parent.join(folder);
        // A link could lead anywhere.
        if !fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
            return Err(format!(
                "the unfinished output in {} is gone; run without --resume to start afresh",
                folder.display()
            ));
        }
        Ok(Self { name, target: path, folder, kept: true })
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder's name, which [`Staging::adopt`] takes.
    pub(crate) fn folder_name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether the folder outlives this.
    pub(crate) fn keep(&mut self, kept: bool) {
        self.kept = kept;
    }

    /// Where the output is written.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// A place for a file that is not part of the output.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.folder.join(".scratch");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(folder.join(name))
    }

    /// Removes what an earlier attempt to write the output has left, all but the scratch files.
    pub(crate) fn clear(&self) -> Result<(), String> {
        for name in self.entries().map_err(|e| e.to_string())? {
            let path = self.folder.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| format!("{}: {e}", path.display()))?;
        }
        Ok(())
    }

    /// Names of what belongs to the output, its own last.
    pub(crate) fn entries(&self) -> io::Result<Vec<OsString>> {
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

    /// Waits until all files of the output that are still here are on the disk, which may say now what it couldn't store.
    pub(crate) fn sync(&self, entries: &[OsString]) -> io::Result<()> {
        let here = entries.iter().map(|name| self.folder.join(name)).filter(|path| path.exists());
        here.into_iter().try_for_each(|path| sync_all(&path))
    }

    /// The stamp of the output, as long as it is here.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Stamp::of(&self.file())
    }

    /// Whether the file under the final name is the one with this stamp.
    pub(crate) fn is_published(&self, stamp: Stamp) -> bool {
        is_stamped(&self.target, stamp)
    }

    /// How many bytes the output has that is in the folder.
    pub(crate) fn bytes(&self, entries: &[OsString]) -> u64 {
        entries.iter().map(|name| size(&self.folder.join(name))).sum()
    }

    /// Puts the output, which is all these entries, in its place, in exchange for what is there. The file itself comes last,
    /// in one step. It may be done again after it has failed, or was interrupted. Another file system gets a copy; the folder
    /// keeps its own then.
    pub(crate) fn publish(&self, entries: &[OsString], sync: bool) -> Result<(), String> {
        if is_virtual(&self.target.to_string_lossy()) {
            return entries
                .iter()
                .try_for_each(|name| copy(&self.folder.join(name), &self.target.with_file_name(name)));
        }
        refuse_folder(&self.target)?;
        self.rename_all(entries, sync).map_err(|e| e.to_string())
    }

    fn rename_all(&self, entries: &[OsString], sync: bool) -> io::Result<()> {
        for sidecar in destination::stale(&self.target, entries) {
            remove_if_there(&sidecar)?;
        }
        if self.target.is_dir() {
            // A folder can't be replaced in one step; this one goes when the staging folder does.
            let replaced = self.folder.join(REPLACED);
            if replaced.is_dir() {
                fs::remove_dir_all(&replaced)?;
            }
            fs::rename(&self.target, replaced)?;
        }
        for name in entries {
            let place = self.target.with_file_name(name);
            match fs::rename(self.folder.join(name), &place) {
                // It was renamed before.
                Err(e) if e.kind() == io::ErrorKind::NotFound && *name != self.name && place.exists() => {}
                renamed => renamed?,
            }
        }
        if let Some(parent) = self.folder.parent().filter(|_| sync) {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }
}

/// Removes the folder of this name that an earlier run left for `target`.
pub fn discard_unfinished(path: &str, folder: &str) -> Result<(), String> {
    let mut staging = Staging::adopt(&gdal_name(path), folder)?;
    staging.keep(false);
    Ok(())
}

/// Whether the file at `path`, or what that leads to if it is a link, is the one with this stamp.
pub fn is_stamped(path: &Path, stamp: Stamp) -> bool {
    let path = destination::destination(&path.to_string_lossy());
    path.is_ok_and(|path| Stamp::of(&path).is_ok_and(|found| found == stamp))
}

/// Where an output and its folder are, and what the folder's name begins with.
struct Located {
    path: PathBuf,
    parent: PathBuf,
    name: OsString,
    prefix: String,
}

impl Located {
    fn of(target: &str) -> Result<Self, String> {
        let path = destination::destination(target)?;
        let name = path.file_name().ok_or("it is not the name of a file")?.to_owned();
        let parent = match path.parent() {
            _ if is_virtual(&path.to_string_lossy()) => std::env::temp_dir(),
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let shown: String = name.to_string_lossy().chars().take(NAME_BYTES / 4).collect();
        // Names that begin alike, and objects of one name in several buckets, have folders of their own.
        let digest = hex::encode(Sha256::digest(path.as_os_str().as_encoded_bytes()));
        let prefix = format!(".{shown}.tilefn-{}-", digest.get(..8).unwrap_or_default());
        Ok(Self { path, parent, name, prefix })
    }
}

/// Refuses a folder as the place of an output, but for a Zarr store, which is one.
fn refuse_folder(path: &Path) -> Result<(), String> {
    if !is_virtual(&path.to_string_lossy()) && path.is_dir() && !is_zarr(path) {
        Err("it is a folder".into())
    } else {
        Ok(())
    }
}

/// Waits until a file, or all in a folder, is on the disk.
fn sync_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| sync_all(&entry?.path()))?;
    }
    File::open(path)?.sync_all()
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
    let (result, messages) = call::watch(|| {
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
