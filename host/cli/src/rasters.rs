//! The commands of the side that has the rasters, all of which need GDAL.

use super::console::Console;
use super::fatal::Fatal;
use super::run::LocalArguments;
use super::{calc, detach, new, preview, rat, run, schema, stats, zonal};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum RasterCommand {
    /// Make a new function's crate, ready to build, test and run
    New(new::Arguments),
    /// Run a job on this machine
    Run(LocalArguments),
    /// Run a job with workers in other processes and on other machines
    Submit(run::SubmitArguments),
    /// Those that look at jobs on AWS
    #[command(flatten)]
    Fleet(detach::FleetCommand),
    /// Compute an expression such as "(nir - red) / (nir + red)" of rasters, without a job file
    Calc(calc::Arguments),
    /// Statistics of a raster in each polygon of a vector file, as a table
    Zonal(zonal::Arguments),
    /// Draw a raster as a PNG picture
    Preview(preview::Arguments),
    /// Compute and print statistics of existing files, with histogram and overviews
    Stats(stats::Arguments),
    /// List, export and add columns of a raster's attribute table
    Rat(rat::Arguments),
    /// Print the job file's JSON schema
    Schema,
}

impl RasterCommand {
    /// Does what the command says.
    pub fn run(&self, console: &Console) -> Result<(), Fatal> {
        #[cfg(feature = "aws")]
        super::lend::to_gdal(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned().into()));
        match self {
            Self::New(arguments) => new::new(arguments, console),
            Self::Run(arguments) => run::run(arguments, console),
            Self::Submit(arguments) => run::submit(arguments, console),
            Self::Fleet(command) => command.run(console),
            Self::Calc(arguments) => calc::calc(arguments, console),
            Self::Zonal(arguments) => zonal::zonal(arguments, console),
            Self::Preview(arguments) => preview::preview(arguments, console),
            Self::Stats(arguments) => stats::stats(arguments, console),
            Self::Rat(arguments) => rat::rat(arguments, console),
            Self::Schema => schema::schema(console),
        }
    }
}
