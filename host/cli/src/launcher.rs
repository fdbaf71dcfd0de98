//! How a job that is ready is run with one kind of workers.

use super::console::Console;
use super::fatal::Fatal;
use controller::remote::Options;
use controller::{Address, ReadyJob, RunResult};
use job::spec::{Reads, Workers};
use sandbox::Interrupt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use types::WorkerKind;

/// The program that worker processes run, where it isn't this process's own.
pub static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The program that worker processes run.
pub fn program() -> Result<PathBuf, Fatal> {
    PROGRAM
        .get()
        .cloned()
        .map_or_else(std::env::current_exe, Ok)
        .map_err(|e| Fatal::failed(format!("can't find this program: {e}")))
}

/// A kind of workers that this program can run jobs with.
pub struct Launcher {
    pub kind: WorkerKind,
    /// Whether `tilefn run` takes this kind.
    pub run: bool,
    /// Whether `tilefn submit` takes this kind.
    pub submit: bool,
    /// Called before the job is planned, so that workers on this machine load meanwhile. Returns what runs the job once it is ready.
    pub begin: fn(&Workers) -> Result<Launch, Fatal>,
}

/// Runs a job that is ready.
pub type Launch = Box<dyn FnOnce(Launched<'_>) -> Result<RunResult, Fatal>>;

/// A job that is ready, and what its workers need.
pub struct Launched<'a> {
    pub job: ReadyJob,
    pub workers: &'a Workers,
    /// The job's id.
    pub id: String,
    /// Stops the functions that run in this process.
    pub interrupt: Interrupt,
    pub console: &'a Console,
}

impl Launched<'_> {
    /// How remote workers work.
    pub fn options(&self) -> Options {
        Options {
            controller_reads: self.workers.reads == Reads::Controller,
            max_attempts: self.workers.max_attempts,
            heartbeat: self.workers.heartbeat.duration(),
        }
    }

    /// The controller's address, for workers on other machines.
    pub fn address(&self) -> Result<Address, Fatal> {
        let listen = listen(self.workers)?;
        Ok(Address { listen, advertise: self.workers.advertise.iter().cloned().collect(), job: self.id.clone() })
    }
}

/// Where the controller listens.
pub fn listen(workers: &Workers) -> Result<SocketAddr, Fatal> {
    let listen = workers.listen.as_deref().unwrap_or("0.0.0.0:0");
    listen.parse().map_err(|e| Fatal::usage(format!("workers.listen: {listen:?} is not an address and port: {e}")))
}

/// The controller's error as the end of a command.
pub fn fatal(error: &controller::Error) -> Fatal {
    Fatal { code: error.exit_code(), text: error.to_string(), detail: None }
}
