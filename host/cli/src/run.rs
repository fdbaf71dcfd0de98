//! `tilefn run` and `tilefn submit`: one job, with workers here or elsewhere.

use super::console::Console;
use super::fatal::Fatal;
use super::launcher::{self, Launched, Launcher};
use super::prepare::{self, Prepared, RunArguments};
use super::reduced_table::{self, Unwritten};
use super::{detach, each, fleets, progress, report, signals, table_job, worker_kinds};
use clap::Args;
use controller::{Control, Finished, Journal, Plan, ReadyJob, Report, Unfinished};
use dashboard::{Bound, Dashboard, JobView, Picture, Status};
use job::Loaded;
use job::spec::Workers;
use sandbox::Interrupt;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct SubmitArguments {
    #[command(flatten)]
    run: RunArguments,
    #[command(flatten)]
    detached: detach::Detached,
}

#[derive(Debug, Args)]
pub struct LocalArguments {
    #[command(flatten)]
    run: RunArguments,
    /// Run the job once for each file that a pattern matches, e.g. 'scenes/*.tif'; {path} and {stem} in the job file's texts and in --report's stand for it
    #[arg(long, value_name = "PATTERN")]
    each: Option<String>,
}

/// Runs the job on this machine, or once for each scene.
pub fn run(arguments: &LocalArguments, console: &Console) -> Result<(), Fatal> {
    match &arguments.each {
        None => run_here(&arguments.run, console),
        Some(pattern) => each::run_each(&arguments.run, pattern, console),
    }
}

/// Runs one job on this machine.
pub fn run_here(arguments: &RunArguments, console: &Console) -> Result<(), Fatal> {
    let launchers: Vec<_> = worker_kinds::all().filter(|launcher| launcher.run).collect();
    let loaded = prepare::load(&arguments.job);
    match &loaded {
        Ok(loaded) if loaded.spec.table.is_some() => table_job::run_table(arguments, loaded, console),
        _ => start(arguments, || loaded, console, &launchers, "run", None),
    }
}

/// Runs a job that a command has made, as if it were one of a file.
pub fn run_made(
    arguments: &RunArguments,
    load: impl FnOnce() -> Result<Loaded, Fatal>,
    console: &Console,
) -> Result<(), Fatal> {
    let launchers: Vec<_> = worker_kinds::all().filter(|launcher| launcher.run).collect();
    start(arguments, load, console, &launchers, "run", None)
}

/// Runs the job with workers in other processes.
pub fn submit(arguments: &SubmitArguments, console: &Console) -> Result<(), Fatal> {
    let launchers: Vec<_> = worker_kinds::all().filter(|launcher| launcher.submit).collect();
    let load = || prepare::load(&arguments.run.job);
    let start = |id: Option<&str>| start(&arguments.run, load, console, &launchers, "submit", id);
    arguments.detached.submit(&arguments.run, start, console)
}

/// Runs the job with one of these kinds of workers, under the id that it was given, if any.
fn start(
    arguments: &RunArguments,
    load: impl FnOnce() -> Result<Loaded, Fatal>,
    console: &Console,
    launchers: &[&Launcher],
    command: &str,
    id: Option<&str>,
) -> Result<(), Fatal> {
    let started = Instant::now();
    if let Some(path) = arguments.report.as_deref().filter(|_| !arguments.dry_run) {
        report::check_place(path)?;
    }
    match attempt(
        arguments,
        load,
        console,
        &Way { launchers, command, id, held: None, describe: &report::described },
        started,
    ) {
        Ok(Ended::Planned(_)) => Ok(()),
        Ok(Ended::Finished(finished)) => {
            let Finished { report, journal } = *finished;
            let written = arguments.report.as_deref().map_or(Ok(()), |path| report::write(path, &report));
            report.changes.iter().for_each(|change| console.warn(change));
            console.result(&report::text(&report), "report", || json!({ "report": report }));
            if let Err(e) = written {
                let again = if journal.is_some() { "; --resume writes it again" } else { "" };
                return Err(Fatal::failed(format!("the job is done, but its report can't be written to {e}{again}")));
            }
            journal.into_iter().for_each(Journal::remove);
            Ok(())
        }
        Err(stopped) => {
            let Stopped { fatal, report } = *stopped;
            // A place that the plan has refused, since it is something else of the job's, is left as it is.
            let refused = ["--report: ", " is the report as well"].iter().any(|said| fatal.text.contains(said));
            if let Some(path) = arguments.report.as_deref().filter(|_| !arguments.dry_run && !refused) {
                let written = match &report {
                    Some(report) => report::write(path, report),
                    None => report::write(path, &report::early(&arguments.job.job, &fatal, started.elapsed())),
                };
                if let Err(e) = written {
                    console.warn(&format!("the report can't be written to {e}"));
                }
            }
            Err(fatal)
        }
    }
}

/// Runs a job that a command has made, on this machine, and returns its report. `describe`: its plan.
pub fn made(
    arguments: &RunArguments,
    load: impl FnOnce() -> Result<Loaded, Fatal>,
    console: &Console,
    describe: &Describe<'_>,
) -> Result<Option<Report>, Fatal> {
    let launchers: Vec<_> = worker_kinds::all().filter(|launcher| launcher.run).collect();
    let way = Way { launchers: &launchers, command: "run", id: None, held: None, describe };
    match attempt(arguments, load, console, &way, Instant::now()) {
        Ok(Ended::Planned(_)) => Ok(None),
        Ok(Ended::Finished(finished)) => {
            finished.report.changes.iter().for_each(|change| console.warn(change));
            Ok(Some(finished.report))
        }
        Err(stopped) => Err(stopped.fatal),
    }
}

/// How a command ended well.
enum Ended {
    /// It was only to say what would be done: the plan, for programs.
    Planned(serde_json::Value),
    /// The job is complete.
    Finished(Box<Finished>),
}

/// How it ended otherwise.
struct Stopped {
    fatal: Fatal,
    report: Option<Report>,
}

impl From<Fatal> for Box<Stopped> {
    fn from(fatal: Fatal) -> Self {
        Self::new(Stopped { fatal, report: None })
    }
}

/// In which way a job runs.
struct Way<'a> {
    /// The kinds of workers that it may have.
    launchers: &'a [&'a Launcher],
    /// The command, for messages.
    command: &'a str,
    /// The id that it was given, if any.
    id: Option<&'a str>,
    /// Another program's hold on it; none where the process is there for this job, and signals stop it.
    held: Option<&'a Held>,
    /// Says what would be done.
    describe: &'a Describe<'a>,
}

/// A plan for people and for programs; in full, if that is all that is wanted.
type Describe<'a> = dyn Fn(&Plan, &Workers, bool) -> (String, serde_json::Value) + 'a;

/// A program's hold on a job that it runs.
#[derive(Default)]
pub struct Held {
    /// Stops the job, and has its numbers.
    pub control: Arc<Control>,
    /// Stops the functions under way, too; there as soon as they can begin.
    pub interrupt: OnceLock<Interrupt>,
    /// Whether a picture of the first output is wanted while it fills in.
    pub draws: bool,
    /// The picture, there as soon as tiles can come.
    pub picture: OnceLock<Arc<Picture>>,
}

/// Runs a job for a program. Returns its report, or its plan if it was only asked for that; with an error comes the report, if there is one.
pub fn held(
    arguments: &RunArguments,
    load: impl FnOnce() -> Result<Loaded, Fatal>,
    console: &Console,
    held: &Held,
) -> Result<serde_json::Value, (Fatal, Option<Report>)> {
    let launchers: Vec<_> = worker_kinds::all().collect();
    let way = Way { launchers: &launchers, command: "run", id: None, held: Some(held), describe: &report::described };
    match attempt(arguments, load, console, &way, Instant::now()) {
        Ok(Ended::Planned(plan)) => Ok(plan),
        Ok(Ended::Finished(finished)) => {
            finished.journal.into_iter().for_each(Journal::remove);
            serde_json::to_value(&finished.report).map_err(|e| (Fatal::failed(e), None))
        }
        Err(stopped) => Err((stopped.fatal, stopped.report)),
    }
}

fn attempt(
    arguments: &RunArguments,
    load: impl FnOnce() -> Result<Loaded, Fatal>,
    console: &Console,
    way: &Way<'_>,
    started: Instant,
) -> Result<Ended, Box<Stopped>> {
    let Way { launchers, command, id, held, describe } = *way;
    let control = held.map_or_else(Arc::default, |held| held.control.clone());
    // A container's first process can't be ended by a signal that it doesn't catch.
    let early = id.map(|_| signals::Catcher::early(control.clone())).transpose()?;
    // Bound before anything begins, so that a wrong address leaves nothing behind.
    let dashboard = arguments.dashboard.as_deref().filter(|_| !arguments.dry_run).map(bind).transpose()?;
    let loaded = load()?;
    let kind = loaded.spec.workers.kind;
    let Some(launcher) = launchers.iter().find(|launcher| launcher.kind == kind) else {
        let kinds: Vec<_> = launchers.iter().map(|launcher| launcher.kind.name()).collect();
        let other = worker_kinds::all().find(|launcher| launcher.kind == kind);
        let other = match other {
            Some(Launcher { run: true, .. }) => format!(", tilefn run with {}", kind.name()),
            Some(Launcher { submit: true, .. }) => format!(", tilefn submit with {}", kind.name()),
            _ => String::new(),
        };
        return Err(Fatal::usage(format!(
            "workers.kind is {:?}; tilefn {command} works with {}{other}",
            kind.name(),
            kinds.join(" or ")
        ))
        .into());
    };
    let launch = (!arguments.dry_run).then(|| (launcher.begin)(&loaded.spec.workers)).transpose()?;
    let report = arguments.report.as_deref();
    let prepared = prepare::prepare(&arguments.job, loaded, console, !arguments.dry_run, report)?;
    let (text, json) = describe(&prepared.plan, &prepared.loaded.spec.workers, arguments.dry_run);
    let Some(launch) = launch else {
        console.result(&text, "plan", || json.clone());
        return Ok(Ended::Planned(json));
    };
    console.say(&text, "plan", || json);
    let dashboard =
        dashboard.map(|bound| show(bound, &prepared.plan, &control, started.elapsed(), console)).transpose()?;
    let catcher = match held {
        None => Some(signals::Catcher::new(control.clone(), prepared.sandbox.interrupt())?),
        Some(held) => {
            let _first = held.interrupt.set(prepared.sandbox.interrupt());
            if let Some(picture) = held.draws.then(|| Picture::of(&prepared.plan)).flatten().map(Arc::new) {
                control.observe(picture.clone());
                let _first = held.picture.set(picture);
            }
            None
        }
    };
    drop(early);
    let workers = prepared.loaded.spec.workers.clone();
    let given = id;
    let id = given.map_or_else(|| job_id(&workers, &prepared.plan), str::to_owned);
    let _upload =
        given.map(|id| detach::ProgressUpload::start(workers.clone(), id.to_owned(), control.clone())).transpose()?;
    let Prepared { module, sandbox, function, plan, journal, .. } = prepared;
    let reduced = plan.reduced.clone();
    let job = ReadyJob { plan, module, function, control: control.clone(), journal, prepared: started.elapsed() };
    let launched = Launched { job, workers: &workers, id: id.clone(), interrupt: sandbox.interrupt(), console };
    let result = progress::show(console, &control, || launch(launched));
    drop(catcher);
    drop(dashboard);
    let finished = with_table(result?.map_err(stopped)?, reduced.as_deref())?;
    fleets::keep(&workers, &id, &finished.report, console);
    Ok(Ended::Finished(Box::new(finished)))
}

/// Writes the result's table, if the job wants one. If it can't be written, the journal stays for `--resume`; a result that is no table is
/// the same another time.
fn with_table(mut finished: Finished, path: Option<&str>) -> Result<Finished, Box<Stopped>> {
    let Some(path) = path else { return Ok(finished) };
    let (mut fatal, is_shape) =
        match reduced_table::write(finished.report.result.as_ref().unwrap_or(&Value::Null), path) {
            Ok(()) => {
                finished.report.result_path = Some(path.to_owned());
                return Ok(finished);
            }
            Err(Unwritten::Shape(fatal)) => (fatal, true),
            Err(Unwritten::File(fatal)) => (fatal, false),
        };
    match finished.journal.take() {
        Some(journal) if is_shape => journal.remove(),
        Some(_) => fatal.text.push_str("; --resume writes it again"),
        None => {}
    }
    let report = Report { exit_code: fatal.code, error: Some(fatal.text.clone()), ..finished.report };
    Err(Box::new(Stopped { fatal, report: Some(report) }))
}

/// The job's id, by which its workers and all that is made for them are marked.
fn job_id(workers: &Workers, plan: &Plan) -> String {
    fleets::job_id(workers, &plan.job.function).unwrap_or_else(|| {
        let sha256 = &plan.job.sha256;
        format!("{}-{}", sha256.get(..8).unwrap_or(sha256), std::process::id())
    })
}

fn bind(address: &str) -> Result<Bound, Fatal> {
    Bound::new(address).map_err(|e| {
        // The option has the environment's value where it isn't given; a user who gives none doesn't look for it there.
        let given = std::env::args().any(|argument| argument.starts_with("--dashboard"));
        let place = if given { "--dashboard" } else { prepare::DASHBOARD };
        Fatal::usage(format!("{place} {address}: {e}"))
    })
}

/// Serves the dashboard from now on, and says where.
fn show(
    bound: Bound,
    plan: &Plan,
    control: &Arc<Control>,
    prepared: Duration,
    console: &Console,
) -> Result<Dashboard, Fatal> {
    let url = bound.url();
    if bound.is_open() {
        console.warn(&format!("whoever can reach {url} can see this job's dashboard, which asks for no password"));
    }
    let view = Arc::new(JobView::new(plan, prepared));
    control.observe(view.clone());
    let picture = Picture::of(plan).map(Arc::new);
    picture.iter().for_each(|picture| control.observe(picture.clone()));
    let (control, shown) = (control.clone(), picture.clone());
    let dashboard = bound
        .serve(move || Status::of(&view, &control, shown.as_deref()), picture)
        .map_err(|e| Fatal::failed(format!("the dashboard: {e}")))?;
    console.say(&format!("dashboard at {url}"), "dashboard", || json!({ "url": url }));
    Ok(dashboard)
}

fn stopped(unfinished: Box<Unfinished>) -> Box<Stopped> {
    let Unfinished { failure, report } = *unfinished;
    Box::new(Stopped { fatal: launcher::fatal(&failure), report })
}
