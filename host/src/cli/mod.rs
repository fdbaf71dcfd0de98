//! The command line: what the user asks for, and what is said back.

mod aws;
mod build;
mod console;
mod inspect;
mod log;
#[cfg(feature = "gdal")]
mod rasters;
#[cfg(not(feature = "gdal"))]
mod without_gdal;
mod worker;

use clap::{Args, Parser, Subcommand};
use console::Console;
#[cfg(feature = "gdal")]
use rasters::RasterCommand;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
#[cfg(not(feature = "gdal"))]
use without_gdal::RasterCommand;

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
    /// Prepare jobs for workers on AWS
    Aws(aws::Arguments),
    /// Work for a controller elsewhere: what a container or a cluster job runs
    Worker(worker::Arguments),
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

    /// Something that the job needs is not to be had.
    fn infrastructure(text: impl ToString) -> Self {
        Self { code: 3, text: text.to_string(), detail: None }
    }

    /// The job file or the arguments are wrong.
    fn usage(text: impl ToString) -> Self {
        Self { code: 2, text: text.to_string(), detail: None }
    }
}

/// Does `work` on a thread of its own.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fatal> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|e| Fatal::infrastructure(format!("the system gives no more threads: {e}")))
}

/// Whether as many threads can be had as `work` threads need, for themselves and for GDAL's and the compiler's: these panic, or wait for
/// ever, where the system gives none (`ulimit -u`, a container's limit of processes).
fn check_threads(work: usize) -> Result<(), Fatal> {
    /// Signals, progress, dashboard, what is compiled and cached, ticks, connections.
    const OTHERS: usize = 8;
    const STACK: usize = 64 << 10;
    let most = work.saturating_mul(2).saturating_add(usize::try_from(cores()).unwrap_or(1)).saturating_add(OTHERS);
    let gate = Mutex::new(());
    let refused = std::thread::scope(|scope| {
        // They all wait here until the last one is there.
        let _closed = gate.lock();
        let begin = || std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || drop(gate.lock()));
        (0..most).find_map(|_| begin().err())
    });
    refused.map_or(Ok(()), |e| {
        let text = format!("the system gives no {most} threads, which {work} for tiles need: {e}; use fewer, or raise its limit (ulimit -u)");
        Err(Fatal::infrastructure(text))
    })
}

/// Compute threads when nobody says how many: as many as there are processors.
fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

/// Runs the program with the process's arguments. Returns its exit code.
pub fn main() -> u8 {
    crate::open_files::raise();
    // A file that grows beyond the system's limit (`ulimit -f`) is an error of the write, then, and not this process's end.
    let caught = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::<AtomicBool>::default());
    // clap exits with 2 on wrong arguments, as we do.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // It quotes arguments, which may be names of files: `tilefn preview *`.
        Err(error) if error.to_string().chars().any(|c| crate::text::is_obeyed(c) && c != '\n') => {
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
        Command::Aws(arguments) => aws::aws(&arguments, &console),
        Command::Worker(arguments) => worker::worker(&arguments),
    };
    exit_code(result, &console)
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
