//! What a program that was built without AWS support has in the place of `fleets.rs`.

use super::console::Console;
use super::fatal::Fatal;
use super::run::Arguments;
use clap::{Args, Subcommand};
use controller::remote::{self, Address};
use controller::{Control, Finished, Journal, Plan, Report, Unfinished};
use job::spec::{WorkerKind, Workers};
use sandbox::Function;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// None.
pub const KINDS: &[WorkerKind] = &[];

/// No options.
#[derive(Debug, Args)]
pub struct Detached {}

impl Detached {
    /// Starts the job.
    pub fn submit(
        &self,
        _: &Arguments,
        start: impl FnOnce(Option<&str>) -> Result<(), Fatal>,
        _: &Console,
    ) -> Result<(), Fatal> {
        start(None)
    }
}

/// Never made, as no job is given an id.
pub struct ProgressUpload;

impl ProgressUpload {
    pub fn start(_: Workers, _: String, _: Arc<Control>) -> Result<Self, Fatal> {
        Ok(Self)
    }
}

/// None.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {}

impl FleetCommand {
    /// Never called.
    pub fn run(&self, _: &Console) -> Result<(), Fatal> {
        match *self {}
    }
}

/// A job that is ready for its workers.
#[expect(dead_code, reason = "nothing runs it")]
pub struct Job<'a> {
    pub plan: &'a Plan,
    pub module: Vec<u8>,
    pub function: Function,
    pub control: &'a Arc<Control>,
    pub journal: Option<Journal>,
    pub took: Duration,
}

/// Never called, as jobs with such workers are refused.
pub fn run(_: Job<'_>, _: &Workers, _: &(remote::Options, Address)) -> Result<Finished, Box<Unfinished>> {
    unreachable!("no kind of worker on AWS is among those that can be chosen")
}

/// None.
pub fn estimate(_: &Workers) -> Option<(String, Value)> {
    None
}

/// None.
pub fn job_id(_: &Workers, _: &str) -> Option<String> {
    None
}

/// Does nothing.
pub fn keep(_: &Workers, _: &str, _: &Report, _: &Console) {}
