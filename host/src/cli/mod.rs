//! The command line: what the user asks for, and what is said back.

mod build;
mod console;
#[cfg(feature = "aws")]
mod detach;
#[cfg(feature = "aws")]
mod gc;
mod inspect;
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
mod worker;

use clap::{Args, Parser, Subcommand};
use console::Console;
use std::process::ExitCode;

/// Runs your own function, compiled to WebAssembly, over the tiles of big rasters.
#[derive(Debug, Parser)]
#[command(name = "tilefn", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct OutputArgs {
    /// Print results and messages as JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more: -v what GDAL and the function say, -vv details for developers
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new function's crate, ready to build, test and run
    New(new::Arguments),
    /// Compile a function's crate to a module
    Build(build::Arguments),
    /// Show a module's functions, inputs, parameters, outputs and imports
    Inspect(inspect::Arguments),
    /// Draw a raster as a PNG picture
    Preview(preview::Arguments),
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
    /// Work for a controller elsewhere: what a container or a cluster job runs
    Worker(worker::Arguments),
    /// Print the job file's JSON schema
    Schema,
}

/// An error that ends the program: its text, and the exit code that design and docs promise.
#[derive(Debug)]
struct Fatal {
    code: u8,
    text: String,
    /// For `--json`.
    detail: Option<serde_json::Value>,
}

impl Fatal {
    /// The job failed.
    fn failed(text: impl ToString) -> Self {
        Self { code: 1, text: text.to_string(), detail: None }
    }

    /// The job file or the arguments are wrong.
    fn usage(text: impl ToString) -> Self {
        Self { code: 2, text: text.to_string(), detail: None }
    }
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    // clap exits with 2 on wrong arguments, as we do.
    let cli = Cli::parse();
    let console = Console::new(cli.output.json, cli.output.quiet, cli.output.verbose);
    let result = match cli.command {
        Command::New(arguments) => new::new(&arguments, &console),
        Command::Build(arguments) => build::build(&arguments, &console),
        Command::Inspect(arguments) => inspect::inspect(&arguments, &console),
        Command::Preview(arguments) => preview::preview(&arguments, &console),
        Command::Run(arguments) => run::run(&arguments, &console),
        Command::Submit(arguments) => run::submit(&arguments, &console),
        #[cfg(feature = "aws")]
        Command::Status(arguments) => detach::status(&arguments, &console),
        #[cfg(feature = "aws")]
        Command::Logs(arguments) => detach::logs(&arguments, &console),
        #[cfg(feature = "aws")]
        Command::Cancel(arguments) => detach::cancel(&arguments, &console),
        #[cfg(feature = "aws")]
        Command::Gc(arguments) => gc::gc(&arguments, &console),
        Command::Worker(arguments) => worker::worker(&arguments),
        Command::Schema => schema::schema(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            console.error(&fatal.text, fatal.detail.as_ref());
            ExitCode::from(fatal.code)
        }
    }
}
