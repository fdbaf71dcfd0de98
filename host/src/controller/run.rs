//! A whole run on this machine: threads over all tiles, then the outputs' finish, then the report.

use super::book::Book;
use super::control::Control;
use super::failure::Failure;
use super::plan::Plan;
use super::ranges::Ranges;
use super::reduce::Reducer;
use super::report::{GridReport, Report, Spent, Stages, Tiles, Worker, peak_memory};
use super::schedule::{Policy, Schedule};
use super::threads::{self, Work};
use super::writer::{WriteError, Writer};
use crate::sandbox::{Function, Interrupt};
use crate::worker::Runner;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tiles that may be started past the first unfinished one: enough that one slow tile holds nobody up for long, few
/// enough that the contributions waiting for it stay small.
const WINDOW: u64 = 4096;

/// Runs `plan` with `function`, which was compiled for it, on the plan's threads.
///
/// `prepared` is how long opening, planning and compiling took, for the report.
pub fn run(plan: &Plan, function: Function, interrupt: &Interrupt, control: &Arc<Control>, prepared: Duration) -> Result<Report, Failure> {
    let started = Instant::now();
    let task = &plan.task;
    let runner = Runner::new(task.clone(), function.clone()).map_err(|e| match e {
        crate::worker::Error::Function(e) => Failure::Sandbox(e),
        e => Failure::Panicked(e.to_string()),
    })?;
    let names = task.outputs.iter().map(|o| o.name.clone());
    let writer = Writer::new(names.zip(plan.outputs.iter().cloned()), task.tiling);
    // Threads don't get lost, so nothing is tried twice.
    let policy = Policy { max_attempts: 1, window: WINDOW, straggler: Duration::MAX };
    let count = task.tiling.count();
    control.start(count);
    let reducer = task.reduce.then(|| Reducer::new(function));
    let book = Book::new(writer, reducer, Schedule::new(count, Ranges::default(), policy), control.clone());
    let works = threads::run(&book, &runner, interrupt, plan.threads)?;
    let tiles_seconds = started.elapsed().as_secs_f64();
    let finishing = Instant::now();
    let result = book.reduced()?;
    let outputs = book.writer().finish(&mut || !control.stopped()).map_err(|e| match e {
        WriteError::Raster { source: crate::raster::Error::Stopped { .. }, .. } => Failure::Interrupted,
        e => Failure::Write(e),
    })?;
    let finish = finishing.elapsed().as_secs_f64();
    let mut spent = Spent::default();
    works.iter().for_each(|w| spent.add(w.spent));
    let total = |f: fn(&Work) -> u64| works.iter().map(f).sum::<u64>();
    Ok(Report {
        tilefn: env!("CARGO_PKG_VERSION"),
        job: plan.job.clone(),
        grid: GridReport::new(&task.grid, task.tiling.tile_size(), task.halo),
        tiles: Tiles { total: count, done: total(|w| w.done), skipped: total(|w| w.skipped), ..Tiles::default() },
        wall_seconds: (prepared + started.elapsed()).as_secs_f64(),
        seconds: Stages {
            prepare: prepared.as_secs_f64(),
            read: spent.read.as_secs_f64(),
            run: spent.run.as_secs_f64(),
            write: spent.write.as_secs_f64(),
            finish,
            wait: spent.wait.as_secs_f64(),
        },
        bytes_in: total(|w| w.bytes_in),
        bytes_out: control.progress().bytes_out,
        peak_memory: peak_memory(),
        function_peak_memory: works.iter().map(|w| w.function_peak_memory).max().unwrap_or(0),
        workers: works
            .iter()
            .zip(1..)
            .map(|(w, id)| Worker {
                id,
                kind: "thread".into(),
                host: String::new(),
                tiles: w.done + w.skipped,
                seconds: tiles_seconds,
                left: "finished".into(),
            })
            .collect(),
        outputs,
        result,
        warnings: plan.warnings.iter().cloned().chain(book.warnings()).collect(),
    })
}
