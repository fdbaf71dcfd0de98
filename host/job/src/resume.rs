//! The journal of a run: where it lies, and what a run takes over from an earlier one.

use super::grounds::grounds;
use super::{Loaded, Survey};
use controller::{Job, Journal, JournalError, beside, digest, lock_elsewhere, lock_here};
use sandbox::user_cache_dir;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use types::location::gdal_name;

/// What the user wants of the outputs and of an earlier run.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// Whether outputs that exist may be replaced.
    pub overwrite: bool,
    /// Whether to go on with an earlier run.
    pub resume: bool,
}

/// A run and its journal.
#[derive(Debug)]
pub enum Run {
    /// It starts afresh.
    New(Journal),
    /// It goes on with an earlier run.
    Resumed(Journal),
    /// It can't be resumed, since it has no journal.
    Unjournaled(JournalError),
    /// There is no folder for the journal or a lock, of which the planner says more.
    Homeless,
}

/// Why a run can't have the outputs, or can't go on with an earlier one.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The journal or a lock can't be had.
    #[error(transparent)]
    Journal(JournalError),
    /// The job file asks for other tiles.
    #[error("grid.tile: the unfinished run has tiles of {0} × {1}; leave grid.tile away to go on with it")]
    Tile(u32, u32),
    /// Locks of outputs elsewhere have no folder.
    #[error("can't make a folder for locks, {0:?}: {1}")]
    Locks(Vec<PathBuf>, io::Error),
}

impl Resume {
    /// Opens the journal, and lets the grid be cut as an earlier run has done. A new run can do without a journal.
    ///
    /// # Errors
    /// When another run writes the outputs, or when there is an earlier run to go on with that this one doesn't fit.
    pub fn open(self, loaded: &mut Loaded, job: &Job, survey: &Survey) -> Result<Run, ResumeError> {
        let Some((path, locks)) = places(loaded, job)? else { return Ok(Run::Homeless) };
        let grounds = grounds(&loaded.spec, survey, &job.function, &job.module_sha256);
        let journal = match Journal::open(path, locks, grounds, self.overwrite, self.resume) {
            Ok(journal) => journal,
            Err(e @ JournalError::Unusable { .. }) if !self.resume => return Ok(Run::Unjournaled(e)),
            Err(e) => return Err(ResumeError::Journal(e)),
        };
        if !journal.has_checkpoint() {
            return Ok(Run::New(journal));
        }
        let tile = journal.tile();
        if loaded.spec.grid.tile.is_some_and(|cut| cut != tile) {
            return Err(ResumeError::Tile(tile[0], tile[1]));
        }
        loaded.spec.grid.tile = Some(tile);
        Ok(Run::Resumed(journal))
    }
}

impl Run {
    /// The journal, if there is one.
    pub fn into_journal(self) -> Option<Journal> {
        match self {
            Self::New(journal) | Self::Resumed(journal) => Some(journal),
            Self::Unjournaled(_) | Self::Homeless => None,
        }
    }
}

/// The journal, beside the first output that is a local file, else beside the job file; and the locks of all outputs. None where a
/// folder is not there.
fn places(loaded: &Loaded, job: &Job) -> Result<Option<(PathBuf, Vec<PathBuf>)>, ResumeError> {
    let outputs: Vec<_> = loaded.spec.outputs.values().flat_map(|o| o.files.as_slice()).collect();
    let journal = match outputs.iter().find(|path| !path.kind().is_elsewhere()) {
        Some(local) => beside(Path::new(local.as_str()), "journal"),
        None => {
            // Jobs from one file may run side by side, with other outputs or, without outputs, with other inputs.
            let what = if outputs.is_empty() {
                serde_json::to_string(&(&loaded.spec.function, &loaded.spec.inputs, &loaded.spec.params))
            } else {
                serde_json::to_string(&outputs)
            };
            // Values that were read from JSON or TOML can be written, so this can't fail.
            let which = digest(&what.unwrap_or_default());
            let name = Path::new(&job.path).file_name().unwrap_or_default().to_string_lossy();
            beside(&loaded.base.join(format!("{name}-{which}")), "journal")
        }
    };
    let mut folders: Vec<_> = user_cache_dir().iter().map(|modules| modules.with_file_name("locks")).collect();
    // Where there is no home, or nothing can be written there.
    folders.push(std::env::temp_dir().join(format!("tilefn-locks-{}", rustix::process::getuid().as_raw())));
    let mut locks = BTreeSet::new();
    for path in outputs {
        locks.insert(match path.kind().is_elsewhere() {
            false => lock_here(Path::new(path.as_str())),
            true => lock_elsewhere(&gdal_name(path), &folders).map_err(|e| ResumeError::Locks(folders.clone(), e))?,
        });
    }
    if locks.is_empty() {
        locks.insert(journal.with_extension("tilefn-lock"));
    }
    let is_there = |path: &PathBuf| path.parent().is_some_and(Path::is_dir);
    let all_there = is_there(&journal) && locks.iter().all(is_there);
    Ok(all_there.then(|| (journal, locks.into_iter().collect())))
}
