//! From a job's path to a plan that can run: reads the job file and the module, compiles, plans.

use super::console::Console;
use super::{Fatal, check_threads, cores};
use crate::controller::{Job, Journal, JournalError, Plan};
use crate::job::{self, Loaded, Survey};
use crate::sandbox::{self, Function, Module, Sandbox, user_cache_dir};
use crate::worker::KEPT_MEMORY;
use clap::Args;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Bytes of a job file and of a module that come from S3.
#[cfg(feature = "aws")]
const MAX_JOB: u64 = 16 << 20;
#[cfg(feature = "aws")]
const MAX_MODULE: u64 = 1 << 30;

/// Warnings of the plan that are said: lists of files may have one for each file.
const SAID: usize = 20;

/// Which job, and what to change in it.
#[derive(Debug, Args)]
pub struct JobArguments {
    /// The job file (TOML, or JSON by its extension); - reads it from standard input
    pub job: String,
    /// Override a key of the job file, e.g. --set params.radius=3 or --set outputs.ndvi.path=x.tif
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Who runs the tiles, e.g. threads:4 or processes:2; short for --set workers.kind=… and workers.count=…
    #[arg(long, value_name = "KIND[:COUNT]")]
    workers: Option<String>,
    /// The module, in place of the job file's
    #[arg(long, value_name = "FILE")]
    module: Option<String>,
    /// Replace outputs that exist, once the job is complete
    #[arg(long)]
    pub overwrite: bool,
    /// Go on with what an interrupted run of the same job has done
    #[arg(long)]
    resume: bool,
}

/// A job ready to run.
pub struct Prepared {
    /// The job file.
    pub loaded: Loaded,
    /// The module's bytes.
    pub module: Vec<u8>,
    /// The sandbox that compiled it.
    pub sandbox: Sandbox,
    /// The function.
    pub function: Function,
    /// The plan.
    pub plan: Plan,
    /// The journal of the run; a dry run has none.
    pub journal: Option<Journal>,
}

/// Reads the job file, overrides put in.
pub fn load(arguments: &JobArguments) -> Result<Loaded, Fatal> {
    #[cfg(feature = "aws")]
    if arguments.job.starts_with("s3://") {
        let text = String::from_utf8(super::place::fetch(&arguments.job, MAX_JOB)?).map_err(Fatal::usage)?;
        // What comes from there has no relative paths; if it had, they would belong to the temporary folder.
        let loaded = job::load_text(&arguments.job, text, &std::env::temp_dir(), &overrides(arguments));
        return loaded.map_err(mistakes);
    }
    job::load(&arguments.job, &overrides(arguments)).map_err(mistakes)
}

/// Prepares the job; says its warnings. The module is read if it isn't given; `is_compiled` is called when it is. With `start` false nothing
/// is touched.
pub fn prepare(
    arguments: &JobArguments,
    mut loaded: Loaded,
    module: Option<Vec<u8>>,
    is_compiled: impl FnOnce() + Send,
    console: &Console,
    start: bool,
) -> Result<Prepared, Fatal> {
    let workers = &loaded.spec.workers;
    let threads = usize::try_from(workers.count.unwrap_or_else(cores)).unwrap_or(1);
    check_threads(threads)?;
    // Two things that don't need each other, and take most of the time until the first pixel.
    let (survey, compiled) = std::thread::scope(|scope| {
        let compiling = std::thread::Builder::new().name("compile".to_owned()).spawn_scoped(scope, || {
            let module = module.map_or_else(|| read_module(&loaded), Ok)?;
            compile(&loaded, module, threads).inspect(|_| is_compiled())
        });
        let compiling =
            compiling.map_err(|e| Fatal::infrastructure(format!("the system gives no more threads: {e}")))?;
        let survey = Survey::new(&loaded.spec);
        Ok((survey, compiling.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?))
    })?;
    let (module, sandbox, compiled) = compiled;
    let function = choose(&loaded, &compiled)?;
    let identity = Job {
        path: arguments.job.clone(),
        sha256: sha256(serde_json::to_string(&loaded.spec).map_err(Fatal::failed)?.as_bytes()),
        module: loaded.spec.function.module.clone(),
        module_sha256: compiled.sha256().to_owned(),
        function: function.description().name.clone(),
    };
    let journal = if start { open_journal(arguments, &mut loaded, &identity, console)? } else { None };
    let options = job::Options { overwrite: arguments.overwrite, threads };
    let planned = job::plan(&loaded, &survey, &function, identity, &options).map_err(mistakes);
    let mut plan = match (planned, journal.as_ref().is_some_and(|j| j.progress().done.len() == 0)) {
        (Ok(plan), _) => plan,
        (Err(fatal), fresh) => {
            // Nothing was begun, so nothing is to be gone on with.
            journal.filter(|_| fresh).into_iter().for_each(Journal::remove);
            return Err(fatal);
        }
    };
    crate::raster::init(plan.task.block_cache);
    plan.warnings.extend(sandbox.warnings().iter().cloned());
    let mut said = Vec::new();
    plan.warnings.retain(|warning| {
        !said.contains(warning) && {
            said.push(warning.clone());
            true
        }
    });
    said.iter().take(SAID).for_each(|w| console.warn(w));
    if let Some(more) = said.len().checked_sub(SAID).filter(|more| *more > 0) {
        console.warn(&format!("and {more} more, which the report has"));
    }
    Ok(Prepared { loaded, module, sandbox, function, plan, journal })
}

/// The module's bytes, and what they are in a sandbox for as many tiles at a time.
fn compile(loaded: &Loaded, module: Vec<u8>, threads: usize) -> Result<(Vec<u8>, Sandbox, Module), Fatal> {
    let limits = job::limits(&loaded.spec);
    let sandbox =
        Sandbox::with_cache(&limits, threads, KEPT_MEMORY, user_cache_dir().as_deref()).map_err(Fatal::failed)?;
    let compiled = sandbox.compile(&module).map_err(|e| in_module(loaded, &e))?;
    Ok((module, sandbox, compiled))
}

/// Opens the run's journal, and lets the grid be cut as an earlier run has done. A new run can do without: then it can't
/// be resumed.
fn open_journal(
    arguments: &JobArguments,
    loaded: &mut Loaded,
    job: &Job,
    console: &Console,
) -> Result<Option<Journal>, Fatal> {
    let files = loaded.spec.outputs.values().flat_map(|o| o.files.as_slice());
    let local = files.map(Path::new).find(|p| !p.starts_with("/vsi") && !p.to_string_lossy().contains("://"));
    let beside = local
        .map_or_else(|| loaded.base.join(Path::new(&arguments.job).file_name().unwrap_or_default()), Path::to_owned);
    // Who does the work, and how the grid is cut, doesn't change the pixels.
    let mut what = loaded.spec.clone();
    what.workers = job::spec::Workers::default();
    let cut = what.grid.tile.take();
    let what = serde_json::to_string(&what).map_err(Fatal::failed)?;
    let identity = sha256(format!("{what} {} {}", job.function, job.module_sha256).as_bytes());
    if beside.parent().is_some_and(|folder| !folder.is_dir()) {
        // The planner says so, with all else that is wrong.
        return Ok(None);
    }
    let journal = match Journal::open(Journal::path_for(&beside), &identity, arguments.resume) {
        Ok(journal) => journal,
        Err(e @ JournalError::Unusable { .. }) if !arguments.resume => {
            console.warn(&format!("this run can't be resumed: {e}"));
            return Ok(None);
        }
        Err(e) => return Err(Fatal::usage(e)),
    };
    let before = journal.progress();
    if before.done.len() > 0 {
        if cut.is_some_and(|cut| cut != before.tile) {
            return Err(Fatal::usage(format!(
                "grid.tile: the unfinished run has tiles of {} × {}; leave grid.tile away to go on with it",
                before.tile[0], before.tile[1]
            )));
        }
        loaded.spec.grid.tile = Some(before.tile);
        console.say(
            &format!("going on with a run that has done {} tiles", before.done.len()),
            "resume",
            || serde_json::json!({ "done": before.done.len() }),
        );
    }
    Ok(Some(journal))
}

/// All overrides, short forms written out.
fn overrides(arguments: &JobArguments) -> Vec<String> {
    let mut set = arguments.set.clone();
    if let Some(workers) = &arguments.workers {
        let (kind, count) =
            workers.split_once(':').map_or((workers.as_str(), None), |(kind, count)| (kind, Some(count)));
        set.push(format!("workers.kind={kind}"));
        set.extend(count.map(|count| format!("workers.count={count}")));
    }
    if let Some(module) = &arguments.module {
        // As a text, whatever it looks like; relative to where the user is, as all file arguments are.
        let path = std::path::absolute(module).map_or_else(|_| module.clone(), |p| p.display().to_string());
        set.push(format!("function.module={path:?}"));
    }
    set
}

pub fn mistakes(mistakes: job::Mistakes) -> Fatal {
    Fatal { code: 2, text: mistakes.to_string(), detail: serde_json::to_value(&mistakes).ok() }
}

/// The module's bytes, if they are in a file of this machine, so that no other thread is needed to read them.
pub fn module_here(loaded: &Loaded) -> Result<Option<Vec<u8>>, Fatal> {
    let is_here = !loaded.spec.function.module.contains("://");
    is_here.then(|| read_module(loaded)).transpose()
}

/// The module's bytes.
fn read_module(loaded: &Loaded) -> Result<Vec<u8>, Fatal> {
    let function = &loaded.spec.function;
    let path = &function.module;
    #[cfg(feature = "aws")]
    if path.starts_with("s3://") {
        return checked(function, super::place::fetch(path, MAX_MODULE)?);
    }
    if path.contains("://") {
        return Err(Fatal::usage(format!("function.module: {path} is not a local file, which tilefn run needs")));
    }
    let bytes = std::fs::read(path).map_err(|e| {
        let build = if e.kind() == std::io::ErrorKind::NotFound { "; is it built? tilefn build makes it" } else { "" };
        Fatal::usage(format!("function.module: can't read {path}: {e}{build}"))
    })?;
    checked(function, bytes)
}

/// The module's bytes, if they have the sha256 that the job wants.
fn checked(function: &job::spec::Function, bytes: Vec<u8>) -> Result<Vec<u8>, Fatal> {
    let path = &function.module;
    if let Some(wanted) = &function.sha256 {
        let found = sha256(&bytes);
        if !wanted.eq_ignore_ascii_case(&found) {
            return Err(Fatal::usage(format!(
                "function.sha256: {path} has sha256 {found}, the job file wants {wanted}"
            )));
        }
    }
    Ok(bytes)
}

/// The function that the job names, or the module's only one.
fn choose(loaded: &Loaded, module: &Module) -> Result<Function, Fatal> {
    let function = &loaded.spec.function;
    let name = match (&function.name, module.functions()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.name.clone(),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|f| f.name.as_str()).collect();
            return Err(Fatal::usage(format!(
                "function.name: {} has several functions, name one of them: {}",
                function.module,
                names.join(", ")
            )));
        }
    };
    module.function(&name).map_err(|e| Fatal::usage(format!("function.name: {}: {e}", function.module)))
}

fn in_module(loaded: &Loaded, error: &sandbox::Error) -> Fatal {
    match error {
        // It's the system that has no memory or threads for it.
        sandbox::Error::Engine(_) => Fatal::infrastructure(error),
        error => Fatal::usage(format!("function.module: {}: {error}", loaded.spec.function.module)),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
