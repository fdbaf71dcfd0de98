//! Workers that are threads of this process: they skip the wire, so pixels stay in the memory where they were read.

use super::book::Book;
use super::failure::Failure;
use super::run::Totals;
use super::schedule::WorkerId;
use super::watch::Identity;
use grid::Tile;
use sandbox::{self, Interrupt, LogLine};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use worker::open_files;
use worker::{self, Done, FilePixels, Outcome, Runner};

/// Runs tiles on `threads` threads until all are done; the first failure stops them all. Returns what each has done, and that failure.
pub fn run(book: &Book, runner: &Runner, interrupt: &Interrupt, threads: usize) -> (Vec<Totals>, Result<(), Failure>) {
    let stack = runner.task().limits.thread_stack();
    let room = open_files::inputs_for_each(threads);
    let first = First::default();
    let joined = std::thread::scope(|scope| {
        let first = &first;
        let running: Vec<_> = (1..=u32::try_from(threads).unwrap_or(u32::MAX))
            .map(|n| {
                std::thread::Builder::new().name(format!("tile-{n}")).stack_size(stack).spawn_scoped(scope, move || {
                    let mut work = Totals::default();
                    let stop = StopOnDrop { book, interrupt, first };
                    let result = go_on(book, runner, room, WorkerId(n), threads as u64, &mut work);
                    match result {
                        Ok(()) => std::mem::forget(stop),
                        Err(failure) => first.note(failure),
                    }
                    work
                })
            })
            .collect();
        let join = |thread: std::io::Result<std::thread::ScopedJoinHandle<'_, Totals>>| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| {
                first.note(Failure::Panicked(panic_text(panic.as_ref())));
                Totals::default()
            }),
            Err(error) => {
                first.note(Failure::Thread(error));
                Totals::default()
            }
        };
        running.into_iter().map(join).collect()
    });
    (joined, first.0.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err))
}

/// The failure that ends the job. Those of threads that were stopped because of it, or find an output broken by it, must not hide it.
#[derive(Default)]
struct First(Mutex<Option<Failure>>);

impl First {
    fn note(&self, failure: Failure) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*first, None | Some(Failure::Interrupted)) {
            *first = Some(failure);
        }
    }

    /// Whether nothing has failed, and the job only ends early.
    fn is_orderly(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Some(Failure::Interrupted))
    }
}

fn go_on(
    book: &Book,
    runner: &Runner,
    room: usize,
    worker: WorkerId,
    threads: u64,
    work: &mut Totals,
) -> Result<(), Failure> {
    let mut pixels = FilePixels::new(runner.task().clone(), room);
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
            run_tile(book, runner, &tile, &mut pixels, work)?;
            if let Some(watch) = watch {
                watch.update(worker.0, *work);
            }
        }
    }
    if let Some(watch) = watch {
        watch.leave(worker.0, "finished");
    }
    Ok(())
}

fn run_tile(
    book: &Book,
    runner: &Runner,
    tile: &Tile,
    pixels: &mut FilePixels,
    work: &mut Totals,
) -> Result<(), Failure> {
    let outcome = runner.run(tile, pixels).map_err(|worker::Failed { error, log }| match error {
        worker::Error::Function(sandbox::Error::Interrupted { .. }) => Failure::Interrupted,
        source => Failure::Tile { tile: *tile, source, log: log.into_iter().map(|line| line.text).collect() },
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
        if line.warning {
            book.warn(format!("the function says: {}", line.text));
        } else {
            tracing::info!(target: "tilefn", "tile {}: {}", tile.index, line.text);
        }
    }
}

/// Ends the other threads when one leaves early, by error or panic: they may be waiting for its tile. When the job only ends early, they may
/// complete the tiles under way.
struct StopOnDrop<'a> {
    book: &'a Book,
    interrupt: &'a Interrupt,
    first: &'a First,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.book.control().stop();
        if !self.first.is_orderly() {
            self.interrupt.stop();
        }
        self.book.wake();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
