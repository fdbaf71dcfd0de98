//! The kinds of workers: threads and processes of this machine, those that somebody else starts, and fleets elsewhere.

use super::fatal::Fatal;
use super::fleets;
use super::launcher::{self, Launch, Launched, Launcher, fatal};
use super::threads::default_threads;
use controller::remote::{self, Recruited};
use controller::{External, Processes, RunResult};
use job::spec::Workers;
use serde_json::json;
use types::WorkerKind;

const THREADS: Launcher =
    Launcher { kind: WorkerKind::Threads, run: true, submit: false, begin: |_| Ok(Box::new(run_threads)) };
const PROCESSES: Launcher = Launcher { kind: WorkerKind::Processes, run: true, submit: true, begin: start_processes };
const EXTERNAL: Launcher =
    Launcher { kind: WorkerKind::External, run: false, submit: true, begin: |_| Ok(Box::new(run_external)) };

/// `KIND` or `KIND:COUNT`, as the user gives it. Whether there is such a kind, the job's reader says.
pub fn argument(text: &str) -> Result<String, String> {
    let (kind, count) = text.split_once(':').map_or((text, None), |(kind, count)| (kind, Some(count)));
    if kind.parse::<u64>().is_ok() {
        return Err(format!("who is to run the tiles? threads:{kind} or processes:{kind}"));
    }
    match count {
        Some(count) if count.parse::<u32>().is_err() => {
            Err(format!("{count:?} is no number of workers: {kind}:4, for example"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// All kinds of workers that this program can run jobs with.
pub fn all() -> impl Iterator<Item = &'static Launcher> {
    [&THREADS, &PROCESSES, &EXTERNAL].into_iter().chain(fleets::LAUNCHERS)
}

fn run_threads(launched: Launched<'_>) -> Result<RunResult, Fatal> {
    Ok(controller::run(launched.job, &launched.interrupt))
}

/// Starts the job's worker processes.
fn start_processes(workers: &Workers) -> Result<Launch, Fatal> {
    let program = launcher::program()?;
    let (count, threads) = (workers.count.map_or_else(default_threads, Ok)?, workers.threads.unwrap_or(1));
    let started = Processes::start(program, count, threads, workers.start_timeout.duration());
    let processes = started.map_err(|e| fatal(&controller::Error::Fleet(e)))?;
    Ok(Box::new(move |launched| {
        let options = launched.options();
        Ok(remote::run_here(launched.job, processes, &options))
    }))
}

fn run_external(launched: Launched<'_>) -> Result<RunResult, Fatal> {
    let ticket = launched.workers.ticket.clone().unwrap_or_else(|| "tilefn-ticket.json".into());
    launched.console.say(
        &format!("waiting for workers; start them, as many as you like, where this file can be read:\n  tilefn worker --ticket {ticket}"),
        "waiting",
        || json!({ "ticket": ticket }),
    );
    let fleet = External::new(ticket.into());
    let (options, address) = (launched.options(), launched.address()?);
    let recruit = async |_: &[u8]| Ok(Recruited { fleet, module_url: None });
    Ok(remote::run(launched.job, recruit, &options, &address))
}
