//! States that a later run can go on with: checkpoints of unfinished outputs, and complete ones that don't have their name yet.

use crate::files::write::staging::{Staging, Stamp};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use types::location::gdal_name;

/// A state of an unfinished output that a later run can go on with.
#[derive(Debug)]
pub struct Checkpoint {
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    pub(crate) unfinished: Unfinished,
}

/// Where an unfinished output is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// The folder's name.
    pub folder: String,
    /// The first bytes of the file, which say where its directory is.
    #[serde(with = "hex::serde")]
    pub head: [u8; HEAD],
}

impl Checkpoint {
    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// [`Error::Finish`].
    pub fn sync(&self) -> Result<()> {
        std::fs::File::open(&self.file).and_then(|f| f.sync_all()).map_err(|e| Error::Finish {
            path: self.path.clone(),
            step: "writing a checkpoint",
            reason: e.to_string(),
        })
    }

    /// What to resume from.
    pub fn unfinished(self) -> Unfinished {
        self.unfinished
    }
}

/// Bytes at the beginning of a TIFF that say where its first directory is, BigTIFF's included.
pub(crate) const HEAD: usize = 16;

/// An output that is complete but for its name; dropped, it leaves nothing behind, unless it is kept.
#[derive(Debug)]
pub struct Complete {
    path: String,
    staging: Staging,
    entries: Vec<OsString>,
    stamp: Stamp,
    bytes: u64,
}

/// A finished output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file, as the user named it.
    pub path: String,
    /// Bytes on disk, of all files that belong to it.
    pub bytes: u64,
}

/// The files of a complete output.
pub(crate) struct Contents {
    entries: Vec<OsString>,
    stamp: Stamp,
    bytes: u64,
}

impl Contents {
    pub(crate) fn of(staging: &Staging) -> Result<Self, String> {
        let entries = staging.entries().map_err(|e| e.to_string())?;
        let stamp = staging.stamp().map_err(|e| format!("GDAL wrote no such file: {e}"))?;
        let bytes = staging.bytes(&entries);
        Ok(Self { entries, stamp, bytes })
    }
}

impl Complete {
    pub(crate) fn new(path: String, staging: Staging, files: Contents) -> Self {
        let Contents { entries, stamp, bytes } = files;
        Self { path, staging, entries, stamp, bytes }
    }

    /// Takes over what an earlier run has completed. It may have got its name already.
    ///
    /// # Errors
    /// [`Error::Create`] when it isn't where it was.
    pub fn resume(path: &str, saved: &Saved) -> Result<Self> {
        let failed = |reason: String| Error::Create { path: path.to_owned(), reason };
        let staging = Staging::adopt(&gdal_name(path), &saved.folder).map_err(failed)?;
        let (here, stamp) = (staging.stamp(), saved.stamp);
        if !here.is_ok_and(|here| here == stamp) && !staging.is_published(stamp) {
            let reason = format!("the complete file in {} is gone, or is another", staging.folder().display());
            return Err(failed(reason));
        }
        let entries: Vec<_> = saved.entries.iter().map(OsString::from).collect();
        // They come from a file that anybody may have written.
        if entries.iter().any(|name| Path::new(name).file_name() != Some(name)) {
            return Err(failed("the journal names files outside its folder".into()));
        }
        Ok(Self { path: path.to_owned(), staging, entries, stamp, bytes: saved.bytes })
    }

    /// The file, as the user named it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of the folder that holds it, as long as it has no name of its own.
    pub fn folder(&self) -> String {
        self.staging.folder_name()
    }

    /// What [`Complete::resume`] takes.
    pub fn saved(&self) -> Saved {
        Saved {
            folder: self.staging.folder_name(),
            entries: self.entries.iter().map(|name| name.to_string_lossy().into_owned()).collect(),
            stamp: self.stamp,
            bytes: self.bytes,
        }
    }

    /// Waits until all of it is on the disk, so that it is whole even if the machine fails in the next moment.
    ///
    /// # Errors
    /// [`Error::Finish`].
    pub fn sync(&self) -> Result<()> {
        self.staging.sync(&self.entries).map_err(|e| self.failed("waiting for the disk", e.to_string()))
    }

    /// Gives the output its final name, in exchange for what is there; with `sync` that, too, is on the disk then. What was
    /// interrupted, or has failed, can be done again.
    ///
    /// # Errors
    /// [`Error::Finish`].
    pub fn publish(&self, sync: bool) -> Result<Written> {
        if !self.staging.is_published(self.stamp) {
            let published = self.staging.publish(&self.entries, sync);
            published.map_err(|reason| self.failed("giving it its name", reason))?;
        }
        Ok(Written { path: self.path.clone(), bytes: self.bytes })
    }

    /// Whether what is left here outlives this.
    pub fn keep(&mut self, kept: bool) {
        self.staging.keep(kept);
    }

    fn failed(&self, step: &'static str, reason: String) -> Error {
        Error::Finish { path: self.path.clone(), step, reason }
    }
}

/// Where a complete output is that has not got its name yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The folder's name.
    pub folder: String,
    /// Names of its files, the output's own last.
    pub entries: Vec<String>,
    /// The output's stamp.
    pub stamp: Stamp,
    /// Bytes of all its files.
    pub bytes: u64,
}

/// The first bytes of a file.
pub(crate) fn head(file: &Path) -> io::Result<[u8; HEAD]> {
    let mut head = [0; HEAD];
    File::open(file)?.read_exact(&mut head)?;
    Ok(head)
}

/// Gives a GeoTIFF back the head that it had at its checkpoint if it has none: to write a new directory, GDAL first takes the
/// way to the old one out of the head, and a process may end, or a disk be full, between the two.
pub(crate) fn mend(file: &Path, at_checkpoint: &[u8; HEAD]) -> io::Result<()> {
    let found = head(file)?;
    // BigTIFF's has 8 bytes, and the bytes before it say which of the two it is.
    let place = if matches!(found.get(2..4), Some([43, 0] | [0, 43])) { 8..16 } else { 4..8 };
    if found.get(place.clone()).is_some_and(|offset| offset.iter().any(|byte| *byte != 0)) {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(at_checkpoint.get(..place.end).unwrap_or_default())
}
