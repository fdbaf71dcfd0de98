//! What a program that was built without AWS support has in the place of `detach.rs`.

use super::console::Console;
use super::fatal::Fatal;
use super::prepare::RunArguments;
use clap::{Args, Subcommand};
use controller::Control;
use job::spec::Workers;
use std::sync::Arc;

/// No options.
#[derive(Debug, Args)]
pub struct Detached {}

impl Detached {
    /// Starts the job.
    pub fn submit(
        &self,
        _: &RunArguments,
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
