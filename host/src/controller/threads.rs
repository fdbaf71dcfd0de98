//! Workers that are threads of this process: they skip the wire, so pixels stay in the memory where they were read.

use super::control::Control;
use super::failure::Failure;
use super::reduce::Reducer;
use super::report::Spent;
use super::schedule::{Grant, Schedule, WorkerId};
use super::writer::Writer;
use crate::grid::Tile;
use crate::sandbox::Interrupt;
use crate::worker::{Done, FilePixels, Outcome, Runner};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the threads of a run share.
pub struct Shared<'a> {
    /// Runs the function.
    pub runner: &'a Runner,
    /// Takes the pixels.
    pub writer: &'a Writer,
    /// Takes the contributions of an accumulating function.
    pub reducer: Option<Mutex<Reducer>>,
    /// Hands out tiles.
    pub schedule: Mutex<Schedule>,
    /// Woken when a tile is done.
    pub changed: Condvar,
    /// Progress and stop.
    pub control: &'a Control,
    /// Stops functions that are running.
    pub interrupt: &'a Interrupt,
}

/// What one thread did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Tiles run.
    pub done: u64,
    /// Tiles left out.
    pub skipped: u64,
    /// Time by stage.
    pub spent: Spent,
    /// Highest memory of a call, bytes.
    pub function_peak_memory: u64,
    /// Input pixels, bytes.
    pub bytes_in: u64,
}

impl Shared<'_> {
    /// Runs tiles on `threads` threads until all are done; the first failure stops them all.
    pub fn run(&self, threads: usize) -> Result<Vec<Work>, Failure> {
        let joined = std::thread::scope(|scope| {
            let running: Vec<_> = (1..=threads)
                .map(|n| scope.spawn(move || self.work(WorkerId(u32::try_from(n).unwrap_or(u32::MAX)))))
                .collect();
            running.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        let mut works = Vec::new();
        let mut interrupted = None;
        for result in joined {
            match result {
                Ok(Ok(work)) => works.push(work),
                // Threads that were stopped because of a failure elsewhere must not hide it.
                Ok(Err(Failure::Interrupted)) => interrupted = Some(Failure::Interrupted),
                Ok(Err(failure)) => return Err(failure),
                Err(panic) => return Err(Failure::Panicked(panic_text(panic.as_ref()))),
            }
        }
        interrupted.map_or(Ok(works), Err)
    }

    fn work(&self, worker: WorkerId) -> Result<Work, Failure> {
        let stop_all = StopOnDrop(self);
        let mut work = Work::default();
        let mut pixels = FilePixels::new(self.runner.task().clone());
        while let Some(index) = self.next(worker, &mut work)? {
            // The schedule counts the same tiles as the tiling.
            if let Some(tile) = self.runner.task().tiling.tile(index) {
                self.tile(&tile, &mut pixels, &mut work)?;
            }
            self.schedule().complete(index);
            self.changed.notify_all();
        }
        std::mem::forget(stop_all);
        Ok(work)
    }

    /// The next tile to run; waits for one if others hold them all.
    fn next(&self, worker: WorkerId, work: &mut Work) -> Result<Option<u64>, Failure> {
        let started = Instant::now();
        let mut schedule = self.schedule();
        loop {
            if self.control.stopped() {
                return Err(Failure::Interrupted);
            }
            match schedule.take(worker, Instant::now()) {
                Grant::Tile(index) => {
                    work.spent.wait += started.elapsed();
                    return Ok(Some(index));
                }
                Grant::Finished => return Ok(None),
                Grant::Wait => {
                    schedule = self.changed.wait(schedule).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn tile(&self, tile: &Tile, pixels: &mut FilePixels, work: &mut Work) -> Result<(), Failure> {
        let outcome = self.runner.run(tile, pixels).map_err(|source| match source {
            crate::worker::Error::Function(crate::sandbox::Error::Interrupted { .. }) => Failure::Interrupted,
            source => Failure::Tile { tile: *tile, source },
        })?;
        match outcome {
            Outcome::Skipped { read } => {
                work.spent.read += read;
                work.skipped += 1;
                self.reduce(tile.index, &[])?;
                self.control.tile_skipped();
            }
            Outcome::Done(done) => {
                work.spent.read += done.read;
                work.spent.run += done.run;
                work.function_peak_memory = work.function_peak_memory.max(done.peak_memory());
                let writing = Instant::now();
                let bytes = self.write(tile, &done)?;
                work.spent.write += writing.elapsed();
                self.reduce(tile.index, done.state().map_err(Failure::Sandbox)?)?;
                work.done += 1;
                self.control.tile_done(bytes);
            }
        }
        work.bytes_in += self.runner.bytes_in(tile);
        Ok(())
    }

    /// Writes a tile's outputs; returns their bytes.
    fn write(&self, tile: &Tile, done: &Done) -> Result<u64, Failure> {
        let mut bytes = 0;
        for (o, rasters) in done.outputs().iter().enumerate() {
            for (r, raster) in rasters.iter().enumerate() {
                let pixels = done.pixels(raster).map_err(Failure::Sandbox)?;
                bytes += pixels.len() as u64;
                self.writer.write(o, r, tile.window, raster.bands, pixels)?;
            }
        }
        Ok(bytes)
    }

    fn reduce(&self, tile: u64, state: &[u8]) -> Result<(), Failure> {
        let Some(reducer) = &self.reducer else { return Ok(()) };
        let mut reducer = reducer.lock().unwrap_or_else(PoisonError::into_inner);
        reducer.add(tile, state.to_vec()).map_err(Failure::Reduce)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the other threads when one leaves early, by error or panic: they may be waiting for its tile.
struct StopOnDrop<'a, 'b>(&'a Shared<'b>);

impl Drop for StopOnDrop<'_, '_> {
    fn drop(&mut self) {
        self.0.control.stop();
        self.0.interrupt.stop();
        // With the lock held, so that no thread is between its check and its wait.
        let _schedule = self.0.schedule();
        self.0.changed.notify_all();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
