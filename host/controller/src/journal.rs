//! The journal of a run: a small file beside the outputs that lists which tiles are safely on disk, which outputs are complete, and
//! which have their names. With it a later run can resume, however this one ends.
//!
//! The journal is replaced as a whole, and only after its contents have become true. A tile that it doesn't list is run again. It also
//! lists the grounds of the run (module, parameters, input files): when any of these has changed, the run can't be resumed.

mod file;

use super::locks::{Lock, LockError};
use file::{Head, VERSION, boot};
use raster::{discard_unfinished, is_stamped};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use types::location::is_remote;

pub use file::{FileState, Ground, Progress};

/// Least time between two checkpoints, and before the first one.
pub const PERIOD: Duration = Duration::from_secs(5);
/// A checkpoint may take this part of the time, so a costly one is made rarely.
const SHARE: u32 = 100;
/// How many changes are named in a refusal.
const NAMED: usize = 8;

/// A run's journal, locked for it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    _locks: Vec<Lock>,
    grounds: Vec<Ground>,
    overwrite: bool,
    tile: [u32; 2],
    /// What the file says.
    progress: Progress,
    /// Files that an earlier run left and that this one doesn't resume.
    left: Option<Vec<Vec<FileState>>>,
    noted: Instant,
    due: Instant,
}

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run holds the journal's lock.
    #[error("another run is writing the same outputs (it holds {0})")]
    Busy(PathBuf),
    /// The journal can't be read or written.
    #[error("the journal {path}: {reason}")]
    Unusable {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something that the results depend on has changed.
    #[error("{}; put that back as it was, or run without --resume to start afresh (the journal is {})", .changes.join("\n"), .path.display())]
    Changed {
        /// The journal.
        path: PathBuf,
        /// What has changed, and how.
        changes: Vec<String>,
    },
}

impl Journal {
    /// Takes the `locks`, then opens the journal at `path`, for a run that depends on `grounds`. With `resume` the finished tiles of an
    /// earlier run are taken over. Nothing is removed or written yet.
    pub fn open(
        path: PathBuf,
        locks: Vec<PathBuf>,
        grounds: Vec<Ground>,
        overwrite: bool,
        resume: bool,
    ) -> Result<Self, JournalError> {
        let unusable = |reason: String| JournalError::Unusable { path: path.clone(), reason };
        let mut held = Vec::new();
        for lock in locks {
            held.push(Lock::take(lock.clone()).map_err(|e| match e {
                LockError::Busy => JournalError::Busy(lock),
                LockError::Failed(e) => JournalError::Unusable { path: lock, reason: format!("can't lock: {e}") },
            })?);
        }
        let found = match file::read(&path) {
            // The journal will be replaced. Files that it fails to name can't be removed.
            Err(_) if !resume => None,
            found => found.map_err(unusable)?,
        };
        let mut journal = Self {
            path: path.clone(),
            _locks: held,
            grounds,
            overwrite,
            tile: [0, 0],
            progress: Progress::default(),
            left: None,
            noted: Instant::now(),
            due: Instant::now() + PERIOD,
        };
        let Some((head, reduction)) = found else { return Ok(journal) };
        let trusted = head.boot.is_none() || head.boot == boot();
        if !resume || head.done.len() == 0 || !trusted {
            // There is nothing to resume, but there may be files to remove.
            journal.left = Some(head.files);
            return Ok(journal);
        }
        let changes = changes(&head.grounds, &journal.grounds);
        if !changes.is_empty() {
            return Err(JournalError::Changed { path, changes });
        }
        if head.tile.contains(&0) {
            return Err(unusable("it is damaged: tiles without pixels".into()));
        }
        journal.grounds = head.grounds;
        journal.overwrite |= head.overwrite;
        journal.tile = head.tile;
        journal.progress = Progress { done: head.done, files: head.files, reduction, tally: head.tally };
        Ok(journal)
    }

    /// How many tiles an earlier run has done.
    pub fn tiles_done(&self) -> u64 {
        self.progress.done.len()
    }

    /// What an earlier run has done.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Columns and rows of the earlier run's tiles.
    pub fn tile(&self) -> [u32; 2] {
        self.tile
    }

    /// Whether the run may replace outputs that exist: it or the run that it resumes was told so.
    pub fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// The outputs that the earlier run has given their names, or was about to: files under these names are its own.
    pub fn made(&self) -> BTreeSet<String> {
        let made = |file: &&FileState| match file {
            FileState::Named { .. } => true,
            // An object in a store has no stamp. It was not there when the run began, or could be replaced.
            FileState::Complete { path, .. } if is_remote(path) => true,
            FileState::Complete { path, at } => is_stamped(Path::new(path), at.stamp),
            FileState::Empty { .. } | FileState::Unfinished { .. } => false,
        };
        let files = self.progress.files.iter().flatten();
        files.filter(made).map(|file| file.place().0.to_owned()).collect()
    }

    /// Whether it is time for a checkpoint.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Whether the last note is old.
    pub fn is_old(&self) -> bool {
        self.noted.elapsed() > Duration::from_secs(1)
    }

    /// Whether a run that ends now can be resumed.
    pub fn has_checkpoint(&self) -> bool {
        self.progress.done.len() > 0
    }

    /// Refuses a journal of a job with another number of tiles or other output files, or that accumulates where this one doesn't.
    pub fn check(&self, tiles: u64, outputs: &[Vec<&str>], accumulates: bool) -> Result<(), JournalError> {
        let unusable = |reason: &str| JournalError::Unusable { path: self.path.clone(), reason: reason.into() };
        let Progress { done, files, reduction, .. } = &self.progress;
        if !self.has_checkpoint() {
            return Ok(());
        }
        let paths: Vec<Vec<_>> = files.iter().map(|files| files.iter().map(|file| file.place().0).collect()).collect();
        if done.end() > tiles || paths != outputs {
            return Err(unusable("it is of a job with other tiles or outputs"));
        }
        match (reduction, accumulates) {
            (None, false) => Ok(()),
            (Some(reduction), true) if reduction.has(done, tiles) => Ok(()),
            _ => Err(unusable("what the tiles have accumulated is not in it")),
        }
    }

    /// Notes where the outputs of a new run with tiles of this size are being made, so that the next run can remove them after a crash of
    /// this one.
    pub fn begin(&mut self, tile: [u32; 2], files: Vec<Vec<FileState>>) -> Result<(), JournalError> {
        self.tile = tile;
        // Without waiting for the disk, which isn't worth the time yet.
        self.note(Progress { files, ..Progress::default() }, false)
    }

    /// Removes the files of these outputs that an earlier run left and that this one doesn't resume. Returns those that stay, since
    /// they belong to other outputs.
    pub fn clear(&mut self, outputs: &[Vec<&str>]) -> Vec<String> {
        let left = self.left.take().unwrap_or_default();
        if !left.is_empty() {
            // The journal first: it must not name files that are gone.
            file::remove(&self.path);
        }
        let mut stays = Vec::new();
        for (path, folder) in left.iter().flatten().map(FileState::place) {
            let Some(folder) = folder else { continue };
            if outputs.iter().flatten().any(|output| *output == path) {
                // The folder is gone already, or isn't this output's: anybody may have written the journal.
                let _gone = discard_unfinished(path, folder);
            } else {
                stays.push(folder.to_owned());
            }
        }
        stays
    }

    /// Replaces the journal by a checkpoint that was begun at `started`.
    pub fn write(&mut self, progress: Progress, started: Instant) -> Result<(), JournalError> {
        let written = self.note(progress, true);
        self.postpone(started);
        written
    }

    /// Delays the next checkpoint, since one was tried at `started`.
    pub fn postpone(&mut self, started: Instant) {
        self.due = Instant::now() + PERIOD.max(started.elapsed() * SHARE);
    }

    /// Replaces the journal. Unless `durable`, the outputs may not be on the disk yet, and the journal holds only until the machine
    /// restarts.
    pub fn note(&mut self, progress: Progress, durable: bool) -> Result<(), JournalError> {
        let head = Head {
            version: VERSION,
            boot: if durable { None } else { boot() },
            overwrite: self.overwrite,
            tile: self.tile,
            done: progress.done.clone(),
            files: progress.files.clone(),
            reduction: None,
            tally: progress.tally.clone(),
            grounds: self.grounds.clone(),
        };
        let written = file::write(&self.path, head, progress.reduction.as_ref());
        written.map_err(|reason| JournalError::Unusable { path: self.path.clone(), reason })?;
        self.noted = Instant::now();
        self.progress = progress;
        Ok(())
    }

    /// Removes the journal: its run is complete, or can't be resumed.
    pub fn remove(self) {
        file::remove(&self.path);
    }
}

/// The differences between two lists of grounds, in words.
fn changes(then: &[Ground], now: &[Ground]) -> Vec<String> {
    let index = |grounds: &[Ground]| -> BTreeMap<String, String> {
        grounds.iter().map(|ground| (ground.what.clone(), ground.state.clone())).collect()
    };
    let (before, after) = (index(then), index(now));
    let since = "since the run that is to be resumed";
    let mut changes = Vec::new();
    for (what, state) in &before {
        match after.get(what) {
            Some(same) if same == state => {}
            Some(other) => changes.push(format!("{what} has changed {since} ({other}; then {state})")),
            None => changes.push(format!("{what} is gone {since} ({state})")),
        }
    }
    let new = after.iter().filter(|(what, _)| !before.contains_key(*what));
    changes.extend(new.map(|(what, state)| format!("{what} is new {since} ({state})")));
    if changes.len() > NAMED {
        let more = changes.len() - NAMED;
        changes.truncate(NAMED);
        changes.push(format!("and {more} more"));
    }
    changes
}

#[cfg(test)]
mod tests;
