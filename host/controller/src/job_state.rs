//! The state of a running job, shared by all who work on it: which tile is whose, what is written, what is added up.
//!
//! Thread workers and connections to remote workers use the same methods, so a tile's way from *granted* to *done* is
//! one, whoever ran it.

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
    /// Woken when tiles are done or handed back: threads wait on one, connections on the other.
    changed: Condvar,
    changes: watch::Sender<()>,
    control: Arc<Control>,
    /// Pixels of all tiles that are done which were changed or lost. Locked within the schedule's lock.
    tally: Mutex<Tally>,
    /// None when the job can't be gone on with after a crash.
    journal: Mutex<Option<Journal>>,
    /// Whether it has been said that the journal can't be written.
    silent: AtomicBool,
    tile: [u32; 2],
}

/// Tiles that whoever reads for itself takes at a time. Each thread, and each process, decodes for itself the blocks that
/// a halo reaches into: with single tiles in turn, nearly all of them twice.
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

    /// How many tiles to take at a time, when so many threads work: fewer near the end, so that no thread is left without
    /// while another has several.
    pub fn run_length(&self, threads: u64) -> u64 {
        run_length(&self.schedule(), threads)
    }

    /// Tiles for `worker`; waits until there is one, or all are done (then none), or the job is stopped.
    ///
    /// They are neighbours where possible: what one decodes beyond its edge is the next one's.
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

    /// Says each time that tiles are done or handed back.
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

    /// Takes a tile's result. Only the first counts; a later one has the same pixels and is dropped (false).
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

    /// `worker` is gone; its tiles are handed out again. Returns them.
    pub fn lose(&self, worker: WorkerId) -> Result<Vec<u64>, Poisonous> {
        self.change(|schedule| schedule.lose(worker))
    }

    /// Something the user should know of; said now and in the report, once each.
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

    /// How often a tile failed on a worker, for a reason of the worker's.
    pub fn failed(&self) -> u64 {
        self.schedule().failed()
    }

    /// The accumulated result, once all tiles are done.
    pub fn reduced(&self) -> Result<Option<serde_json::Value>, Error> {
        let Some(reducer) = &self.reducer else { return Ok(None) };
        let mut reducer = reducer.lock().unwrap_or_else(PoisonError::into_inner);
        reducer.finish().map(Some).map_err(not_joined)
    }

    /// Brings to the disk what is done, from time to time, so that a later run can go on from there.
    fn checkpoint_if_due(&self) -> Result<(), Error> {
        // Whoever finds it locked need not wait: a checkpoint is being made.
        let Ok(mut journal) = self.journal.try_lock() else { return Ok(()) };
        match &mut *journal {
            Some(journal) if journal.is_due() => self.checkpoint(journal),
            _ => Ok(()),
        }
    }

    /// A journal that can't be written leaves the one before, which stays true; the job goes on.
    fn checkpoint(&self, journal: &mut Journal) -> Result<(), Error> {
        let started = Instant::now();
        // In this order: a tile that is done was written and added up before, so what follows has it.
        let so_far = self.so_far();
        let files = self.writer.checkpoint(false, true)?;
        let written = match files {
            Some(files) => journal.write(self.progress(so_far, files), started),
            // Of a format that can't be resumed before it is complete.
            None => {
                journal.postpone(started);
                return Ok(());
            }
        };
        self.said(written);
        Ok(())
    }

    /// Notes how far the outputs are, once all tiles are done. With `sync` all that has been brought to the disk.
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

    /// What is in the journal now outlives this process, whatever ends it.
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

    /// Begins the outputs, and notes where they are: after a crash the next run removes or resumes them.
    pub fn begin(&self) -> Result<(), Error> {
        self.writer.probe()?.into_iter().for_each(|warning| self.warn(warning));
        self.writer.begin()?;
        let mut journal = self.journal();
        if let Some(journal) = journal.as_mut().filter(|journal| !journal.has_checkpoint()) {
            // Nothing is in them yet.
            let files = self.writer.checkpoint(false, false)?.unwrap_or_default();
            if let Err(error) = journal.begin(self.tile, files) {
                self.warn(format!("what is done can't be noted: {error}"));
            }
        }
        Ok(())
    }

    /// Completes the outputs and gives them their names. Each step is noted, so that another run can go on after any end of this
    /// one; the journal stays until the job has been reported.
    ///
    /// A run that was too short for a checkpoint doesn't wait for the disk: it is sooner done again.
    pub fn publish(&self) -> Result<Vec<OutputFile>, Error> {
        let sync = self.journal().as_ref().is_none_or(Journal::has_checkpoint);
        let mut go_on = || !self.control.stopped();
        // To note it again takes longer the more outputs there are.
        let mut note_if_old = || {
            if self.journal().as_ref().is_some_and(Journal::is_old) {
                // What is sealed already can't fail to be.
                let _noted = self.note(sync);
            }
        };
        self.note(sync)?;
        self.writer.complete(sync, &mut go_on, &mut note_if_old).map_err(stopped)?;
        self.note(sync)?;
        self.writer.publish(sync, &mut go_on, &mut note_if_old).map_err(stopped)?;
        self.note(sync)?;
        // Where there is no journal, too.
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

    /// Gives up a job that is not worth to be gone on with.
    pub fn give_up(&self) {
        self.writer.keep(false);
        self.writer.close();
        self.take_journal().into_iter().for_each(Journal::remove);
    }

    /// Leaves what is done for a later run, and says how many tiles that is, if there is something to go on from. With `broken` the last
    /// checkpoint is it.
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
                // Where an output is broken, the last one counts.
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

    /// Wakes whoever waits for a tile: to look again, or to see that the job is stopped.
    pub fn wake(&self) {
        // With the lock held, so that no thread is between its look and its wait.
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
        // With the reducer locked, so that an older number doesn't come after a newer one.
        let room = reducer.room();
        self.change(|schedule| schedule.limit_flight(room));
        Ok(())
    }

    /// Pixels that were changed or lost so far.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // A thread that panicked has ended the job already.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joining that was stopped is no failure of the function's.
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
