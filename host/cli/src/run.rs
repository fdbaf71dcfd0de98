//! `tilefn run` and `tilefn submit`: one job, with workers here or elsewhere.

use super::console::Console;
use super::fatal::Fatal;
use super::prepare::{self, JobArguments, Prepared};
use super::threads::cores;
use super::{fleets, progress, report, signals};
use clap::Args;
use controller::remote::{self, Address, Recruited};
use controller::{self, Control, External, Finished, Journal, Plan, Processes, Report, Unfinished};
use dashboard::{Bound, Dashboard, JobView, Status};
use job::Loaded;
use job::spec::{Reads, WorkerKind, Workers};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub job: JobArguments,
    /// Print what would be done: grid, tiles, types, memory; run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the run's report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Show the run on a page at this port of 127.0.0.1, or at this address and port; there also are /status.json and /metrics
    #[arg(long, value_name = "[HOST:]PORT")]
    dashboard: Option<String>,
}

#[derive(Debug, Args)]
pub struct SubmitArguments {
    #[command(flatten)]
    run: Arguments,
    #[command(flatten)]
    detached: fleets::Detached,
}

/// Runs the job on this machine.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    start(arguments, console, &[WorkerKind::Threads, WorkerKind::Processes], "run", None)
}

/// Runs the job with workers in other processes.
pub fn submit(arguments: &SubmitArguments, console: &Console) -> Result<(), Fatal> {
    let kinds = [&[WorkerKind::Processes, WorkerKind::External], fleets::KINDS].concat();
    let start = |id: Option<&str>| start(&arguments.run, console, &kinds, "submit", id);
    arguments.detached.submit(&arguments.run, start, console)
}

/// Runs the job with workers of one of these kinds, under the id that it was given, if any.
fn start(
    arguments: &Arguments,
    console: &Console,
    kinds: &[WorkerKind],
    command: &str,
    id: Option<&str>,
) -> Result<(), Fatal> {
    let started = Instant::now();
    if let Some(path) = arguments.report.as_deref().filter(|_| !arguments.dry_run) {
        report::check_place(path)?;
    }
    match attempt(arguments, console, kinds, command, id, started) {
        Ok(Ended::Planned) => Ok(()),
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

/// How a command ended well.
enum Ended {
    /// It was only to say what would be done.
    Planned,
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

fn attempt(
    arguments: &Arguments,
    console: &Console,
    kinds: &[WorkerKind],
    command: &str,
    id: Option<&str>,
    started: Instant,
) -> Result<Ended, Box<Stopped>> {
    let control = Arc::new(Control::default());
    // A container's first process can't be ended by a signal that it doesn't catch.
    let early = id.map(|_| signals::Catcher::early(control.clone())).transpose()?;
    // Before anything is begun: a wrong address is no reason to leave something behind.
    let dashboard = arguments.dashboard.as_deref().filter(|_| !arguments.dry_run).map(bind).transpose()?;
    let loaded = prepare::load(&arguments.job)?;
    let kind = loaded.spec.workers.kind;
    if !kinds.contains(&kind) {
        let kinds: Vec<_> = kinds.iter().map(|k| k.name()).collect();
        return Err(Fatal::usage(format!(
            "workers.kind is {:?}; tilefn {command} works with {}",
            kind.name(),
            kinds.join(" or ")
        ))
        .into());
    }
    // They load while the job is planned.
    let starts = kind == WorkerKind::Processes && !arguments.dry_run;
    let processes = starts.then(|| start_processes(&loaded)).transpose()?;
    let report = arguments.report.as_deref();
    let prepared = prepare::prepare(&arguments.job, loaded, console, !arguments.dry_run, report)?;
    let (text, json) = described(&prepared);
    if arguments.dry_run {
        console.result(&text, "plan", || json);
        return Ok(Ended::Planned);
    }
    console.say(&text, "plan", || json);
    let dashboard =
        dashboard.map(|bound| show(bound, &prepared.plan, &control, started.elapsed(), console)).transpose()?;
    let catcher = signals::Catcher::new(control.clone(), prepared.sandbox.interrupt())?;
    drop(early);
    let workers = prepared.loaded.spec.workers.clone();
    let given = id;
    let id = given.map_or_else(|| job_id(&workers, &prepared.plan), str::to_owned);
    let _upload =
        given.map(|id| fleets::ProgressUpload::start(workers.clone(), id.to_owned(), control.clone())).transpose()?;
    let took = started.elapsed();
    let result = progress::show(console, &control, || work(prepared, processes, id.clone(), &control, took, console));
    drop(catcher);
    drop(dashboard);
    let finished = result?;
    fleets::keep(&workers, &id, &finished.report, console);
    Ok(Ended::Finished(Box::new(finished)))
}

/// The plan for people and for programs, with what its workers will cost.
pub fn described(prepared: &Prepared) -> (String, serde_json::Value) {
    let (mut text, mut json) = (report::plan_text(&prepared.plan), report::plan_json(&prepared.plan));
    let workers = &prepared.loaded.spec.workers;
    if workers.ecs().is_none() {
        return (text, json);
    }
    match fleets::estimate(workers) {
        Some((estimate, detail)) => {
            text.push_str(&format!("\n  {estimate}"));
            if let Some(plan) = json.as_object_mut() {
                plan.insert("workers_cost".to_owned(), detail);
            }
        }
        None => text.push_str("\n  what the workers cost is not known; set hourly_price in the section of their kind"),
    }
    (text, json)
}

/// The job's id, by which its workers and all that is made for them are marked.
fn job_id(workers: &Workers, plan: &Plan) -> String {
    fleets::job_id(workers, &plan.job.function).unwrap_or_else(|| {
        let sha256 = &plan.job.sha256;
        format!("{}-{}", sha256.get(..8).unwrap_or(sha256), std::process::id())
    })
}

fn bind(address: &str) -> Result<Bound, Fatal> {
    Bound::new(address).map_err(|e| Fatal::usage(format!("--dashboard {address}: {e}")))
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
    let control = control.clone();
    let dashboard =
        bound.serve(move || Status::of(&view, &control)).map_err(|e| Fatal::failed(format!("the dashboard: {e}")))?;
    console.say(&format!("dashboard at {url}"), "dashboard", || json!({ "url": url }));
    Ok(dashboard)
}

/// Starts the job's worker processes.
fn start_processes(loaded: &Loaded) -> Result<Processes, Fatal> {
    let workers = &loaded.spec.workers;
    let program = std::env::current_exe().map_err(|e| Fatal::failed(format!("can't find this program: {e}")))?;
    let (count, threads) = (workers.count.unwrap_or_else(cores), workers.threads.unwrap_or(1));
    let started = Processes::start(program, count, threads, workers.start_timeout.duration());
    started.map_err(|e| failed(&controller::Error::Fleet(e)))
}

fn work(
    prepared: Prepared,
    processes: Option<Processes>,
    id: String,
    control: &Arc<Control>,
    took: Duration,
    console: &Console,
) -> Result<Finished, Box<Stopped>> {
    let Prepared { loaded, module, sandbox, function, plan, journal } = prepared;
    let workers = &loaded.spec.workers;
    let options = remote::Options {
        controller_reads: workers.reads == Reads::Controller,
        max_attempts: workers.max_attempts,
        heartbeat: workers.heartbeat.duration(),
    };
    if let Some(processes) = processes {
        let result = remote::run_here(&plan, module, function, processes, &options, control, journal, took);
        return result.map_err(stopped);
    }
    let result = match workers.kind {
        WorkerKind::Threads => controller::run(&plan, function, &sandbox.interrupt(), control, journal, took),
        WorkerKind::Fargate | WorkerKind::Ec2 => {
            let address = address(workers, id)?;
            let job = fleets::Job { plan: &plan, module, function, control, journal, took };
            fleets::run(job, workers, &(options, address))
        }
        WorkerKind::External | WorkerKind::Processes => {
            let ticket = workers.ticket.clone().unwrap_or_else(|| "tilefn-ticket.json".into());
            console.say(
                &format!("waiting for workers; start them, as many as you like, where this file can be read:\n  tilefn worker --ticket {ticket}"),
                "waiting",
                || json!({ "ticket": ticket }),
            );
            let fleet = External::new(ticket.into());
            let options = (options, address(workers, id)?);
            let recruit = async |_: &[u8]| Ok(Recruited { fleet, module_url: None });
            remote::run(&plan, module, function, recruit, &options, control, journal, took)
        }
    };
    result.map_err(stopped)
}

fn stopped(unfinished: Box<Unfinished>) -> Box<Stopped> {
    let Unfinished { failure, report } = *unfinished;
    Box::new(Stopped { fatal: failed(&failure), report })
}

fn failed(failure: &controller::Error) -> Fatal {
    Fatal { code: failure.exit_code(), text: failure.to_string(), detail: None }
}

/// Where workers elsewhere find the controller.
fn address(workers: &Workers, job: String) -> Result<Address, Fatal> {
    let listen = workers.listen.as_deref().unwrap_or("0.0.0.0:0");
    let listen = listen
        .parse()
        .map_err(|e| Fatal::usage(format!("workers.listen: {listen:?} is not an address and port: {e}")))?;
    Ok(Address { listen, advertise: workers.advertise.iter().cloned().collect(), job })
}
