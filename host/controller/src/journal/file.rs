//! The journal's file: its first line is JSON; the states of an accumulating function follow as bytes.

use crate::ranges::Ranges;
use crate::reduce::{Lengths, Reduction};
use raster::{Saved, Unfinished};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use types::tally::Tally;

/// The journal format that this program reads and writes.
pub(super) const VERSION: u32 = 2;
/// Limit for the size of a journal, bytes.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// The file with the id of this start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// What a run has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tiles that are on disk.
    pub done: Ranges,
    /// The state of each file of each output.
    pub files: Vec<Vec<FileState>>,
    /// The states of an accumulating function.
    pub reduction: Option<Reduction>,
    /// Pixels of these tiles that were changed or lost.
    pub tally: Tally,
}

/// The state of an output file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FileState {
    /// The file has no pixels.
    Empty {
        /// The file.
        path: String,
        /// The name of the folder that was made for it.
        folder: Option<String>,
    },
    /// The file has the pixels of the tiles that are done.
    Unfinished {
        /// The file.
        path: String,
        bands: u32,
        /// Where it is.
        at: Unfinished,
    },
    /// The file is complete, but may not have its name yet.
    Complete {
        /// The file.
        path: String,
        /// Where it is.
        at: Saved,
    },
    /// The file is complete and has its name.
    Named {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// The name of the folder that it was in.
        folder: Option<String>,
    },
}

impl FileState {
    pub(super) fn place(&self) -> (&str, Option<&str>) {
        match self {
            Self::Empty { path, folder } | Self::Named { path, folder, .. } => (path, folder.as_deref()),
            Self::Unfinished { path, at, .. } => (path, Some(&at.folder)),
            Self::Complete { path, at } => (path, Some(&at.folder)),
        }
    }
}

/// Something that the results depend on, and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// What it is, for people.
    pub what: String,
    pub state: String,
}

/// A journal as it is written, but for the states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub version: u32,
    /// The start of the machine for which the journal holds, if its files have not all been brought to the disk.
    pub boot: Option<String>,
    /// Whether the run may replace outputs that exist.
    pub overwrite: bool,
    /// Columns and rows of a tile.
    pub tile: [u32; 2],
    pub done: Ranges,
    pub files: Vec<Vec<FileState>>,
    pub reduction: Option<Lengths>,
    /// Pixels of these tiles that were changed or lost.
    #[serde(default)]
    pub tally: Tally,
    pub grounds: Vec<Ground>,
}

/// The id of this start of the machine.
pub(super) fn boot() -> Option<String> {
    std::fs::read_to_string(BOOT).ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Reads a journal, which anybody may have written.
pub(super) fn read(path: &Path) -> Result<Option<(Head, Option<Reduction>)>, String> {
    // Without waiting at a pipe.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| e.to_string())?,
    };
    let meta = file.metadata().map_err(|e| e.to_string())?;
    if !meta.is_file() || meta.len() > MAX_BYTES {
        return Err(format!("it is no file of at most {MAX_BYTES} bytes"));
    }
    parse(file).map(Some)
}

fn parse(file: File) -> Result<(Head, Option<Reduction>), String> {
    let mut reader = BufReader::new(file.take(MAX_BYTES));
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
    // In another version everything else may differ.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let damaged = |e: serde_json::Error| format!("it is damaged: {e}");
    let Version { version } = serde_json::from_slice(&line).map_err(damaged)?;
    if version != VERSION {
        return Err(format!("format {version}, this tilefn reads {VERSION}; run without --resume to start afresh"));
    }
    let head: Head = serde_json::from_slice(&line).map_err(damaged)?;
    let mut states = Vec::new();
    reader.read_to_end(&mut states).map_err(|e| e.to_string())?;
    let reduction = match &head.reduction {
        Some(lengths) => Some(Reduction::unpacked(lengths, &states).ok_or("it is damaged: states are missing")?),
        None if states.is_empty() => None,
        None => return Err("it is damaged: something follows".into()),
    };
    Ok((head, reduction))
}

/// Replaces the journal at `path`. A journal that names no start of the machine holds after a restart too, so it is brought to the disk.
pub(super) fn write(path: &Path, mut head: Head, reduction: Option<&Reduction>) -> Result<(), String> {
    let states: Vec<&[u8]> = match reduction {
        Some(reduction) => {
            let (lengths, states) = reduction.packed();
            head.reduction = Some(lengths);
            states.collect()
        }
        None => Vec::new(),
    };
    let mut line = serde_json::to_vec(&head).map_err(|e| e.to_string())?;
    line.push(b'\n');
    let bytes = states.iter().fold(line.len() as u64, |sum, state| sum.saturating_add(state.len() as u64));
    if bytes > MAX_BYTES {
        return Err(format!("it would have {bytes} bytes, {MAX_BYTES} are the most"));
    }
    let new = new_of(path);
    let write = || -> io::Result<()> {
        // Of a run that was killed while it wrote this. The lock keeps all others away.
        let _gone = std::fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&line)?;
        states.iter().try_for_each(|state| file.write_all(state))?;
        if head.boot.is_none() {
            file.sync_all()?;
        }
        std::fs::rename(&new, path)
    };
    write().map_err(|e| {
        let _gone = std::fs::remove_file(&new);
        e.to_string()
    })
}

/// The file that becomes the journal when it is complete. Its name is known, so that no kill leaves it for good.
fn new_of(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Removes the journal and what a killed run may have left of a newer one. One that can't be removed does no harm: it is refused for
/// any other job.
pub(super) fn remove(path: &Path) {
    for file in [path, &new_of(path)] {
        let _gone = std::fs::remove_file(file);
    }
}
