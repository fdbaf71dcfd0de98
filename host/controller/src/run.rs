//! A whole run with threads; and the beginning and end of every run: opens the outputs, completes them, makes the report.

use super::changes;
use super::error::Error;
use super::events::Event;
use super::job_state::JobState;
use super::journal::Journal;
use super::ready_job::ReadyJob;
use super::reduce::Reducer;
use super::report::{GridReport, Report, Stages, Tiles, Usage, Worker};
use super::schedule::{Policy, Schedule};
use super::threads;
use super::work::Work;
use super::writer::Writer;
use sandbox::Interrupt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use worker::{Runner, Task};

/// How many tiles past the first unfinished one may be started: enough for thousands of workers of which one has a slow tile. An
/// accumulating function gets fewer, since the contributions of later tiles wait for the first unfinished one, in memory.
pub fn window(task: &Task) -> u64 {
    if task.reduce { 1 << 12 } else { 1 << 20 }
}

/// A job that is complete.
#[derive(Debug)]
pub struct Finished {
    /// What was done.
    pub report: Report,
    /// The journal, to be removed once the report is written. Until then another run with `--resume` makes the report again.
    pub journal: Option<Journal>,
}

/// A job that ended early.
#[derive(Debug)]
pub struct Unfinished {
    pub failure: Error,
    /// What was done until then, if it had begun.
    pub report: Option<Report>,
}

impl From<Error> for Box<Unfinished> {
    fn from(failure: Error) -> Self {
        Self::new(Unfinished { failure, report: None })
    }
}

/// How a run ended.
pub type RunResult = Result<Finished, Box<Unfinished>>;

/// Runs a job on threads of this process.
pub fn run(mut job: ReadyJob, interrupt: &Interrupt) -> RunResult {
    let started = Instant::now();
    let runner = Runner::new(job.plan.task.clone(), job.function.clone()).map_err(|e| match e {
        worker::Error::Function(e) => Error::Sandbox(e),
        e => Error::Panicked(e.to_string()),
    })?;
    // Threads don't get lost, so nothing is tried twice.
    let policy = Policy { max_attempts: 1, window: window(&job.plan.task), straggler: Duration::MAX };
    let job_state = begin(&mut job, policy)?;
    let result = threads::run(&job_state, &runner, interrupt, job.plan.threads);
    complete(&job, &job_state, result, None, started)
}

/// The state of a job at its start, or where the journal says that an earlier run stopped.
pub fn begin(job: &mut ReadyJob, policy: Policy) -> Result<Arc<JobState>, Error> {
    let (function, mut journal) = (job.function.clone(), job.journal.take());
    let ReadyJob { plan, control, .. } = job;
    let task = &plan.task;
    let names = task.outputs.iter().map(|o| o.name.clone());
    let writer = Writer::new(names.zip(plan.outputs.iter().cloned()), task.tiling);
    let count = task.tiling.count();
    let mut stays = Vec::new();
    if let Some(journal) = &mut journal {
        let outputs: Vec<Vec<_>> =
            plan.outputs.iter().map(|files| files.iter().map(|file| file.path.as_str()).collect()).collect();
        journal.check(count, &outputs, task.reduce)?;
        stays = journal.clear(&outputs);
    }
    let before = journal.as_ref().map(|j| j.progress().clone()).unwrap_or_default();
    writer.resume(&before.files, &before.done)?;
    control.tell(Event::Begun { tiles: count, resumed: &before.done });
    let reducer = task.reduce.then(|| Reducer::new(function, before.reduction.unwrap_or_default()));
    let tally = before.tally;
    let schedule = Schedule::new(count, before.done, policy);
    let (rows, cols) = task.tiling.tile_size();
    let job_state = Arc::new(JobState::new(writer, reducer, schedule, control.clone(), journal, [cols, rows]));
    for folder in stays {
        job_state.warn(format!(
            "an unfinished run has left {folder}, which is not of an output of this job; remove it if you don't need it"
        ));
    }
    job_state.tally().merge(&tally);
    job_state.begin().map_err(|failure| end_early(&job_state, failure))?;
    let begun = Arc::downgrade(&job_state);
    control.look_up_with(move || begun.upgrade().map(|job_state| job_state.unsettled()).unwrap_or_default());
    Ok(job_state)
}

/// Keeps the finished tiles if the same job may succeed another time, and removes them otherwise.
fn end_early(job_state: &JobState, failure: Error) -> Error {
    if !failure.may_pass() {
        job_state.give_up();
        return failure;
    }
    let named = job_state.named().into_iter().map(|file| file.path).collect();
    // After a panic the outputs may be half written, so only the last checkpoint counts.
    match job_state.suspend(matches!(failure, Error::Panicked(_))) {
        Some(done) => {
            Error::Suspended { cause: Box::new(failure), done, total: job_state.control().counts().total, named }
        }
        None => failure,
    }
}

/// Completes the outputs if all tiles are done (`result`), and reports. `aws` is what workers on AWS used, `started` when the run
/// began.
pub fn complete(
    job: &ReadyJob,
    job_state: &JobState,
    result: Result<(), Error>,
    aws: Option<Usage>,
    started: Instant,
) -> RunResult {
    let ReadyJob { plan, prepared, .. } = job;
    let finishing = Instant::now();
    let finished = result.and_then(|()| {
        job_state.control().tell(Event::Finishing);
        // Before the outputs are completed: a journal keeps the states if that fails.
        let result = job_state.reduced()?;
        Ok((result, job_state.publish()?))
    });
    let task = &plan.task;
    let changes = changes::warnings(task, &job_state.tally());
    let tally = job_state.control().tally();
    let (counts, work, warnings) = (tally.counts, tally.work(), tally.warnings());
    let still_here = if finished.is_ok() { "it did not say goodbye" } else { "the job ended early" };
    let workers = tally.left.iter().chain(tally.here.values()).map(|worker| Worker::of(worker, still_here)).collect();
    drop(tally);
    let Work { spent, function_peak_memory, bytes_in, .. } = work;
    let report = Report {
        tilefn: env!("CARGO_PKG_VERSION"),
        exit_code: 0,
        error: None,
        job: plan.job.clone(),
        grid: GridReport::new(&task.grid, task.tiling.tile_size(), task.halo),
        tiles: Tiles {
            total: task.tiling.count(),
            resumed: counts.resumed,
            done: counts.written(),
            skipped: counts.skipped,
            retried: job_state.unsettled().retried,
            failed: job_state.failed(),
        },
        wall_seconds: (*prepared + started.elapsed()).as_secs_f64(),
        seconds: Stages {
            prepare: prepared.as_secs_f64(),
            read: spent.read.as_secs_f64(),
            run: spent.run.as_secs_f64(),
            write: spent.write.as_secs_f64(),
            finish: finishing.elapsed().as_secs_f64(),
            wait: spent.wait.as_secs_f64(),
        },
        bytes_in,
        bytes_out: counts.bytes_out,
        peak_memory: worker::memory::peak(),
        function_peak_memory,
        workers,
        aws,
        outputs: job_state.named(),
        result: None,
        result_path: None,
        warnings: plan
            .warnings
            .iter()
            .map(|w| types::text::lines(w).into_owned())
            .chain(warnings)
            .chain(changes.clone())
            .collect(),
        changes,
    };
    match finished {
        Ok((result, outputs)) => {
            Ok(Finished { report: Report { outputs, result, ..report }, journal: job_state.take_journal() })
        }
        Err(failure) => {
            let failure = end_early(job_state, failure);
            let report = Report { exit_code: failure.exit_code(), error: Some(failure.to_string()), ..report };
            Err(Box::new(Unfinished { failure, report: Some(report) }))
        }
    }
}
