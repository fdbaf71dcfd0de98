//! Workers that are threads of this process: they skip the wire, so pixels stay in the memory where they were read.

use super::error::Error;
use super::events::{Event, Identity};
use super::job_state::JobState;
use super::schedule::WorkerId;
use super::work::Work;
use grid::Tile;
use sandbox::Interrupt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use types::LogLine;
use worker::open_files;
use worker::{Done, FilePixels, Outcome, Runner};

/// Runs tiles on `threads` threads until all are done; the first failure stops them all, and is returned.
pub fn run(job_state: &JobState, runner: &Runner, interrupt: &Interrupt, threads: usize) -> Result<(), Error> {
    let stack = runner.task().limits.thread_stack();
    let room = open_files::inputs_for_each(threads);
    let first = First::default();
    std::thread::scope(|scope| {
        let first = &first;
        let running: Vec<_> = (1..=u32::try_from(threads).unwrap_or(u32::MAX))
            .map(|n| {
                std::thread::Builder::new().name(format!("tile-{n}")).stack_size(stack).spawn_scoped(scope, move || {
                    let stop = StopOnDrop { job_state, interrupt, first };
                    match go_on(job_state, runner, room, WorkerId(n), threads as u64) {
                        Ok(()) => std::mem::forget(stop),
                        Err(failure) => first.note(failure),
                    }
                })
            })
            .collect();
        for thread in running {
            match thread.map(|thread| thread.join()) {
                Ok(Ok(())) => {}
                Ok(Err(panic)) => first.note(Error::Panicked(panic_text(panic.as_ref()))),
                Err(error) => first.note(Error::Thread(error)),
            }
        }
    });
    first.0.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// The failure that ends the job. Later failures don't replace it: threads that were stopped, or find an output broken, fail because
/// of it.
#[derive(Default)]
struct First(Mutex<Option<Error>>);

impl First {
    fn note(&self, failure: Error) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*first, None | Some(Error::Interrupted)) {
            *first = Some(failure);
        }
    }

    /// Whether nothing has failed, and the job only ends early.
    fn is_orderly(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Some(Error::Interrupted))
    }
}

/// Runs tiles until all are done, and tells what this thread does.
fn go_on(job_state: &JobState, runner: &Runner, room: usize, worker: WorkerId, threads: u64) -> Result<(), Error> {
    let control = job_state.control();
    let name = format!("thread {}", worker.0);
    let identity = Identity { kind: "thread", name, host: String::new(), threads: 1 };
    control.tell(Event::WorkerJoined { worker: worker.0, identity: &identity });
    let result = run_tiles(job_state, runner, room, worker, threads);
    let why = if result.is_ok() { "finished" } else { "the job ended early" };
    control.tell(Event::WorkerLeft { worker: worker.0, why });
    result
}

fn run_tiles(job_state: &JobState, runner: &Runner, room: usize, worker: WorkerId, threads: u64) -> Result<(), Error> {
    let mut pixels = FilePixels::new(runner.task().clone(), room);
    let mut work = Work::default();
    loop {
        let waiting = Instant::now();
        let tiles = job_state.wait_for_tiles(worker, threads)?;
        work.spent.wait += waiting.elapsed();
        if tiles.is_empty() {
            return Ok(());
        }
        // The schedule counts the same tiles as the tiling.
        for tile in tiles.into_iter().filter_map(|index| runner.task().tiling.tile(index)) {
            if job_state.control().stopped() {
                return Err(Error::Interrupted);
            }
            let result = run_tile(job_state, runner, &tile, &mut pixels, &mut work);
            job_state.control().tell(Event::WorkerWorked { worker: worker.0, work });
            result?;
        }
    }
}

fn run_tile(
    job_state: &JobState,
    runner: &Runner,
    tile: &Tile,
    pixels: &mut FilePixels,
    work: &mut Work,
) -> Result<(), Error> {
    let outcome = runner.run(tile, pixels).map_err(|worker::Failed { error, log }| match error {
        worker::Error::Function(sandbox::Error::Interrupted { .. }) => Error::Interrupted,
        source => {
            let advice = worker::advice(&source, tile, runner.task().halo);
            Error::Tile { tile: *tile, source, advice, log: log.into_iter().map(|line| line.text).collect() }
        }
    })?;
    work.bytes_in += runner.task().bytes_in(tile);
    match outcome {
        Outcome::Skipped { read } => {
            work.spent.read += read;
            work.skipped += 1;
            job_state.skipped(tile).map(|_first| ())
        }
        Outcome::Done(mut done) => {
            log(job_state, tile, done.take_log());
            work.spent.read += done.read;
            work.spent.run += done.run;
            work.function_peak_memory = work.function_peak_memory.max(done.peak_memory());
            work.done += 1;
            let writing = Instant::now();
            let result = hand_in(job_state, tile, &done);
            work.spent.write += writing.elapsed();
            result
        }
    }
}

fn hand_in(job_state: &JobState, tile: &Tile, done: &Done) -> Result<(), Error> {
    let rasters = done.rasters().map_err(Error::Sandbox)?;
    // No other thread runs the same tile, so the result is always the first.
    job_state.done(tile, rasters, done.state().map_err(Error::Sandbox)?, &done.tally).map(|_first| ())
}

/// Passes on the lines that the function logged at a tile.
pub fn log(job_state: &JobState, tile: &Tile, lines: Vec<LogLine>) {
    for line in lines {
        if line.warning {
            job_state.warn(format!("the function says: {}", line.text));
        } else {
            tracing::info!(target: "tilefn", "tile {}: {}", tile.index, line.text);
        }
    }
}

/// Stops the other threads when one leaves early, by error or panic: they may be waiting for its tile. If the job was only asked to
/// stop, they may complete the tiles under way.
struct StopOnDrop<'a> {
    job_state: &'a JobState,
    interrupt: &'a Interrupt,
    first: &'a First,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.job_state.control().stop();
        if !self.first.is_orderly() {
            self.interrupt.stop();
        }
        self.job_state.wake();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
