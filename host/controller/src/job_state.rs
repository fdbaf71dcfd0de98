//! The state of a running job, shared by its threads and sessions: schedule, outputs and accumulated result.
//!
//! Threads and sessions with remote workers use the same methods, so a tile goes the same way from *granted* to *done* whichever
//! kind of worker runs it.

mod keeping;

use super::control::{Control, Unsettled};
use super::error::Error;
use super::events::Event;
use super::journal::Journal;
use super::reduce::Reducer;
use super::schedule::{Grant, Poisonous, Schedule, WorkerId};
use super::writer::Writer;
use grid::Tile;
use std::sync::atomic::AtomicBool;
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
    begun: Instant,
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
            begun: Instant::now(),
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
            self.control.tell(Event::TileWritten { output, raster, window: tile.window, bands, pixels });
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

fn run_length(schedule: &Schedule, threads: u64) -> u64 {
    (schedule.left() / threads.saturating_mul(4).max(1)).clamp(1, NEIGHBOURS)
}

#[cfg(test)]
mod tests {
    use super::super::ranges::Ranges;
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
