//! Plans and reports, for people and for programs.

use super::Fatal;
use crate::controller::{Plan, Report};
use serde_json::json;
use std::fmt::{Display, Write};
use std::path::Path;

/// A plan for people.
pub fn plan_text(plan: &Plan) -> String {
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
        for raster in &input.rasters {
            let _ok = write!(
                text,
                "\n  {:<12} <- {} ({} as {})",
                input.name,
                raster.path,
                several(raster.bands.len(), "band"),
                raster.dtype.name()
            );
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

/// A plan for programs.
pub fn plan_json(plan: &Plan) -> serde_json::Value {
    let task = &plan.task;
    let (rows, cols) = task.tiling.tile_size();
    json!({
        "function": task.function,
        "grid": { "rows": task.grid.rows, "cols": task.grid.cols, "geotransform": task.grid.transform.0, "crs": &*task.grid.crs.0 },
        "tile": [cols, rows],
        "tiles": task.tiling.count(),
        "halo": task.halo,
        "threads": plan.threads,
        "tile_bytes": crate::worker::working_set(task, rows, cols, task.halo),
        "inputs": task.inputs.iter().map(|i| json!({
            "name": i.name,
            "files": i.rasters.iter().map(|r| json!({ "path": r.path, "bands": r.source.bands.iter().map(|band| band.number).collect::<Vec<_>>(), "dtype": r.dtype.name() })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "outputs": task.outputs.iter().zip(&plan.outputs).map(|(o, targets)| json!({
            "name": o.name,
            "dtype": o.dtype.name(),
            "files": targets.iter().map(|t| &t.path).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "warnings": plan.warnings,
    })
}

/// Refuses a place for the report that can't be written to, before the work is done.
pub fn check_place(path: &Path) -> Result<(), Fatal> {
    let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Err(Fatal::usage(format!("--report {}: it is a folder", path.display())));
    }
    if !folder.is_dir() {
        return Err(Fatal::usage(format!(
            "--report {}: the folder {} doesn't exist",
            path.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// A report for people.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.outputs {
        let _ok = writeln!(text, "wrote {} ({})", file.path, bytes(file.bytes));
    }
    if let Some(result) = &report.result {
        let _ok = writeln!(text, "result {result:#}");
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
