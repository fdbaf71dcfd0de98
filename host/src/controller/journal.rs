//! The journal of a run: a small file beside the outputs that says which tiles are safely on disk, so that a later run
//! can go on after any crash.
//!
//! It is replaced as a whole, and only after the outputs have been brought to the disk, so what it says is always true:
//! a tile that it doesn't list is run again. It is locked while its run lives.

use super::ranges::Ranges;
use super::reduce::Reduction;
use crate::tally::Tally;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The journal format that this program reads and writes.
const VERSION: u32 = 1;
/// Most bytes of a journal that are read: its own are few, an accumulated state can have some MiB.
const MAX_BYTES: u64 = 1 << 30;
/// Least time between two checkpoints.
const PERIOD: Duration = Duration::from_secs(5);
/// A checkpoint may take this part of the time, so a costly one is made rarely.
const SHARE: u32 = 100;

/// What a run has done so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The format.
    pub version: u32,
    /// What is run: function, module, parameters, inputs, outputs, grid. Another job can't go on with this one's tiles.
    pub identity: String,
    /// Columns and rows of a tile.
    pub tile: [u32; 2],
    /// Tiles that are on disk.
    pub done: Ranges,
    /// For each output, for each of its files: what is there.
    pub files: Vec<Vec<Unfinished>>,
    /// What an accumulating function has so far.
    pub reduction: Option<Reduction>,
    /// Pixels of these tiles that were changed or lost.
    #[serde(default)]
    pub tally: Tally,
    /// Whether all tiles are done and files may have got their final names.
    pub publishing: bool,
}

/// An output file in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unfinished {
    /// The folder that holds it; none when it isn't begun, or can't be gone on with.
    pub folder: Option<PathBuf>,
    /// Its bands; 0 when nothing is in it.
    pub bands: u32,
}

/// A run's journal, locked for it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Keeps the lock. The journal itself is replaced at each checkpoint, so another file holds it.
    _lock: File,
    progress: Progress,
    due: Instant,
}

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run has it.
    #[error("another run is writing the same outputs (it holds {0})")]
    Busy(PathBuf),
    /// It can't be read or written.
    #[error("the journal {path}: {reason}")]
    Unusable {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is another job's.
    #[error(
        "the unfinished run in {0} is of another job: function, parameters, inputs, outputs or grid differ; run without --resume \
         to start afresh"
    )]
    OtherJob(PathBuf),
}

impl Journal {
    /// Where the journal of a job lies: beside its first output, or beside the job file when it has none.
    pub fn path_for(beside: &Path) -> PathBuf {
        let name = beside.file_name().map_or_else(|| "job".into(), |n| n.to_string_lossy().into_owned());
        beside.with_file_name(format!(".{name}.tilefn-journal"))
    }

    /// Opens the journal at `path` for a run. With `resume` what an earlier run of the same job left is taken over;
    /// without, it is removed.
    pub fn open(path: PathBuf, identity: &str, resume: bool) -> Result<Self, JournalError> {
        let unusable = |e: &dyn std::fmt::Display| JournalError::Unusable { path: path.clone(), reason: e.to_string() };
        let lock = path.with_extension("tilefn-lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(|e| unusable(&e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(lock)),
            Err(TryLockError::Error(e)) => return Err(unusable(&e)),
        }
        let found = match read(&path) {
            // It is about to be replaced, and what it can't name can't be removed.
            Err(_) if !resume => None,
            found => found.map_err(|e| unusable(&e))?,
        };
        let progress = match found {
            Some(found) if resume && found.version != VERSION => {
                return Err(unusable(&format!("format {}, this tilefn reads {VERSION}", found.version)));
            }
            Some(found) if resume && found.identity != identity => return Err(JournalError::OtherJob(path)),
            Some(found) if resume && found.done.len() > 0 => found,
            // There is nothing to go on with, but maybe something to remove.
            found => {
                if let Some(found) = found {
                    found.files.iter().flatten().for_each(Unfinished::discard);
                }
                Progress { version: VERSION, identity: identity.to_owned(), ..Progress::default() }
            }
        };
        Ok(Self { path, _lock: file, progress, due: Instant::now() + PERIOD })
    }

    /// What an earlier run has done.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether it is time for a checkpoint.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Whether a run that ends now can be gone on with.
    pub fn has_checkpoint(&self) -> bool {
        self.progress.done.len() > 0
    }

    /// Notes where the outputs are being made, so that the next run can remove them after a crash of this one.
    pub fn begin(&mut self, files: Vec<Vec<Unfinished>>, tile: [u32; 2]) -> Result<(), JournalError> {
        // Not worth to wait for the disk.
        self.replace(Progress { files, tile, ..Progress::default() }, false)
    }

    /// Replaces what the journal says, by a checkpoint that was begun at `started`.
    pub fn write(&mut self, progress: Progress, started: Instant) -> Result<(), JournalError> {
        self.replace(progress, true)?;
        self.due = Instant::now() + PERIOD.max(started.elapsed() * SHARE);
        Ok(())
    }

    fn replace(&mut self, progress: Progress, sync: bool) -> Result<(), JournalError> {
        let progress = Progress { version: VERSION, identity: self.progress.identity.clone(), ..progress };
        let unusable =
            |e: &dyn std::fmt::Display| JournalError::Unusable { path: self.path.clone(), reason: e.to_string() };
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let bytes = serde_json::to_vec(&progress).map_err(|e| unusable(&e))?;
        let mut file = tempfile::Builder::new().prefix(".tilefn-").tempfile_in(folder).map_err(|e| unusable(&e))?;
        let written = file.write_all(&bytes).and_then(|()| if sync { file.as_file().sync_all() } else { Ok(()) });
        written.map_err(|e| unusable(&e))?;
        file.persist(&self.path).map_err(|e| unusable(&e.error))?;
        self.progress = progress;
        Ok(())
    }

    /// Removes the journal: its run is complete, or has nothing worth to go on with.
    pub fn remove(self) {
        for path in [&self.path, &self.path.with_extension("tilefn-lock")] {
            // What can't be removed does no harm: it says nothing about another job.
            let _gone = std::fs::remove_file(path);
        }
    }
}

fn read(path: &Path) -> std::io::Result<Option<Progress>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Removes the unfinished files that a journal names.
impl Unfinished {
    /// Removes what an earlier run left of it.
    pub fn discard(&self) {
        let folder = self.folder.as_ref();
        if let Some(ours) = folder.filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().contains(".tilefn-"))) {
            // Gone already, or somebody else's to remove.
            let _gone = std::fs::remove_dir_all(ours);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn some_progress(folder: &Path) -> Progress {
        let mut done = Ranges::default();
        for tile in [0, 1, 5] {
            done.insert(tile);
        }
        let unfinished = Unfinished { folder: Some(folder.join(".x.tif.tilefn-abc")), bands: 3 };
        Progress { tile: [512, 256], done, files: vec![vec![unfinished]], ..Progress::default() }
    }

    #[test]
    fn what_was_written_is_resumed_by_the_same_job_only() {
        let folder = folder();
        let path = Journal::path_for(&folder.path().join("x.tif"));
        let mut journal = Journal::open(path.clone(), "job a", false).unwrap();
        journal.write(some_progress(folder.path()), Instant::now()).unwrap();
        drop(journal);
        let error = Journal::open(path.clone(), "job b", true).unwrap_err();
        assert!(matches!(error, JournalError::OtherJob(_)), "{error}");
        let journal = Journal::open(path, "job a", true).unwrap();
        assert_eq!(journal.progress().done, some_progress(folder.path()).done);
        assert_eq!(journal.progress().files, some_progress(folder.path()).files);
    }

    #[test]
    fn a_running_jobs_journal_is_busy() {
        let folder = folder();
        let path = Journal::path_for(&folder.path().join("x.tif"));
        let _running = Journal::open(path.clone(), "job", false).unwrap();
        assert!(matches!(Journal::open(path, "job", true), Err(JournalError::Busy(_))));
    }

    #[test]
    fn starting_afresh_removes_what_was_left_and_nothing_else() {
        let folder = folder();
        let path = Journal::path_for(&folder.path().join("x.tif"));
        let (ours, other) = (folder.path().join(".x.tif.tilefn-abc"), folder.path().join("other"));
        std::fs::create_dir(&ours).unwrap();
        std::fs::create_dir(&other).unwrap();
        let mut progress = some_progress(folder.path());
        progress.files.push(vec![Unfinished { folder: Some(other.clone()), bands: 1 }]);
        let mut journal = Journal::open(path.clone(), "job", false).unwrap();
        journal.write(progress, Instant::now()).unwrap();
        drop(journal);
        let journal = Journal::open(path, "job", false).unwrap();
        assert!(!ours.exists() && other.exists());
        assert_eq!(journal.progress().done, Ranges::default());
        journal.remove();
        std::fs::remove_dir(other).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_journal_is_an_error_that_names_it() {
        let folder = folder();
        let path = Journal::path_for(&folder.path().join("x.tif"));
        std::fs::write(&path, "{").unwrap();
        let error = Journal::open(path.clone(), "job", true).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the journal {}: ", path.display())), "{error}");
    }
}
