//! What a program that was built without AWS support has in the place of `fleets.rs`.

use super::console::Console;
use super::fatal::Fatal;
use super::launcher::Launcher;
use super::run::Arguments;
use clap::{Args, Subcommand};
use controller::{Control, Report};
use job::spec::Workers;
use serde_json::Value;
use std::sync::Arc;

/// None.
pub const LAUNCHERS: &[Launcher] = &[];

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
