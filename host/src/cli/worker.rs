//! `tilefn worker`: the generic worker, which knows no job until its controller sends one.

use super::Fatal;
use super::prepare::cores;
use crate::sandbox::user_cache_dir;
use crate::wire::{About, Ticket, WorkerKind};
use crate::worker::remote::{self, Settings};
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use tokio::sync::watch;

/// Memory for GDAL's block cache, bytes, when this worker reads.
#[cfg(feature = "gdal")]
const GDAL_CACHE: u64 = 64 << 20;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The ticket that the controller wrote
    #[arg(long, value_name = "FILE", env = "TILEFN_TICKET")]
    ticket: PathBuf,
    /// Tiles to run at the same time; default: one for each processor
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// What started this worker, for the report
    #[arg(long, value_enum, default_value = "external", hide = true)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Process,
    External,
    Fargate,
    Ec2,
}

/// Works until the job is done, or SIGTERM says to leave.
pub fn worker(arguments: &Arguments) -> Result<(), Fatal> {
    let ticket = Ticket::read(&arguments.ticket).map_err(Fatal::usage)?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let pid = std::process::id();
    let about = About {
        name: format!("{host}-{pid}"),
        host,
        pid,
        kind: match arguments.kind {
            Kind::Process => WorkerKind::Process,
            Kind::External => WorkerKind::External,
            Kind::Fargate => WorkerKind::Fargate,
            Kind::Ec2 => WorkerKind::Ec2,
        },
        task_arn: None,
        threads: arguments.threads.unwrap_or_else(cores),
        reads: cfg!(feature = "gdal"),
        version: env!("CARGO_PKG_VERSION").into(),
        arch: std::env::consts::ARCH.into(),
    };
    #[cfg(feature = "gdal")]
    crate::raster::init(GDAL_CACHE);
    let (leave, left) = watch::channel(false);
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|e| Fatal::failed(format!("can't catch signals: {e}")))?;
    let handle = signals.handle();
    let catching = std::thread::spawn(move || {
        for _ in signals.forever() {
            tracing::info!("told to leave; giving back what is not done");
            leave.send_replace(true);
        }
    });
    let result = remote::run(&ticket, &Settings { about, cache: user_cache_dir() }, left);
    handle.close();
    // The thread only loops over signals; it can't have panicked.
    let _ended = catching.join();
    result.map_err(|e| Fatal {
        code: if matches!(e, remote::Error::Wire(_)) { 3 } else { 1 },
        text: e.to_string(),
        detail: None,
    })
}
