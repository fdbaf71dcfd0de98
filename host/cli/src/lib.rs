//! The command line: what the user asks for, and what is said back.

mod aws;
mod build;
mod build_expression;
mod bundle;
mod console;
mod fatal;
mod inspect;
mod log;
mod metadata;
#[cfg_attr(not(feature = "aws"), path = "without_s3.rs")]
mod s3;
mod shell;
mod threads;
mod worker;

#[cfg(feature = "python")]
mod python;

#[cfg(feature = "gdal")]
pub mod api;
#[cfg(feature = "gdal")]
mod calc;
#[cfg(feature = "gdal")]
mod each;
#[cfg(feature = "gdal")]
mod function;
#[cfg(feature = "gdal")]
mod launcher;
#[cfg(feature = "gdal")]
mod new;
#[cfg(feature = "gdal")]
mod new_file;
#[cfg(feature = "gdal")]
mod prepare;
#[cfg(feature = "gdal")]
mod preview;
#[cfg(feature = "gdal")]
mod progress;
#[cfg_attr(not(feature = "gdal"), path = "without_gdal.rs")]
mod rasters;
#[cfg(feature = "gdal")]
mod rat;
#[cfg(feature = "gdal")]
mod report;
#[cfg(feature = "gdal")]
mod run;
#[cfg(feature = "gdal")]
mod sample;
#[cfg(feature = "gdal")]
mod schema;
#[cfg(feature = "gdal")]
mod signals;
#[cfg(feature = "gdal")]
mod stats;
#[cfg(feature = "gdal")]
mod table_file;
#[cfg(feature = "gdal")]
mod table_job;
#[cfg(feature = "gdal")]
mod worker_kinds;
#[cfg(feature = "gdal")]
mod zonal;

#[cfg(feature = "gdal")]
#[cfg_attr(not(feature = "aws"), path = "without_detach.rs")]
mod detach;
#[cfg(feature = "gdal")]
#[cfg_attr(not(feature = "aws"), path = "without_fleets.rs")]
mod fleets;
#[cfg(all(feature = "gdal", feature = "aws"))]
mod gc;
#[cfg(all(feature = "gdal", feature = "aws"))]
mod lend;
#[cfg(all(feature = "gdal", feature = "aws"))]
mod place;
#[cfg(all(feature = "gdal", feature = "aws"))]
mod whereabouts;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use console::Console;
use fatal::Fatal;
use rasters::RasterCommand;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    #[command(flatten)]
    Raster(RasterCommand),
    /// Compile a function's crate to a module
    Build(build::Arguments),
    /// Show a module's functions, inputs, parameters, outputs and imports
    Inspect(inspect::Arguments),
    /// Install, list or remove the runtime for Python functions
    #[cfg(feature = "python")]
    Python(python::Arguments),
    /// Prepare jobs for workers on AWS
    Aws(aws::Arguments),
    /// Work for a controller elsewhere: what a container or a cluster job runs
    Worker(worker::Arguments),
    /// Print the script that completes tilefn's arguments in a shell
    Completions(shell::Completions),
    /// Write the commands' pages of the manual
    Man(shell::Man),
}

/// Runs the program with the process's arguments, and ends the process.
pub fn main() -> ! {
    let code = run();
    // What is written to stdout is line by line, but for the last part of a line.
    let _ = std::io::stdout().flush();
    // Every file is closed. The destructors of GDAL, PROJ and the libraries under them would take some milliseconds more
    // to give back what the operating system takes back at once.
    signal_hook::low_level::exit(code.into())
}

/// Runs the program. Returns its exit code.
fn run() -> u8 {
    ::worker::open_files::raise();
    // A file that grows beyond the system's limit (`ulimit -f`) is an error of the write, then, and not this process's end.
    let caught = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::<AtomicBool>::default());
    // clap exits with 2 on wrong arguments, as we do.
    let cli =
        match Cli::command().long_version(&*version().leak()).try_get_matches().and_then(|m| Cli::from_arg_matches(&m))
        {
            Ok(cli) => cli,
            // It quotes arguments, which may be names of files: `tilefn preview *`.
            Err(error) if error.to_string().chars().any(|c| types::text::is_obeyed(c) && c != '\n') => {
                console::tell(&error.to_string());
                return u8::try_from(error.exit_code()).unwrap_or(2);
            }
            Err(error) => error.exit(),
        };
    let console = Console::new(cli.output.json, cli.output.quiet, cli.output.verbose);
    if let Err(error) = caught {
        tracing::debug!("a file above the system's limit will end this process: {error}");
    }
    let result = match cli.command {
        Command::Raster(command) => command.run(&console),
        Command::Build(arguments) => build::build(&arguments, &console),
        Command::Inspect(arguments) => inspect::inspect(&arguments, &console),
        #[cfg(feature = "python")]
        Command::Python(arguments) => python::python(&arguments, &console),
        Command::Aws(arguments) => aws::aws(&arguments, &console),
        Command::Worker(arguments) => worker::worker(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments, Cli::command(), &console),
        Command::Man(arguments) => shell::man(&arguments, Cli::command(), &console),
    };
    exit_code(result, &console)
}

/// What `--version` says of this build; `-V` only has the number.
fn version() -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    let parts = [
        ("gdal", cfg!(feature = "gdal")),
        ("python", cfg!(feature = "python")),
        ("aws", cfg!(feature = "aws")),
        ("ec2", cfg!(feature = "ec2")),
    ];
    let parts: Vec<_> = parts.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    text.push_str(&format!(
        "\nbuilt with {}",
        if parts.is_empty() { "no feature".to_owned() } else { parts.join(", ") }
    ));
    // GDAL takes some milliseconds to tell.
    #[cfg(feature = "gdal")]
    if std::env::args_os().any(|argument| argument == "--version") {
        text.push_str(&format!(
            "\nGDAL {}; formats, + also written: {}",
            raster::gdal_version(),
            raster::formats().join(" ")
        ));
    }
    text
}

/// Says what went wrong, if anything did.
fn exit_code(result: Result<(), Fatal>, console: &Console) -> u8 {
    let end = console.end();
    match result.and_then(|()| end.map_err(Fatal::failed)) {
        Ok(()) => 0,
        Err(fatal) => {
            console.error(&fatal.text, fatal.detail.as_ref());
            fatal.code
        }
    }
}
