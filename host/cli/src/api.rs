//! For a program that holds this one, such as Python's package: jobs without a terminal and without signals.

pub use super::fatal::Fatal;
pub use super::launcher::PROGRAM;
pub use super::run::Held;

use super::console::Console;
use super::inspect;
use super::prepare::{self, JobArguments, RunArguments};
use sandbox::Description;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A job to run.
pub struct Request {
    /// The job file's path, or the job itself.
    pub job: Job,
    /// Changes of its keys, as `--set` has them.
    pub set: Vec<String>,
    /// Whether outputs that exist are replaced.
    pub overwrite: bool,
    /// Whether an interrupted run is gone on with.
    pub resume: bool,
    /// Whether only the plan is wanted.
    pub dry_run: bool,
}

/// Where a job's text comes from.
pub enum Job {
    /// A job file.
    File(String),
    /// A job in JSON; its relative paths belong to this folder.
    Text { text: String, folder: PathBuf },
}

/// Why a job has not run to its end.
pub struct Stopped {
    pub fatal: Fatal,
    /// What was done, if it had begun.
    pub report: Option<Value>,
}

/// Runs a job. Returns its report, or its plan if only that is wanted.
///
/// # Errors
/// As the command `run`.
pub fn run(request: Request, held: &Held) -> Result<Value, Stopped> {
    super::log::given().map_err(|text| Stopped { fatal: Fatal::usage(text), report: None })?;
    let Request { job, set, overwrite, resume, dry_run } = request;
    let name = match &job {
        Job::File(path) => path.clone(),
        Job::Text { folder, .. } => folder.join("job.json").display().to_string(),
    };
    let arguments = JobArguments::of(&name, set, overwrite, resume);
    let loaded = match job {
        Job::File(_) => prepare::load(&arguments),
        Job::Text { text, folder } => {
            job::load_text("job", text, &folder, &prepare::overrides(&arguments)).map_err(prepare::mistakes)
        }
    };
    let loaded = loaded.map_err(|fatal| Stopped { fatal, report: None })?;
    let arguments = RunArguments { job: arguments, dry_run, report: None, dashboard: None };
    let console = Console::new(false, true, 0);
    super::run::held(&arguments, || Ok(loaded), &console, held).map_err(|(fatal, report)| Stopped {
        fatal,
        report: report.and_then(|report| serde_json::to_value(report).ok()),
    })
}

/// The bytes of a module, or of a Python program with the files that it may read.
///
/// # Errors
/// When one of them can't be read.
pub fn read_module(path: &Path, include: &[PathBuf]) -> Result<Vec<u8>, Fatal> {
    inspect::read(path, include)
}

/// A function's description, as `inspect` gives it to programs.
pub fn described(description: &Description) -> Value {
    inspect::function_json(description)
}
