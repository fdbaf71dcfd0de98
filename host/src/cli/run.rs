//! `tilefn run`: one job on this machine.

use super::console::Console;
use super::{Fatal, progress, signals};
use crate::controller::{self, Control, Job, Plan, Report};
use crate::job::{self, Loaded};
use crate::sandbox::{Function, Sandbox, user_cache_dir};
use clap::Args;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Memory for GDAL's block cache, bytes: the blocks of a few tiles; more only delays writing.
const GDAL_CACHE: u64 = 128 << 20;
/// Pixels that an instance's memory keeps from tile to tile at most, bytes.
const KEPT_MEMORY: u64 = 256 << 20;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The job file (TOML, or JSON by its extension); - reads it from standard input
    job: String,
    /// Override a key of the job file, e.g. --set params.radius=3 or --set outputs.ndvi.path=x.tif
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Replace outputs that exist, once the job is complete
    #[arg(long)]
    overwrite: bool,
    /// Print what would be done: grid, tiles, types, memory; run nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the run's report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs the job.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let started = Instant::now();
    let loaded = job::load(&arguments.job, &arguments.set).map_err(mistakes)?;
    let threads = threads(&loaded)?;
    crate::raster::init(GDAL_CACHE);
    let module = read_module(&loaded)?;
    let limits = job::limits(&loaded.spec);
    let sandbox = Sandbox::with_cache(&limits, threads, KEPT_MEMORY, user_cache_dir().as_deref()).map_err(Fatal::failed)?;
    let compiled = sandbox.compile(&module).map_err(|e| in_module(&loaded, &e))?;
    let function = choose(&loaded, &compiled)?;
    let identity = Job {
        path: arguments.job.clone(),
        sha256: sha256(serde_json::to_string(&loaded.spec).map_err(Fatal::failed)?.as_bytes()),
        module: loaded.spec.function.module.clone(),
        module_sha256: compiled.sha256().to_owned(),
        function: function.description().name.clone(),
    };
    let options = job::Options { overwrite: arguments.overwrite, threads };
    let mut plan = job::plan(&loaded, &function, identity, &options).map_err(mistakes)?;
    plan.warnings.extend(sandbox.warnings().iter().cloned());
    plan.warnings.iter().for_each(|w| console.warn(w));
    let text = plan_text(&plan);
    if arguments.dry_run {
        console.result(&text, "plan", || plan_json(&plan));
        return Ok(());
    }
    console.say(&text, "plan", || plan_json(&plan));
    let control = Arc::new(Control::default());
    let prepared = started.elapsed();
    let catcher = signals::Catcher::new(control.clone(), sandbox.interrupt())?;
    let result = progress::show(console, &control, || {
        controller::run(&plan, function, &sandbox.interrupt(), &control, prepared)
    });
    drop(catcher);
    let report = result.map_err(|failure| Fatal { code: failure.exit_code(), text: failure.to_string(), detail: None })?;
    if let Some(path) = &arguments.report {
        let text = serde_json::to_string_pretty(&report).map_err(Fatal::failed)?;
        std::fs::write(path, text + "\n").map_err(|e| Fatal::failed(format!("the job is done, but its report can't be written to {}: {e}", path.display())))?;
    }
    console.result(&report_text(&report), "report", || json!({ "report": report }));
    Ok(())
}

fn mistakes(mistakes: job::Mistakes) -> Fatal {
    Fatal { code: 2, text: mistakes.to_string(), detail: serde_json::to_value(&mistakes).ok() }
}

/// Compute threads: as many as the job says, or as there are processors.
fn threads(loaded: &Loaded) -> Result<usize, Fatal> {
    let workers = &loaded.spec.workers;
    if workers.kind != job::spec::WorkerKind::Threads {
        return Err(Fatal::usage(format!(
            "workers.kind is {:?}; tilefn run works with threads of this machine: add --set workers.kind=threads",
            workers.kind.name()
        )));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(workers.count.map_or(cores, |n| usize::try_from(n).unwrap_or(usize::MAX)))
}

/// The module's bytes, checked against the job's sha256.
fn read_module(loaded: &Loaded) -> Result<Vec<u8>, Fatal> {
    let function = &loaded.spec.function;
    let path = &function.module;
    if path.contains("://") {
        return Err(Fatal::usage(format!("function.module: {path} is not a local file, which tilefn run needs")));
    }
    let bytes = std::fs::read(path).map_err(|e| {
        let build = if e.kind() == std::io::ErrorKind::NotFound { "; is it built? tilefn build makes it" } else { "" };
        Fatal::usage(format!("function.module: can't read {path}: {e}{build}"))
    })?;
    let found = sha256(&bytes);
    match &function.sha256 {
        Some(wanted) if !wanted.eq_ignore_ascii_case(&found) => Err(Fatal::usage(format!(
            "function.sha256: {path} has sha256 {found}, the job file wants {wanted}"
        ))),
        _ => Ok(bytes),
    }
}

/// The function that the job names, or the module's only one.
fn choose(loaded: &Loaded, module: &crate::sandbox::Module) -> Result<Function, Fatal> {
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

fn in_module(loaded: &Loaded, error: &crate::sandbox::Error) -> Fatal {
    Fatal::usage(format!("function.module: {}: {error}", loaded.spec.function.module))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String can't fail.
        let _ok = write!(text, "{byte:02x}");
        text
    })
}

fn plan_text(plan: &Plan) -> String {
    let task = &plan.task;
    let (rows, cols) = task.tiling.tile_size();
    let mut text = format!(
        "{}: {} × {} pixels in {} tiles of {cols} × {rows}, {} threads",
        task.function,
        task.grid.cols,
        task.grid.rows,
        task.tiling.count(),
        plan.threads
    );
    if task.halo > 0 {
        let _ok = write!(text, ", halo {}", task.halo);
    }
    for input in &task.inputs {
        for raster in &input.rasters {
            let _ok = write!(text, "\n  {:<12} <- {} ({} bands as {})", input.name, raster.path, raster.bands.len(), raster.dtype.name());
        }
    }
    for (output, targets) in task.outputs.iter().zip(&plan.outputs) {
        for target in targets {
            let nodata = target.nodata.map_or_else(|| "no nodata".into(), |n| format!("nodata {n}"));
            let _ok = write!(text, "\n  {:<12} -> {} ({}, {nodata})", output.name, target.path, output.dtype.name());
        }
    }
    text
}

fn plan_json(plan: &Plan) -> serde_json::Value {
    let task = &plan.task;
    let (rows, cols) = task.tiling.tile_size();
    json!({
        "function": task.function,
        "grid": { "rows": task.grid.rows, "cols": task.grid.cols, "geotransform": task.grid.transform.0, "crs": &*task.grid.crs.0 },
        "tile": [cols, rows],
        "tiles": task.tiling.count(),
        "halo": task.halo,
        "threads": plan.threads,
        "tile_bytes": crate::worker::working_set(task, rows, cols),
        "inputs": task.inputs.iter().map(|i| json!({
            "name": i.name,
            "files": i.rasters.iter().map(|r| json!({ "path": r.path, "bands": r.source.bands, "dtype": r.dtype.name() })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "outputs": task.outputs.iter().zip(&plan.outputs).map(|(o, targets)| json!({
            "name": o.name,
            "dtype": o.dtype.name(),
            "files": targets.iter().map(|t| &t.path).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "warnings": plan.warnings,
    })
}

fn report_text(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.outputs {
        let _ok = writeln!(text, "wrote {} ({})", file.path, bytes(file.bytes));
    }
    if let Some(result) = &report.result {
        let _ok = writeln!(text, "result {result:#}");
    }
    let tiles = &report.tiles;
    let _ok = write!(text, "{} tiles in {:.2} s", tiles.done + tiles.skipped, report.wall_seconds);
    if tiles.skipped > 0 {
        let _ok = write!(text, " ({} without data left out)", tiles.skipped);
    }
    let s = &report.seconds;
    let _ok = write!(
        text,
        ", {} read, {} written, peak memory {}\n  seconds of all threads: prepare {:.2}, read {:.2}, run {:.2}, write {:.2}, wait {:.2}, finish {:.2}",
        bytes(report.bytes_in),
        bytes(report.bytes_out),
        bytes(report.peak_memory),
        s.prepare,
        s.read,
        s.run,
        s.write,
        s.wait,
        s.finish
    );
    text
}

/// A size for people.
fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}
