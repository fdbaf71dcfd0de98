//! The state of a running job, shared by its threads and sessions: schedule, outputs, accumulated result and journal.
//!
//! Threads and sessions with remote workers use the same methods, so a tile goes the same way from *granted* to *done* whichever
//! kind of worker runs it.

use super::control::{Control, Unsettled};
use super::error::Error;
use super::events::Event;
use super::journal::{FileState, Journal, JournalError, Progress};
use super::ranges::Ranges;
use super::reduce::Reducer;
use super::report::OutputFile;
use super::schedule::{Grant, Poisonous, Schedule, WorkerId};
use super::writer::{WriteError, Writer};
use grid::Tile;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
use types::tally::Tally;
use types::text;
use worker::ResultRaster;

/// A running job.
pub struct JobState {
    writer: Writer,
    reducer: Option<Mutex<Reducer>>,
    schedule: Mutex<Schedule>,
    /// Woken when tiles are done or handed back. Threads wait for `changed`, sessions for `changes`.
    changed: Condvar,
    changes: watch::Sender<()>,
    control: Arc<Control>,
    /// Pixels that were changed or lost, of all tiles that are done. It is locked within the schedule's lock.
    tally: Mutex<Tally>,
    /// None when the job can't be resumed after a crash.
    journal: Mutex<Option<Journal>>,
    /// Whether the user has been told that the journal can't be written.
    silent: AtomicBool,
    tile: [u32; 2],
}

/// Neighbouring tiles that a worker which reads files itself takes at a time. Each thread and process decodes the blocks that a halo
/// reaches into for itself; with single tiles in turn, nearly every block would be decoded twice.
const NEIGHBOURS: u64 = 4;

impl JobState {
    /// A job at its start. `tile` is the columns and rows of a tile, for the journal.
    pub fn new(
        writer: Writer,
        reducer: Option<Reducer>,
        mut schedule: Schedule,
        control: Arc<Control>,
        journal: Option<Journal>,
        tile: [u32; 2],
    ) -> Self {
        if let Some(reducer) = &reducer {
            schedule.limit_flight(reducer.room());
        }
        Self {
            journal: Mutex::new(journal),
            silent: AtomicBool::new(false),
            tile,
            writer,
            reducer: reducer.map(Mutex::new),
            schedule: Mutex::new(schedule),
            changed: Condvar::new(),
            changes: watch::Sender::new(()),
            control,
            tally: Mutex::default(),
        }
    }

    /// The switch to stop, the numbers and the observers.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// A tile for `worker`, if there is one now.
    pub fn take(&self, worker: WorkerId) -> Grant {
        self.schedule().take(worker, Instant::now())
    }

    /// How many tiles to take at a time when `threads` threads work: fewer near the end, so that no thread is idle while another has
    /// several.
    pub fn run_length(&self, threads: u64) -> u64 {
        run_length(&self.schedule(), threads)
    }

    /// Tiles for `worker`. Waits until there are some, or all are done (then none are returned), or the job is stopped.
    ///
    /// They are neighbours where possible: the blocks that one tile decodes beyond its edge are the next tile's.
    pub fn wait_for_tiles(&self, worker: WorkerId, threads: u64) -> Result<Vec<u64>, Error> {
        let mut schedule = self.schedule();
        loop {
            if self.control.stopped() {
                return Err(Error::Interrupted);
            }
            match schedule.take(worker, Instant::now()) {
                Grant::Tile(first) => {
                    let most = run_length(&schedule, threads);
                    let mut tiles = vec![first];
                    while (tiles.len() as u64) < most {
                        let Grant::Tile(next) = schedule.take(worker, Instant::now()) else { break };
                        tiles.push(next);
                    }
                    return Ok(tiles);
                }
                Grant::Finished => return Ok(Vec::new()),
                Grant::Wait => schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Changes each time that tiles are done or handed back.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// `tile` was not run, since no input has a valid pixel there. False if it was done already.
    pub fn skipped(&self, tile: &Tile) -> Result<bool, Error> {
        if !self.schedule().claim(tile.index, Instant::now()) {
            return Ok(false);
        }
        self.writer.skip(tile)?;
        self.reduce(tile.index, &[])?;
        // Before the schedule knows, so that a job whose tiles are all done has counted all of them.
        self.control.tell(Event::TileSkipped { tile: tile.index });
        self.complete(tile.index);
        Ok(true)
    }

    /// Takes a tile's result. Only the first counts. A later result has the same pixels and is dropped; false is returned.
    pub fn done<'a>(
        &self,
        tile: &Tile,
        rasters: impl IntoIterator<Item = ResultRaster<'a>>,
        state: &[u8],
        tally: &Tally,
    ) -> Result<bool, Error> {
        if !self.schedule().claim(tile.index, Instant::now()) {
            return Ok(false);
        }
        let mut bytes = 0;
        for (output, raster, bands, pixels) in rasters {
            bytes += pixels.len() as u64;
            self.writer.write(output, raster, tile, bands, pixels)?;
        }
        self.reduce(tile.index, state)?;
        self.control.tell(Event::TileDone { tile: tile.index, bytes_out: bytes });
        self.change(|schedule| {
            self.tally().merge(tally);
            schedule.complete(tile.index);
        });
        self.checkpoint_if_due()?;
        Ok(true)
    }

    /// Whether `tile` is under way and no result has come yet.
    pub fn is_open(&self, tile: u64) -> bool {
        self.schedule().is_open(tile)
    }

    /// `worker` hands `tile` back unfinished, by its own will.
    pub fn give_back(&self, worker: WorkerId, tile: u64) {
        self.change(|schedule| schedule.give_back(worker, tile));
    }

    /// `worker` failed at `tile` for a reason that another worker may not have.
    pub fn retry(&self, worker: WorkerId, tile: u64) -> Result<(), Poisonous> {
        self.change(|schedule| schedule.retry(worker, tile))
    }

    /// `worker` is gone; its tiles are handed out again, and returned.
    pub fn lose(&self, worker: WorkerId) -> Result<Vec<u64>, Poisonous> {
        self.change(|schedule| schedule.lose(worker))
    }

    /// Warns the user: in the log now, and in the report, once for each text.
    pub fn warn(&self, text: String) {
        let text = text::lines(&text).into_owned();
        tracing::warn!("{text}");
        self.control.tell(Event::Warning(&text));
    }

    /// The tiles that are under way or were lost.
    pub fn unsettled(&self) -> Unsettled {
        let schedule = self.schedule();
        Unsettled {
            in_flight: schedule.in_flight().collect(),
            lost: schedule.lost().collect(),
            retried: schedule.retried(),
        }
    }

    /// Tiles that are not done.
    pub fn tiles_left(&self) -> u64 {
        self.schedule().left()
    }

    /// How often a tile failed because of its worker.
    pub fn failed(&self) -> u64 {
        self.schedule().failed()
    }

    /// The accumulated result, once all tiles are done.
    pub fn reduced(&self) -> Result<Option<serde_json::Value>, Error> {
        let Some(reducer) = &self.reducer else { return Ok(None) };
        let mut reducer = reducer.lock().unwrap_or_else(PoisonError::into_inner);
        reducer.finish().map(Some).map_err(not_joined)
    }

    /// Makes a checkpoint if one is due, so that a later run can resume from it.
    fn checkpoint_if_due(&self) -> Result<(), Error> {
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
    /// A run that was too short for a checkpoint doesn't wait for the disk: running it again is quicker.
    pub fn publish(&self) -> Result<Vec<OutputFile>, Error> {
        let sync = self.journal().as_ref().is_none_or(Journal::has_checkpoint);
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

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all threads and sessions that wait for a tile, to look again or to see that the job is stopped.
    pub fn wake(&self) {
        // Taking the lock makes sure that no thread is between its look and its wait.
        drop(self.schedule());
        self.changed.notify_all();
        self.changes.send_replace(());
    }

    fn complete(&self, tile: u64) {
        self.change(|schedule| schedule.complete(tile));
    }

    /// Changes the schedule, and wakes those who wait if there may be something for them.
    fn change<T>(&self, change: impl FnOnce(&mut Schedule) -> T) -> T {
        let (result, stirred) = {
            let mut schedule = self.schedule();
            (change(&mut schedule), schedule.stirred())
        };
        if stirred {
            self.changed.notify_all();
            self.changes.send_replace(());
        }
        result
    }

    fn reduce(&self, tile: u64, state: &[u8]) -> Result<(), Error> {
        let Some(reducer) = &self.reducer else { return Ok(()) };
        let mut reducer = reducer.lock().unwrap_or_else(PoisonError::into_inner);
        reducer.add(tile, state.to_vec()).map_err(not_joined)?;
        // The reducer stays locked, so that an older limit can't overwrite a newer one.
        let room = reducer.room();
        self.change(|schedule| schedule.limit_flight(room));
        Ok(())
    }

    /// Pixels that were changed or lost so far.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // If a thread has panicked, it has ended the job already.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// If joining was interrupted, the job was stopped; the function has not failed.
fn not_joined(error: sandbox::Error) -> Error {
    match error {
        sandbox::Error::Interrupted { .. } => Error::Interrupted,
        error => Error::Reduce(error),
    }
}

fn stopped(error: WriteError) -> Error {
    match error {
        WriteError::Raster { source: raster::Error::Stopped { .. }, .. } => Error::Interrupted,
        error => Error::Write(error),
    }
}

fn run_length(schedule: &Schedule, threads: u64) -> u64 {
    (schedule.left() / threads.saturating_mul(4).max(1)).clamp(1, NEIGHBOURS)
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Policy;
    use super::*;
    use grid::Tiling;
    use std::time::Duration;

    #[test]
    fn ten_million_tiles_are_counted_and_those_of_lost_workers_looked_up() {
        let tiling = Tiling::new(2500, 4000, 1, 1).unwrap();
        let control = Arc::new(Control::default());
        control.tell(Event::Begun { tiles: tiling.count(), resumed: &Ranges::default() });
        let policy = Policy { max_attempts: 3, window: 4096, straggler: Duration::MAX };
        let schedule = Schedule::new(tiling.count(), Ranges::default(), policy);
        let job_state = JobState::new(Writer::new([], tiling), None, schedule, control.clone(), None, [1, 1]);
        for worker in 1..=1000 {
            // Each holds two tiles and has done one and left one out.
            for n in 0..4 {
                let Grant::Tile(tile) = job_state.take(WorkerId(worker)) else { panic!("a tile") };
                match n {
                    0 => assert!(job_state.done(&tiling.tile(tile).unwrap(), [], &[], &Tally::default()).unwrap()),
                    1 => assert!(job_state.skipped(&tiling.tile(tile).unwrap()).unwrap()),
                    _ => {}
                }
            }
        }
        job_state.lose(WorkerId(1)).unwrap();
        let counts = control.counts();
        assert_eq!((counts.total, counts.written(), counts.skipped), (10_000_000, 1000, 1000));
        let unsettled = job_state.unsettled();
        assert_eq!((unsettled.in_flight.len(), unsettled.lost.len(), unsettled.retried), (1998, 2, 2));
    }
}
