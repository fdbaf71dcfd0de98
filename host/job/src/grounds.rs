//! The grounds of a job: everything its results depend on. A run can be resumed only while they are the same.

use super::plan::{Survey, in_threads, sha256};
use super::spec::{Input, Output, Spec};
use controller::Ground;
use raster::{Fingerprint, fingerprints};
use serde::Serialize;
use types::location::is_remote;
use types::{Location, ParamFile, Value};

/// The grounds of a job. `function`: its name; `module_sha256`: its module's hash. Files count with all files that they refer to.
pub fn grounds(spec: &Spec, survey: &Survey, function: &str, module_sha256: &str) -> Vec<Ground> {
    let mut grounds = vec![
        ground("tilefn", env!("CARGO_PKG_VERSION")),
        ground("GDAL", raster::gdal_version()),
        ground("the function", format!("{function}, of the module with sha256 {module_sha256}")),
        ground("limits", json(&spec.limits)),
    ];
    // The size of tiles is no ground: it doesn't change pixels. Nor are the workers.
    let grid = super::spec::Grid { tile: None, ..spec.grid.clone() };
    grounds.push(ground("grid", json(&grid)));
    grounds.extend(spec.params.iter().map(|(name, value)| ground(&format!("params.{name}"), json(value))));
    grounds.extend(spec.params.iter().filter_map(|(name, value)| match value {
        // A file that can't be read is a mistake of the plan's.
        Value::File(file) => Some(ground(&format!("params.{name}: {}", file.file), content(file))),
        _ => None,
    }));
    grounds.extend(spec.inputs.iter().map(|(name, input)| ground(&format!("inputs.{name}"), json(input))));
    let output = |(name, output): (&String, &Output)| ground(&format!("outputs.{name}"), json(output));
    grounds.extend(spec.outputs.iter().map(output));
    for (what, file) in files(spec, survey) {
        grounds.push(ground(&format!("{what}: {}", file.file), file.state));
    }
    grounds
}

/// The fingerprints of all files, each with its use in the job.
fn files(spec: &Spec, survey: &Survey) -> Vec<(String, Fingerprint)> {
    let mut paths: Vec<(String, &str)> = Vec::new();
    for (name, input) in &spec.inputs {
        let what = |path| (format!("input {name}"), Location::as_str(path));
        match input {
            Input::Raster(input) => paths.extend(input.files.paths().map(what)),
            Input::Vector(input) => paths.push(what(&input.vector)),
        }
    }
    let reference = spec.grid.reference.iter().filter(|name| !spec.inputs.contains_key(*name));
    paths.extend(reference.map(|path| ("grid.reference".to_owned(), path.as_str())));
    paths.extend(spec.grid.extent_from.iter().flatten().map(|path| ("grid.extent_from".to_owned(), path.as_str())));
    let (remote, local): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(_, path)| is_remote(path));
    let look = |(what, path): &(String, &str)| -> Vec<(String, Fingerprint)> {
        let files = survey.files(path);
        fingerprints(path, files).into_iter().map(|file| (what.clone(), file)).collect()
    };
    let look_at = |paths: &[_]| paths.iter().flat_map(look).collect::<Vec<_>>();
    look_at(&local).into_iter().chain(in_threads(&remote, look_at)).collect()
}

/// What is in a parameter's file.
fn content(file: &ParamFile) -> String {
    std::fs::read(file.file.as_str()).map_or_else(|error| error.to_string(), |bytes| sha256(&bytes))
}

fn ground(what: &str, state: impl Into<String>) -> Ground {
    Ground { what: what.into(), state: state.into() }
}

fn json(value: &impl Serialize) -> String {
    // Values that were read from JSON or TOML can be written, so this can't fail.
    serde_json::to_string(value).unwrap_or_default()
}
