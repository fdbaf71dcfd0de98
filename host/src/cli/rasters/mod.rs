//! The commands of the side that has the rasters, all of which need GDAL.

#[cfg(feature = "aws")]
mod detach;
#[cfg(feature = "aws")]
mod gc;
mod new;
#[cfg(feature = "aws")]
mod place;
mod prepare;
mod preview;
mod progress;
mod report;
mod run;
mod sample;
mod schema;
mod signals;

use super::console::Console;
use super::{Fatal, check_threads, console, cores, spawn};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum RasterCommand {
    /// Make a new function's crate, ready to build, test and run
    New(new::Arguments),
    /// Run a job on this machine
    Run(run::Arguments),
    /// Run a job with workers in other processes and on other machines
    Submit(run::SubmitArguments),
    /// Show how a job stands that was left to AWS
    #[cfg(feature = "aws")]
    Status(detach::Arguments),
    /// Show what the controller of a job says that was left to AWS
    #[cfg(feature = "aws")]
    Logs(detach::Arguments),
    /// Stop a job that was left to AWS, and wait until it has cleaned up
    #[cfg(feature = "aws")]
    Cancel(detach::Arguments),
    /// List what killed controllers left on AWS, and remove it
    #[cfg(feature = "aws")]
    Gc(gc::Arguments),
    /// Draw a raster as a PNG picture
    Preview(preview::Arguments),
    /// Print the job file's JSON schema
    Schema,
}

impl RasterCommand {
    /// Does what the command says.
    pub fn run(&self, console: &Console) -> Result<(), Fatal> {
        match self {
            Self::New(arguments) => new::new(arguments, console),
            Self::Run(arguments) => run::run(arguments, console),
            Self::Submit(arguments) => run::submit(arguments, console),
            #[cfg(feature = "aws")]
            Self::Status(arguments) => detach::status(arguments, console),
            #[cfg(feature = "aws")]
            Self::Logs(arguments) => detach::logs(arguments, console),
            #[cfg(feature = "aws")]
            Self::Cancel(arguments) => detach::cancel(arguments, console),
            #[cfg(feature = "aws")]
            Self::Gc(arguments) => gc::gc(arguments, console),
            Self::Preview(arguments) => preview::preview(arguments, console),
            Self::Schema => schema::schema(console),
        }
    }
}
