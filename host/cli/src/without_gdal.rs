//! The commands that need GDAL, in a program that was built without it: they say so.

use super::console::Console;
use super::fatal::Fatal;
use clap::Subcommand;
use std::ffi::OsString;

#[derive(Debug, Subcommand)]
#[command(
    after_help = "This tilefn was built without GDAL: it works for a controller, which reads and writes the rasters."
)]
pub enum RasterCommand {
    #[command(name = "run", aliases = ["new", "submit", "calc", "zonal", "info", "diff", "preview", "stats", "rat", "schema"], hide = true, disable_help_flag = true)]
    NeedsGdal {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        ignored: Vec<OsString>,
    },
}

impl RasterCommand {
    /// Says what is missing.
    pub fn run(&self, _: &Console) -> Result<(), Fatal> {
        Err(Fatal::usage(
            "this tilefn was built without GDAL, so it can only work for a controller (tilefn worker) and show modules (tilefn inspect); \
             new, run, submit, calc, zonal, info, diff, preview, stats, rat and schema need a tilefn built with it",
        ))
    }
}
