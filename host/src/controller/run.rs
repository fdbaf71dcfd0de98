//! A whole run: threads over all tiles, then the outputs' finish, then the report.

use super::book::Book;
use super::changes;
use super::control::Control;
use super::failure::Failure;
use super::journal::Journal;
use super::plan::Plan;
use super::reduce::Reducer;
use super::report::{GridReport, Report, Spent, Stages, Tiles, Worker};
use super::schedule::{Policy, Schedule};
use super::threads;
use super::writer::Writer;
use crate::sandbox::{Function, Interrupt};
use crate::worker::{self, Runner, Task};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tiles that may be started past the first unfinished one: enough for thousands of workers with one slow tile among
/// theirs; where tiles' contributions wait for it, few enough that these stay small.
pub fn window(task: &Task) -> u64 {
    if task.reduce { 1 << 12 } else { 1 << 20 }
}

/// What all workers did together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
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

impl Totals {
    /// Adds another worker's part.
    pub fn add(&mut self, other: Self) {
        self.done += other.done;
        self.skipped += other.skipped;
        self.spent.add(other.spent);
        self.function_peak_memory = self.function_peak_memory.max(other.function_peak_memory);
        self.bytes_in += other.bytes_in;
    }
}

/// Runs `plan` with `function`, which was compiled for it, on threads of this process.
///
/// `prepared` is how long opening, planning and compiling took, for the report.
pub fn run(
    plan: &Plan,
    function: Function,
    interrupt: &Interrupt,
    control: &Arc<Control>,
    journal: Option<Journal>,
    prepared: Duration,
) -> Result<Report, Failure> {
    let started = Instant::now();
    let runner = Runner::new(plan.task.clone(), function.clone()).map_err(|e| match e {
        worker::Error::Function(e) => Failure::Sandbox(e),
        e => Failure::Panicked(e.to_string()),
    })?;
    // Threads don't get lost, so nothing is tried twice.
    let policy = Policy { max_attempts: 1, window: window(&plan.task), straggler: Duration::MAX };
    let book = open_book(plan, function, policy, control, journal)?;
    let works = threads::run(&book, &runner, interrupt, plan.threads).map_err(|failure| end_early(&book, failure))?;
    let seconds = started.elapsed().as_secs_f64();
    let mut totals = Totals::default();
    works.iter().for_each(|work| totals.add(*work));
    let workers = works.iter().zip(1..).map(|(work, id)| Worker {
        id,
        kind: "thread".into(),
        host: String::new(),
        tiles: work.done + work.skipped,
        seconds,
        left: "finished".into(),
    });
    complete(plan, &book, totals, workers.collect(), prepared, started)
}

/// The book of a job at its start, or where the journal says that an earlier run stopped.
pub fn open_book(
    plan: &Plan,
    function: Function,
    policy: Policy,
    control: &Arc<Control>,
    journal: Option<Journal>,
) -> Result<Arc<Book>, Failure> {
    let task = &plan.task;
    let names = task.outputs.iter().map(|o| o.name.clone());
    let writer = Writer::new(names.zip(plan.outputs.iter().cloned()), task.tiling);
    let before = journal.as_ref().map(|j| j.progress().clone()).unwrap_or_default();
    writer.resume(&before.files, &before.done, before.publishing)?;
    let count = task.tiling.count();
    control.start(count, before.done.len());
    if let Some(watch) = control.watch() {
        watch.resume(&before.done);
    }
    let reducer = task.reduce.then(|| Reducer::new(function, before.reduction.unwrap_or_default()));
    let tally = before.tally;
    let schedule = Schedule::new(count, before.done, policy);
    let (rows, cols) = task.tiling.tile_size();
    let book = Arc::new(Book::new(writer, reducer, schedule, control.clone(), journal, [cols, rows]));
    book.tally().merge(&tally);
    book.begin().map_err(|failure| end_early(&book, failure))?;
    if let Some(watch) = control.watch() {
        watch.begin(&book);
    }
    Ok(book)
}

/// What is done is kept when the same job may go well another time, and removed otherwise.
pub fn end_early(book: &Book, failure: Failure) -> Failure {
    if failure.may_pass()
        && let Some(done) = book.suspend()
    {
        return Failure::Suspended { cause: Box::new(failure), done, total: book.control().progress().total };
    }
    book.close_journal();
    failure
}

/// Completes the outputs of a job whose tiles are all done, and reports.
pub fn complete(
    plan: &Plan,
    book: &Book,
    totals: Totals,
    workers: Vec<Worker>,
    prepared: Duration,
    started: Instant,
) -> Result<Report, Failure> {
    let task = &plan.task;
    let finishing = Instant::now();
    if let Some(watch) = book.control().watch() {
        watch.finishing();
    }
    let result = book.reduced()?;
    let outputs = book.publish()?;
    let changes = changes::warnings(task, &book.tally());
    let Totals { done, skipped, spent, function_peak_memory, bytes_in } = totals;
    Ok(Report {
        tilefn: env!("CARGO_PKG_VERSION"),
        job: plan.job.clone(),
        grid: GridReport::new(&task.grid, task.tiling.tile_size(), task.halo),
        tiles: Tiles {
            total: task.tiling.count(),
            resumed: task.tiling.count() - done - skipped,
            done,
            skipped,
            retried: book.retried(),
            failed: book.failed(),
        },
        wall_seconds: (prepared + started.elapsed()).as_secs_f64(),
        seconds: Stages {
            prepare: prepared.as_secs_f64(),
            read: spent.read.as_secs_f64(),
            run: spent.run.as_secs_f64(),
            write: spent.write.as_secs_f64(),
            finish: finishing.elapsed().as_secs_f64(),
            wait: spent.wait.as_secs_f64(),
        },
        bytes_in,
        bytes_out: book.control().progress().bytes_out,
        peak_memory: crate::memory::peak(),
        function_peak_memory,
        workers,
        aws: None,
        outputs,
        result,
        warnings: plan.warnings.iter().chain(&book.warnings()).chain(&changes).cloned().collect(),
        changes,
    })
}
