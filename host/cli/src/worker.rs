//! `tilefn worker`: the generic worker, which knows no job until its controller sends one.

use super::fatal::Fatal;
use super::metadata::task_arn;
use super::s3;
use super::threads::{check_threads, default_threads, spawn};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sandbox::user_cache_dir;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use types::{WorkerKind, exit};
use wire::{About, Socket, Ticket};
use worker::remote::{self, Controller, Settings};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The ticket that the controller wrote: a file, s3://bucket/key, or - for standard input
    #[arg(long, value_name = "FILE", env = "TILEFN_TICKET", required_unless_present = "connected")]
    ticket: Option<String>,
    /// Tiles to run at the same time; default: TILEFN_THREADS, or one for each processor
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// What started this worker, for the report
    #[arg(long, value_parser = kind_parser(), default_value = "external", hide = true)]
    kind: WorkerKind,
    /// Standard input is a connection with the controller, which has started this process
    #[arg(long, hide = true)]
    connected: bool,
}

/// Reads the kinds of workers that are started with a ticket.
fn kind_parser() -> impl TypedValueParser<Value = WorkerKind> {
    const KINDS: [WorkerKind; 3] = [WorkerKind::External, WorkerKind::Fargate, WorkerKind::Ec2];
    PossibleValuesParser::new(KINDS.map(WorkerKind::name))
        .map(|name| KINDS.into_iter().find(|kind| kind.name() == name).unwrap_or(WorkerKind::External))
}

/// Works until the job is done, or SIGTERM says to leave.
pub fn worker(arguments: &Arguments) -> Result<(), Fatal> {
    let kind = if arguments.connected { WorkerKind::Processes } else { arguments.kind };
    let threads = arguments.threads.map_or_else(default_threads, Ok)?;
    work(kind, threads, || match arguments.ticket.as_deref() {
        _ if arguments.connected => match Socket::inherited(std::io::stdin().as_fd()) {
            Ok(socket) => Ok(Controller::Parent(socket)),
            Err(e) => Err(Fatal::usage(format!(
                "--connected: standard input is no connection with a controller, which gives it: {e}"
            ))),
        },
        Some("-") | None => Ticket::read_from("from standard input", std::io::stdin().lock())
            .map(Controller::Named)
            .map_err(|e| unreadable(e.to_string())),
        Some(place) => read_ticket(place).map(Controller::Named),
    })
}

fn work(kind: WorkerKind, threads: u32, find: impl FnOnce() -> Result<Controller, Fatal>) -> Result<(), Fatal> {
    // Before all else: the kernel drops a signal that a container's first process doesn't catch.
    let (leave, left) = watch::channel(false);
    let ready = Arc::new(AtomicBool::new(false));
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|e| Fatal::failed(format!("can't catch signals: {e}")))?;
    let handle = signals.handle();
    let works = ready.clone();
    let catching = spawn("signals", move || {
        for (n, _) in signals.forever().enumerate() {
            match n {
                0 if works.load(Ordering::Relaxed) => {
                    tracing::info!("told to leave; giving back what is not done");
                    leave.send_replace(true);
                }
                0 => std::process::exit(0),
                _ => std::process::exit(130),
            }
        }
    })?;
    check_threads(usize::try_from(threads).unwrap_or(usize::MAX))?;
    let controller = find()?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let pid = std::process::id();
    let about =
        About { name: format!("{host}-{pid}"), host, pid, kind, task_arn: task_arn(), threads, reads: raster::READS };
    // Loaded while nothing else is to be done; the task says how much memory it is worth.
    raster::init(0);
    ready.store(true, Ordering::Relaxed);
    let result = remote::run(controller, &Settings { about, cache: user_cache_dir(), fetch: s3::fetch() }, left);
    handle.close();
    // The thread only loops over signals; it can't have panicked.
    let _ended = catching.join();
    let connected = kind == WorkerKind::Processes;
    match result {
        // The controller is on the same terminal, and says it; or it is gone.
        Err(remote::Error::Aborted(_)) if connected => Ok(()),
        Err(remote::Error::Join(e) | remote::Error::Wire(e)) if connected && e.is_transient() => Ok(()),
        result => result.map_err(|e| Fatal { code: e.exit_code(), text: e.to_string(), detail: None }),
    }
}

fn read_ticket(place: &str) -> Result<Ticket, Fatal> {
    /// Bytes of a ticket; a real one has under 2 KiB.
    const MAX_TICKET: u64 = 64 << 10;
    let ticket = match place.starts_with("s3://") {
        true => Ticket::parse(place, &s3::read(place, MAX_TICKET).map_err(|e| unreadable(e.text))?),
        false => Ticket::read(Path::new(place)),
    };
    ticket.map_err(|e| unreadable(e.to_string()))
}

fn unreadable(text: String) -> Fatal {
    Fatal { code: exit::TICKET, text, detail: None }
}
