//! What is kept of a running job: checkpoints for a later run, and how the outputs end.

use super::JobState;
use crate::error::Error;
use crate::journal::{FileState, Journal, JournalError, PERIOD, Progress};
use crate::ranges::Ranges;
use crate::report::OutputFile;
use crate::writer::WriteError;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;
use types::tally::Tally;

impl JobState {
    /// Makes a checkpoint if one is due, so that a later run can resume from it.
    pub(super) fn checkpoint_if_due(&self) -> Result<(), Error> {
        // If the journal is locked, another thread is making a checkpoint.
        let Ok(mut journal) = self.journal.try_lock() else { return Ok(()) };
        match &mut *journal {
            Some(journal) if journal.is_due() => self.checkpoint(journal),
            _ => Ok(()),
        }
    }

    /// Brings finished tiles to the disk and notes them in the journal. If the journal can't be written, the one before stays true, and
    /// the job goes on.
    fn checkpoint(&self, journal: &mut Journal) -> Result<(), Error> {
        let started = Instant::now();
        // The order matters: tiles that are done now were written and added up before, so the files and states below have them.
        let so_far = self.so_far();
        let files = self.writer.checkpoint(false, true)?;
        let written = match files {
            Some(files) => journal.write(self.progress(so_far, files), started),
            // The format can't be resumed before the file is complete.
            None => {
                journal.postpone(started);
                return Ok(());
            }
        };
        self.said(written);
        Ok(())
    }

    /// Notes the state of the outputs once all tiles are done. With `sync` the outputs are brought to the disk first.
    fn note(&self, sync: bool) -> Result<(), Error> {
        let mut journal = self.journal();
        let Some(journal) = &mut *journal else { return Ok(()) };
        if let Some(files) = self.writer.checkpoint(true, sync)? {
            let progress = self.progress(self.so_far(), files);
            self.said(journal.note(progress, sync));
        }
        Ok(())
    }

    /// The tiles that are done, and the pixels that were changed or lost in these.
    fn so_far(&self) -> (Ranges, Tally) {
        let schedule = self.schedule();
        (schedule.done().clone(), self.tally().clone())
    }

    fn progress(&self, (done, tally): (Ranges, Tally), files: Vec<Vec<FileState>>) -> Progress {
        let reducer = self.reducer.as_ref().map(|r| r.lock().unwrap_or_else(PoisonError::into_inner));
        Progress { done, files, reduction: reducer.map(|r| r.so_far().clone()), tally }
    }

    /// After a journal is written: the files that it names are kept, whatever ends this process. If it wasn't, warns once.
    fn said(&self, written: Result<(), JournalError>) {
        match written {
            Ok(()) => {
                self.writer.keep(true);
                self.writer.sweep();
            }
            Err(error) if !self.silent.swap(true, Ordering::Relaxed) => {
                self.warn(format!(
                    "what is done can't be noted; an interrupted run goes on from where it could last: {error}"
                ));
            }
            Err(_) => {}
        }
    }

    /// Begins the outputs, and notes where they are, so that the next run can remove or resume them after a crash.
    pub fn begin(&self) -> Result<(), Error> {
        self.writer.probe()?.into_iter().for_each(|warning| self.warn(warning));
        self.writer.begin()?;
        let mut journal = self.journal();
        if let Some(journal) = journal.as_mut().filter(|journal| !journal.has_checkpoint()) {
            // The outputs are still empty.
            let files = self.writer.checkpoint(false, false)?.unwrap_or_default();
            if let Err(error) = journal.begin(self.tile, files) {
                self.warn(format!("what is done can't be noted: {error}"));
            }
        }
        Ok(())
    }

    /// Completes the outputs and gives them their names. Each step is noted, so that another run can resume however this one ends. The
    /// journal stays until the job has been reported.
    ///
    /// A run that was too short for a checkpoint doesn't wait for the disk: running it again is quicker. That holds for one without a
    /// journal, too, such as that of `tilefn calc`.
    pub fn publish(&self) -> Result<Vec<OutputFile>, Error> {
        let sync = self.journal().as_ref().is_some_and(Journal::has_checkpoint) || self.begun.elapsed() >= PERIOD;
        let mut go_on = || !self.control.stopped();
        // Not after every file: with many outputs each note takes long.
        let mut note_if_old = || {
            if self.journal().as_ref().is_some_and(Journal::is_old) {
                // All files are complete already; a note that fails is no reason to stop.
                let _noted = self.note(sync);
            }
        };
        self.note(sync)?;
        self.writer.complete(sync, &mut go_on, &mut note_if_old).map_err(stopped)?;
        self.note(sync)?;
        self.writer.publish(sync, &mut go_on, &mut note_if_old).map_err(stopped)?;
        self.note(sync)?;
        // Also where there is no journal.
        self.writer.sweep();
        Ok(self.writer.named())
    }

    /// The files that have their names.
    pub fn named(&self) -> Vec<OutputFile> {
        self.writer.named()
    }

    /// The journal of a job that is complete, to be removed once its report has been written.
    pub fn take_journal(&self) -> Option<Journal> {
        self.journal().take()
    }

    /// Removes the outputs and the journal of a job that can't be resumed.
    pub fn give_up(&self) {
        self.writer.keep(false);
        self.writer.close();
        self.take_journal().into_iter().for_each(Journal::remove);
    }

    /// Leaves the finished tiles for a later run to resume. Returns how many they are; none if there are none. With `broken` no new
    /// checkpoint is made, and the last one counts.
    pub fn suspend(&self, broken: bool) -> Option<u64> {
        let mut journal = self.journal();
        let done = self.schedule().done().len();
        if let Some(journal) = journal.as_mut().filter(|_| done > 0 && !broken) {
            let saved = if self.tiles_left() == 0 {
                let progress = |files| self.progress(self.so_far(), files);
                let files = self.writer.checkpoint(true, true).map_err(Error::Write);
                files.map(|files| files.into_iter().for_each(|files| self.said(journal.note(progress(files), true))))
            } else {
                self.checkpoint(journal)
            };
            if let Err(error) = saved {
                // The last checkpoint counts, then.
                tracing::warn!("no more checkpoint can be made: {error}");
            }
        }
        let kept = journal.as_ref().filter(|journal| journal.has_checkpoint());
        let kept = kept.map(|journal| journal.progress().done.len());
        drop(journal);
        match kept {
            Some(_) => self.writer.close(),
            None => self.give_up(),
        }
        kept
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopped(error: WriteError) -> Error {
    match error {
        WriteError::Raster { source: raster::Error::Stopped { .. }, .. } => Error::Interrupted,
        error => Error::Write(error),
    }
}
