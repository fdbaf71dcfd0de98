//! Plans and reports, for people and for programs.

use super::fatal::Fatal;
use super::fleets;
use controller::{Plan, Report};
use job::spec::Workers;
use raster::{Burn, BurnSpec, CoverageSpec, Finishing, SourceSpec, Way};
use serde::Serialize;
use serde_json::json;
use std::fmt::{Display, Write};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;
use worker::{PixelSource, Raster};

/// Files of a list that people are shown; programs get all.
const SHOWN: usize = 20;

/// The plan for people and for programs, with what its workers will cost.
pub fn described(plan: &Plan, workers: &Workers) -> (String, serde_json::Value) {
    let (mut text, mut json) = (plan_text(plan), plan_json(plan));
    if workers.ecs().is_none() {
        return (text, json);
    }
    match fleets::estimate(workers) {
        Some((estimate, detail)) => {
            text.push_str(&format!("\n  {estimate}"));
            if let Some(plan) = json.as_object_mut() {
                plan.insert("workers_cost".to_owned(), detail);
            }
        }
        None => text.push_str("\n  what the workers cost is not known; set hourly_price in the section of their kind"),
    }
    let (quotas, detail) = fleets::quotas(workers);
    for quota in quotas {
        text.push_str(&format!("\n  {quota}"));
    }
    if let Some(plan) = json.as_object_mut() {
        plan.insert("workers_quotas".to_owned(), detail);
    }
    (text, json)
}

/// A plan for people.
fn plan_text(plan: &Plan) -> String {
    let task = &plan.task;
    let (rows, cols) = task.tiling.tile_size();
    let mut text = format!(
        "{}: {} × {} pixels in {} of {cols} × {rows}, {}",
        task.function,
        task.grid.cols,
        task.grid.rows,
        several(task.tiling.count(), "tile"),
        several(plan.threads, "thread")
    );
    if task.halo > 0 {
        let _ok = write!(text, ", halo {}", task.halo);
    }
    for input in &task.inputs {
        for raster in input.rasters.iter().take(SHOWN) {
            let _ok = write!(
                text,
                "\n  {:<12} <- {} ({} as {}{})",
                input.name,
                raster.path,
                what(&raster.source),
                raster.dtype.name(),
                way(&raster.source)
            );
        }
        more(&mut text, &input.name, "<-", input.rasters.len());
    }
    for (output, targets) in task.outputs.iter().zip(&plan.outputs) {
        for target in targets.iter().take(SHOWN) {
            let nodata = target.nodata.map_or_else(|| "no nodata".into(), |n| format!("nodata {n}"));
            let _ok = write!(text, "\n  {:<12} -> {} ({}, {nodata})", output.name, target.path, output.dtype.name());
            for Finishing { step, second_pass } in target.finishing() {
                let _ok = match second_pass {
                    None => write!(text, "\n    {step} while tiles pass"),
                    Some(reason) => write!(text, "\n    {step} in a second pass over the file: {reason}"),
                };
            }
        }
        more(&mut text, &output.name, "->", targets.len());
    }
    text
}

/// What is read of a file.
fn what(source: &PixelSource) -> String {
    match source {
        PixelSource::Read(spec) => several(spec.bands.len(), "band"),
        PixelSource::Mosaic(spec) => several(spec.parts.first().map_or(0, |part| part.bands.len()), "band"),
        PixelSource::Burned(spec) | PixelSource::Covered(CoverageSpec { burn: spec, .. }) => {
            format!("layer {}", spec.layer)
        }
    }
}

/// How a file gets onto the grid, if its pixels aren't the grid's already.
fn way(source: &PixelSource) -> String {
    match source {
        PixelSource::Burned(_) => ", burned".to_owned(),
        PixelSource::Covered(spec) => {
            format!(", parts of pixels covered by up to {}", several(spec.most, "value"))
        }
        PixelSource::Mosaic(spec) => {
            // All files are resampled in the same way, if they are.
            let ways = spec.parts.iter().map(|part| way_of_file(&part.way));
            let way = ways.max_by_key(String::len).unwrap_or_default();
            format!(", mosaic of {}: {}{way}", spec.parts.len(), spec.rule.name())
        }
        PixelSource::Read(spec) => way_of_file(&spec.way),
    }
}

fn way_of_file(way: &Way) -> String {
    match way {
        Way::Aligned(_) => String::new(),
        Way::Resampled(how) => {
            let verb = if how.reprojects { "reprojected" } else { "resampled" };
            let of = how.overview.map_or_else(String::new, |level| format!(" of overview {level}"));
            format!(", {verb}: {}{of}", how.method.name())
        }
    }
}

/// The overview that is read in place of a file's own pixels, from 0.
fn overview(spec: &SourceSpec) -> Option<u32> {
    match &spec.way {
        Way::Aligned(_) => None,
        Way::Resampled(how) => how.overview,
    }
}

fn resampling(spec: &SourceSpec) -> Option<&'static str> {
    match &spec.way {
        Way::Aligned(_) => None,
        Way::Resampled(how) => Some(how.method.name()),
    }
}

/// A file for programs.
fn file_json(raster: &Raster) -> serde_json::Value {
    let dtype = raster.dtype.name();
    match &raster.source {
        PixelSource::Read(spec) => json!({
            "path": raster.path,
            "bands": spec.bands.iter().map(|band| band.number).collect::<Vec<_>>(),
            "dtype": dtype,
            "resampling": resampling(spec),
            "overview": overview(spec),
        }),
        PixelSource::Mosaic(spec) => json!({
            "paths": spec.parts.iter().map(|part| &part.path).collect::<Vec<_>>(),
            "mosaic": spec.rule.name(),
            "dtype": dtype,
            "resampling": spec.parts.iter().find_map(resampling),
        }),
        PixelSource::Burned(spec) => layer_json(spec, dtype, None),
        PixelSource::Covered(spec) => layer_json(&spec.burn, dtype, Some(spec.most)),
    }
}

/// A layer for programs. `most`: if parts of pixels are measured, the most values that meet in a pixel.
fn layer_json(spec: &BurnSpec, dtype: &str, most: Option<u32>) -> serde_json::Value {
    json!({
        "path": spec.path,
        "layer": spec.layer,
        "burn_attribute": match &spec.burn {
            Burn::Value(_) => None,
            Burn::Attribute(name) => Some(name),
        },
        "where": spec.filter,
        "dtype": dtype,
        "coverage": most,
    })
}

/// Says how many files of a list are not shown.
fn more(text: &mut String, name: &str, arrow: &str, files: usize) {
    if let Some(more) = files.checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ok = write!(text, "\n  {name:<12} {arrow} and {more} more");
    }
}

/// A plan for programs.
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
        "tile_bytes": worker::working_set(task, rows, cols, task.halo),
        "inputs": task.inputs.iter().map(|i| json!({
            "name": i.name,
            "files": i.rasters.iter().map(file_json).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "outputs": task.outputs.iter().zip(&plan.outputs).map(|(o, targets)| json!({
            "name": o.name,
            "dtype": o.dtype.name(),
            "files": targets.iter().map(|t| &t.path).collect::<Vec<_>>(),
            "finishing": targets.first().map(|t| t.finishing()).unwrap_or_default().iter().map(|f| json!({
                "step": f.step,
                "second_pass": f.second_pass,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "warnings": plan.warnings,
    })
}

/// Refuses a place for the report that can't be written to, before the work is done.
pub fn check_place(path: &Path) -> Result<(), Fatal> {
    let refuse = |why: String| Fatal::usage(format!("--report {}: {why}", path.display()));
    let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(refuse("it is a folder".into())),
        // An old report stays until the new one is written.
        Ok(meta) if meta.is_file() => {
            OpenOptions::new().append(true).open(path).map(drop).map_err(|e| refuse(format!("can't write it: {e}")))
        }
        // Opening a pipe could block until it has a reader.
        Ok(_) => Ok(()),
        Err(_) if !folder.is_dir() => Err(refuse(format!("the folder {} doesn't exist", folder.display()))),
        Err(_) => raster::probe(&path.to_string_lossy()).map(drop).map_err(refuse),
    }
}

/// Writes a report to where the user wants it. The error names the file.
pub fn write(path: &Path, report: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(report).map_err(|e| e.to_string());
    let written =
        text.and_then(|text| fs::write(path, types::text::json(&text).into_owned() + "\n").map_err(|e| e.to_string()));
    written.map_err(|e| format!("{}: {e}", path.display()))
}

/// The report of a job that ended before it began.
pub fn early(job: &str, fatal: &Fatal, after: Duration) -> serde_json::Value {
    json!({
        "tilefn": env!("CARGO_PKG_VERSION"),
        "exit_code": fatal.code,
        "error": fatal.text,
        "job": { "path": job },
        "wall_seconds": after.as_secs_f64(),
    })
}

/// A report for people.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for file in report.outputs.iter().take(SHOWN) {
        let _ok = writeln!(text, "wrote {} ({})", file.path, bytes(file.bytes));
    }
    if let Some(more) = report.outputs.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ok = writeln!(text, "and {more} more files");
    }
    if let Some(result) = &report.result {
        // As JSON's own escapes, so that it stays JSON for who copies it.
        let _ok = writeln!(text, "result {}", types::text::json(&format!("{result:#}")));
    }
    let tiles = &report.tiles;
    let _ok = write!(text, "{} in {:.2} s", several(tiles.done + tiles.skipped, "tile"), report.wall_seconds);
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
    if let Some(usage) = &report.aws {
        let _ok = write!(text, "\n{usage}");
    }
    text
}

/// A number of things for people.
fn several<N: PartialEq + From<u8> + Display>(number: N, thing: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A size for people.
fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}
