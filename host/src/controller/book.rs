//! The state of a running job, shared by all who work on it: which tile is whose, what is written, what is added up.
//!
//! Thread workers and connections to remote workers use the same methods, so a tile's way from *granted* to *done* is
//! one, whoever ran it.

use super::control::Control;
use super::failure::Failure;
use super::journal::{self, Journal};
use super::reduce::Reducer;
use super::report::OutputFile;
use super::schedule::{Grant, Poisonous, Schedule, WorkerId};
use super::writer::{WriteError, Writer};
use crate::grid::Tile;
use crate::raster;
use crate::tally::Tally;
use crate::worker::ResultRaster;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// A running job.
pub struct Book {
    writer: Writer,
    reducer: Option<Mutex<Reducer>>,
    schedule: Mutex<Schedule>,
    /// Woken when tiles are done or handed back: threads wait on one, connections on the other.
    changed: Condvar,
    changes: watch::Sender<()>,
    control: Arc<Control>,
    warnings: Mutex<Vec<String>>,
    /// Pixels of all tiles that are done which were changed or lost. Locked within the schedule's lock.
    tally: Mutex<Tally>,
    /// None when the outputs can't be gone on with after a crash.
    journal: Mutex<Option<Journal>>,
    tile: [u32; 2],
}

/// Tiles that whoever reads for itself takes at a time. Each thread, and each process, decodes for itself the blocks that
/// a halo reaches into: with single tiles in turn, nearly all of them twice.
const NEIGHBOURS: u64 = 4;

/// Warnings kept for the report; a function that warns on every tile would fill it.
const MAX_WARNINGS: usize = 100;

impl Book {
    /// A job at its start. `tile` is the columns and rows of a tile, for the journal.
    pub fn new(
        writer: Writer,
        reducer: Option<Reducer>,
        schedule: Schedule,
        control: Arc<Control>,
        journal: Option<Journal>,
        tile: [u32; 2],
    ) -> Self {
        Self {
            journal: Mutex::new(journal),
            tile,
            writer,
            reducer: reducer.map(Mutex::new),
            schedule: Mutex::new(schedule),
            changed: Condvar::new(),
            changes: watch::Sender::new(()),
            control,
            warnings: Mutex::default(),
            tally: Mutex::default(),
        }
    }

    /// Progress and stop.
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
    pub fn wait_for_tiles(&self, worker: WorkerId, threads: u64) -> Result<Vec<u64>, Failure> {
        let mut schedule = self.schedule();
        loop {
            if self.control.stopped() {
                return Err(Failure::Interrupted);
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
    pub fn skipped(&self, tile: &Tile) -> Result<bool, Failure> {
        if !self.schedule().claim(tile.index, Instant::now()) {
            return Ok(false);
        }
        self.writer.skip(tile)?;
        self.reduce(tile.index, &[])?;
        self.control.tile_skipped();
        self.complete(tile.index);
        if let Some(watch) = self.control.watch() {
            watch.map.skipped(tile.index);
        }
        Ok(true)
    }

    /// Takes a tile's result. Only the first counts; a later one has the same pixels and is dropped (false).
    pub fn done<'a>(
        &self,
        tile: &Tile,
        rasters: impl IntoIterator<Item = ResultRaster<'a>>,
        state: &[u8],
        tally: &Tally,
    ) -> Result<bool, Failure> {
        if !self.schedule().claim(tile.index, Instant::now()) {
            return Ok(false);
        }
        let mut bytes = 0;
        for (output, raster, bands, pixels) in rasters {
            bytes += pixels.len() as u64;
            self.writer.write(output, raster, tile, bands, pixels)?;
        }
        self.reduce(tile.index, state)?;
        self.control.tile_done(bytes);
        self.change(|schedule| {
            self.tally().merge(tally);
            schedule.complete(tile.index);
        });
        if let Some(watch) = self.control.watch() {
            watch.map.done(tile.index);
        }
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

    /// Something the user should know of; said now and in the report.
    pub fn warn(&self, text: String) {
        tracing::warn!("{text}");
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < MAX_WARNINGS && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The tiles that workers hold, and those that were lost at least once.
    pub fn unsettled(&self) -> (Vec<u64>, Vec<u64>) {
        let schedule = self.schedule();
        (schedule.in_flight().collect(), schedule.lost().collect())
    }

    /// Tiles that are not done.
    pub fn tiles_left(&self) -> u64 {
        self.schedule().left()
    }

    /// How often a tile failed on a worker, for a reason of the worker's.
    pub fn failed(&self) -> u64 {
        self.schedule().failed()
    }

    /// Tiles that were handed out again.
    pub fn retried(&self) -> u64 {
        self.schedule().retried()
    }

    /// The accumulated result, once all tiles are done.
    pub fn reduced(&self) -> Result<Option<serde_json::Value>, Failure> {
        let Some(reducer) = &self.reducer else { return Ok(None) };
        let reducer = reducer.lock().unwrap_or_else(PoisonError::into_inner);
        reducer.finish().map(Some).map_err(Failure::Reduce)
    }

    /// Brings to the disk what is done, from time to time, so that a later run can go on from there.
    fn checkpoint_if_due(&self) -> Result<(), Failure> {
        // Whoever finds it locked need not wait: a checkpoint is being made.
        let Ok(mut journal) = self.journal.try_lock() else { return Ok(()) };
        match &mut *journal {
            Some(due) if due.is_due() => self.checkpoint(&mut journal, false),
            _ => Ok(()),
        }
    }

    fn checkpoint(&self, slot: &mut Option<Journal>, publishing: bool) -> Result<(), Failure> {
        let Some(journal) = slot else { return Ok(()) };
        let started = Instant::now();
        // In this order: a tile that is done was written and added up before, so what follows has it.
        let (done, tally) = {
            let schedule = self.schedule();
            (schedule.done().clone(), self.tally().clone())
        };
        let Some(files) = self.writer.checkpoint()? else {
            slot.take().into_iter().for_each(Journal::remove);
            return Ok(());
        };
        let reduction =
            self.reducer.as_ref().map(|r| r.lock().unwrap_or_else(PoisonError::into_inner).so_far().clone());
        let progress = journal::Progress {
            done,
            files,
            reduction,
            tally,
            publishing,
            tile: self.tile,
            ..journal::Progress::default()
        };
        journal.write(progress, started).map_err(Failure::Journal)
    }

    /// Begins the outputs, and notes where they are: after a crash the next run removes or resumes them.
    pub fn begin(&self) -> Result<(), Failure> {
        self.writer.begin()?;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *journal {
            Some(journal) if !journal.has_checkpoint() => {
                journal.begin(self.writer.begun(), self.tile).map_err(Failure::Journal)
            }
            _ => Ok(()),
        }
    }

    /// Completes the outputs and gives them their names.
    ///
    /// A run that was too short for a checkpoint doesn't wait for the disk: it is sooner done again.
    pub fn publish(&self) -> Result<Vec<OutputFile>, Failure> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let sync = journal.as_ref().is_none_or(Journal::has_checkpoint);
        if sync {
            self.checkpoint(&mut journal, true)?;
        }
        drop(journal);
        let outputs = self.writer.finish(sync, &mut || !self.control.stopped());
        let outputs = outputs.map_err(|e| match e {
            WriteError::Raster { source: raster::Error::Stopped { .. }, .. } => Failure::Interrupted,
            e => Failure::Write(e),
        })?;
        self.close_journal();
        Ok(outputs)
    }

    /// Ends the journal: the job is complete, or not worth to be gone on with.
    pub fn close_journal(&self) {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner).take();
        journal.into_iter().for_each(Journal::remove);
    }

    /// Leaves what is done for a later run, and says how many tiles that is, if it's worth to go on from.
    pub fn suspend(&self) -> Option<u64> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if self.schedule().done().len() > 0
            && let Err(error) = self.checkpoint(&mut journal, false)
        {
            // Where an output is broken, the last one counts.
            tracing::warn!("no more checkpoint can be made: {error}");
        }
        if let Some(journal) = journal.as_ref().filter(|journal| journal.has_checkpoint()) {
            self.writer.keep();
            return Some(journal.progress().done.len());
        }
        journal.take().into_iter().for_each(Journal::remove);
        None
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

    fn reduce(&self, tile: u64, state: &[u8]) -> Result<(), Failure> {
        let Some(reducer) = &self.reducer else { return Ok(()) };
        let mut reducer = reducer.lock().unwrap_or_else(PoisonError::into_inner);
        reducer.add(tile, state.to_vec()).map_err(Failure::Reduce)
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

fn run_length(schedule: &Schedule, threads: u64) -> u64 {
    (schedule.left() / threads.saturating_mul(4).max(1)).clamp(1, NEIGHBOURS)
}
