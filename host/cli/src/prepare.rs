//! From a job's path to a plan that can run: reads the job file and the module, compiles, plans.

use super::build_expression;
use super::console::Console;
use super::fatal::Fatal;
use super::function;
use super::s3;
use super::threads::{check_threads, cores};
use clap::Args;
use controller::{Job, Journal, Plan};
use job::spec::Code;
use job::{self, Loaded, Planning, Resume, ResumeError, Run, Scene, Survey};
use sandbox::{self, Function, Module, Sandbox, user_cache_dir};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use types::location::Kind;
use worker::KEPT_MEMORY;

/// Bytes of a job file that comes from S3.
const MAX_JOB: u64 = 16 << 20;

/// Warnings of the plan that are said: lists of files may have one for each file.
const SAID: usize = 20;

/// The argument of a command that a key of the job comes from, for a command that makes a job.
pub type Arguments = fn(&str) -> Option<String>;

/// Which job, and what to change in it.
#[derive(Clone, Debug, Args)]
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
    pub resume: bool,
    /// Whether a command has made the job, which can't be resumed then
    #[arg(skip)]
    made: Option<Arguments>,
    /// The scene that the job is run for, if there are several
    #[arg(skip)]
    pub scene: Option<Scene>,
}

impl JobArguments {
    /// Those of a job that a command makes itself.
    pub fn made(name: &str, arguments: Arguments, workers: Option<String>) -> Self {
        Self {
            job: name.to_owned(),
            set: Vec::new(),
            workers,
            module: None,
            overwrite: false,
            resume: false,
            made: Some(arguments),
            scene: None,
        }
    }

    /// Those of a job that a program runs.
    pub fn of(name: &str, set: Vec<String>, overwrite: bool, resume: bool) -> Self {
        Self { job: name.to_owned(), set, workers: None, module: None, overwrite, resume, made: None, scene: None }
    }

    /// What is wrong with the job.
    pub fn mistakes(&self, found: job::Mistakes) -> Fatal {
        mistakes(match self.made {
            Some(argument) => found.by_argument(argument),
            None => found,
        })
    }

    /// With these changes of the job's keys.
    #[must_use]
    pub fn changed(self, set: &[String], overwrite: bool) -> Self {
        Self { set: set.to_vec(), overwrite, ..self }
    }
}

#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub job: JobArguments,
    /// Print what would be done: grid, tiles, types, memory; run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the run's report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Show the run on a page at this port of 127.0.0.1, or at this address and port; there also are /status.json and /metrics
    #[arg(long, value_name = "[HOST:]PORT")]
    pub dashboard: Option<String>,
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
    if Kind::of(&arguments.job) == (Kind::Url { scheme: "s3" }) {
        let text = String::from_utf8(s3::read(&arguments.job, MAX_JOB)?).map_err(Fatal::usage)?;
        // What comes from there has no relative paths; if it had, they would belong to the temporary folder.
        let loaded = job::load_text(&arguments.job, text, &std::env::temp_dir(), &overrides(arguments));
        return loaded.map_err(mistakes);
    }
    job::load(&arguments.job, &overrides(arguments), arguments.scene.as_ref()).map_err(mistakes)
}

/// Prepares the job; says its warnings. With `start` false nothing is touched.
pub fn prepare(
    arguments: &JobArguments,
    mut loaded: Loaded,
    console: &Console,
    start: bool,
    report: Option<&Path>,
) -> Result<Prepared, Fatal> {
    #[cfg(feature = "aws")]
    super::lend::to_gdal(serde_json::to_string(&loaded.spec).into_iter().map(Into::into));
    if loaded.spec.table.is_some() {
        return Err(Fatal::usage(format!(
            "{}: table: a job over an attribute table's rows is run by `tilefn run` only",
            loaded.position("table")
        )));
    }
    let workers = &loaded.spec.workers;
    let threads = usize::try_from(workers.count.unwrap_or_else(cores)).unwrap_or(1);
    check_threads(threads)?;
    let (survey, (module, sandbox, compiled), unused) =
        survey_and_compile(&mut loaded, threads, arguments.made.is_some())?;
    let function = choose(&loaded, &compiled)?;
    let identity = Job {
        path: arguments.job.clone(),
        sha256: sha256(serde_json::to_string(&loaded.spec).map_err(Fatal::failed)?.as_bytes()),
        module: function::shown(&loaded),
        module_sha256: compiled.sha256().to_owned(),
        function: function.description().name.clone(),
        // The plan knows them.
        params_sha256: BTreeMap::new(),
    };
    let journal = if start && arguments.made.is_none() {
        open_journal(arguments, &mut loaded, &identity, &survey, console)?
    } else {
        None
    };
    let planning = Planning {
        loaded: &loaded,
        survey: &survey,
        function: &function,
        job: identity,
        overwrite: arguments.overwrite || journal.as_ref().is_some_and(Journal::overwrites),
        made: journal.as_ref().map(Journal::made).unwrap_or_default(),
        threads,
        report: report.map(|path| path.display().to_string()),
    };
    let mut plan = planning.plan().map_err(|mistakes| arguments.mistakes(mistakes))?;
    raster::init(plan.task.block_cache);
    plan.warnings.extend(unused.iter().map(|what| format!("the expression doesn't use {what}")));
    plan.warnings.extend(raster::settings_warnings());
    plan.warnings.extend(sandbox.warnings().iter().chain(compiled.warnings()).cloned());
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

/// A module's bytes, its sandbox, and what it is there.
type Compiled = (Vec<u8>, Sandbox, Module);

/// Looks into the inputs, and compiles the function; says what of an expression's isn't used.
fn survey_and_compile(
    loaded: &mut Loaded,
    threads: usize,
    made: bool,
) -> Result<(Survey, Compiled, Vec<String>), Fatal> {
    if let Code::Expression(text) = &loaded.spec.function.code {
        // Its types are those of the inputs.
        let survey = Survey::new(&loaded.spec);
        let expression::Compiled { module, fills, unused } = function::expression(loaded, text, &survey, made)?;
        let compiled = compile(loaded, module, threads)?;
        // An expression that gives values to invalid pixels does so in empty tiles too.
        loaded.spec.grid.skip_empty &= !fills;
        return Ok((survey, compiled, unused));
    }
    let loaded = &*loaded;
    // Two things that don't need each other, and take most of the time until the first pixel.
    std::thread::scope(|scope| {
        let compiling = std::thread::Builder::new().name("compile".to_owned()).spawn_scoped(scope, || {
            let module = function::read_module(loaded)?;
            compile(loaded, module, threads)
        });
        let compiling =
            compiling.map_err(|e| Fatal::infrastructure(format!("the system gives no more threads: {e}")))?;
        let survey = Survey::new(&loaded.spec);
        let compiled = compiling.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((survey, compiled, Vec::new()))
    })
}

/// The module's bytes, and what they are in a sandbox for as many tiles at a time.
fn compile(loaded: &Loaded, module: Vec<u8>, threads: usize) -> Result<Compiled, Fatal> {
    let limits = loaded.spec.limits.sandbox();
    let sandbox =
        Sandbox::with_cache(&limits, threads, KEPT_MEMORY, user_cache_dir().as_deref()).map_err(Fatal::failed)?;
    let compiled = sandbox.compile(&module).map_err(|e| in_module(loaded, &e))?;
    Ok((module, sandbox, compiled))
}

/// Opens the run's journal, and says what the run goes on with.
fn open_journal(
    arguments: &JobArguments,
    loaded: &mut Loaded,
    job: &Job,
    survey: &Survey,
    console: &Console,
) -> Result<Option<Journal>, Fatal> {
    let resume = Resume { overwrite: arguments.overwrite, resume: arguments.resume };
    let run = resume.open(loaded, job, survey).map_err(|e| match e {
        ResumeError::Locks(..) => Fatal::failed(e),
        ResumeError::Journal(_) | ResumeError::Tile(..) => Fatal::usage(e),
    })?;
    match &run {
        Run::Unjournaled(e) => console.warn(&format!("this run can't be resumed: {e}")),
        Run::Resumed(journal) => {
            let done = journal.tiles_done();
            console.say(
                &format!("going on with a run that has done {done} tiles"),
                "resume",
                || json!({ "done": done }),
            );
        }
        Run::New(_) if arguments.resume => {
            console.say("there is nothing to go on with: the job starts afresh", "resume", || json!({ "done": 0 }));
        }
        Run::New(_) | Run::Homeless => {}
    }
    Ok(run.into_journal())
}

/// All overrides, short forms written out.
pub fn overrides(arguments: &JobArguments) -> Vec<String> {
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
                function::shown(loaded),
                names.join(", ")
            )));
        }
    };
    module.function(&name).map_err(|e| Fatal::usage(format!("function.name: {}: {e}", function::shown(loaded))))
}

fn in_module(loaded: &Loaded, error: &sandbox::Error) -> Fatal {
    match error {
        // It's the system that has no memory or threads for it.
        sandbox::Error::Engine(_) | sandbox::Error::PythonRuntime(_) => Fatal::infrastructure(error),
        error if function::is_expression(loaded) => build_expression::in_expression(error),
        error => Fatal::usage(format!("function.module: {}: {error}", function::shown(loaded))),
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
