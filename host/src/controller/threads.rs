//! Workers that are threads of this process: they skip the wire, so pixels stay in the memory where they were read.

use super::book::Book;
use super::failure::Failure;
use super::run::Totals;
use super::schedule::WorkerId;
use super::watch::Identity;
use crate::grid::Tile;
use crate::sandbox::{self, Interrupt, LogLevel, LogLine};
use crate::worker::{self, Done, FilePixels, Outcome, Runner};
use std::time::Instant;

/// Runs tiles on `threads` threads until all are done; the first failure stops them all.
pub fn run(book: &Book, runner: &Runner, interrupt: &Interrupt, threads: usize) -> Result<Vec<Totals>, Failure> {
    let stack = runner.task().limits.thread_stack();
    let joined = std::thread::scope(|scope| {
        let running: Vec<_> = (1..=u32::try_from(threads).unwrap_or(u32::MAX))
            .map(|n| {
                std::thread::Builder::new()
                    .name(format!("tile-{n}"))
                    .stack_size(stack)
                    .spawn_scoped(scope, move || work(book, runner, interrupt, WorkerId(n), threads as u64))
            })
            .collect();
        running.into_iter().map(|thread| thread.map(std::thread::ScopedJoinHandle::join)).collect::<Vec<_>>()
    });
    let mut works = Vec::new();
    let mut interrupted = None;
    for result in joined {
        match result {
            Ok(Ok(Ok(work))) => works.push(work),
            // Threads that were stopped because of a failure elsewhere must not hide it.
            Ok(Ok(Err(Failure::Interrupted))) => interrupted = Some(Failure::Interrupted),
            Ok(Ok(Err(failure))) => return Err(failure),
            Ok(Err(panic)) => return Err(Failure::Panicked(panic_text(panic.as_ref()))),
            Err(error) => return Err(Failure::Thread(error)),
        }
    }
    interrupted.map_or(Ok(works), Err)
}

fn work(
    book: &Book,
    runner: &Runner,
    interrupt: &Interrupt,
    worker: WorkerId,
    threads: u64,
) -> Result<Totals, Failure> {
    let stop_all = StopOnDrop { book, interrupt };
    let mut work = Totals::default();
    let mut pixels = FilePixels::new(runner.task().clone());
    let watch = book.control().watch();
    if let Some(watch) = watch {
        let name = format!("thread {}", worker.0);
        watch.join(worker.0, Identity { kind: "thread", name, host: String::new(), threads: 1 });
    }
    loop {
        let waiting = Instant::now();
        let tiles = book.wait_for_tiles(worker, threads)?;
        work.spent.wait += waiting.elapsed();
        if tiles.is_empty() {
            break;
        }
        // The schedule counts the same tiles as the tiling.
        for tile in tiles.into_iter().filter_map(|index| runner.task().tiling.tile(index)) {
            if book.control().stopped() {
                return Err(Failure::Interrupted);
            }
            run_tile(book, runner, &tile, &mut pixels, &mut work)?;
            if let Some(watch) = watch {
                watch.update(worker.0, work);
            }
        }
    }
    if let Some(watch) = watch {
        watch.leave(worker.0, "finished");
    }
    std::mem::forget(stop_all);
    Ok(work)
}

fn run_tile(
    book: &Book,
    runner: &Runner,
    tile: &Tile,
    pixels: &mut FilePixels,
    work: &mut Totals,
) -> Result<(), Failure> {
    let outcome = runner.run(tile, pixels).map_err(|source| match source {
        worker::Error::Function(sandbox::Error::Interrupted { .. }) => Failure::Interrupted,
        source => Failure::Tile { tile: *tile, source },
    })?;
    work.bytes_in += runner.task().bytes_in(tile);
    match outcome {
        Outcome::Skipped { read } => {
            work.spent.read += read;
            work.skipped += 1;
            book.skipped(tile).map(|_first| ())
        }
        Outcome::Done(mut done) => {
            log(book, tile, done.take_log());
            work.spent.read += done.read;
            work.spent.run += done.run;
            work.function_peak_memory = work.function_peak_memory.max(done.peak_memory());
            work.done += 1;
            let writing = Instant::now();
            let result = hand_in(book, tile, &done);
            work.spent.write += writing.elapsed();
            done.release();
            result
        }
    }
}

fn hand_in(book: &Book, tile: &Tile, done: &Done) -> Result<(), Failure> {
    let rasters = done.rasters().map_err(Failure::Sandbox)?;
    // There is no other worker that could have done it before.
    book.done(tile, rasters, done.state().map_err(Failure::Sandbox)?, &done.tally).map(|_first| ())
}

/// Passes on what the function said about a tile.
pub fn log(book: &Book, tile: &Tile, lines: Vec<LogLine>) {
    for line in lines {
        match line.level {
            LogLevel::Info => tracing::info!(target: "tilefn", "tile {}: {}", tile.index, line.text),
            LogLevel::Warning => book.warn(format!("the function says: {}", line.text)),
        }
    }
}

/// Ends the other threads when one leaves early, by error or panic: they may be waiting for its tile.
struct StopOnDrop<'a> {
    book: &'a Book,
    interrupt: &'a Interrupt,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.book.control().stop();
        self.interrupt.stop();
        self.book.wake();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
