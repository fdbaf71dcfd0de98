//! What neither the wire nor the system can carry is refused before the first tile.

use crate::spec::WorkerKind;
use crate::{Loaded, Mistakes};
use wire::{MAX_BANDS, MAX_RASTERS};
use worker::open_files;
use worker::{Task, remote::MAX_SETUP};

/// Output files that a module's results can have: what the sandbox takes of a call.
const MAX_OUTPUTS: u64 = 65_536;

/// Holds the finished task against all such bounds.
pub fn check(loaded: &Loaded, task: &Task, mistakes: &mut Mistakes) {
    for input in &task.inputs {
        if let Some(raster) = input.rasters.iter().find(|r| r.bands.len() > MAX_BANDS) {
            let (bands, path) = (raster.bands.len(), &raster.path);
            add(
                loaded,
                mistakes,
                &format!("inputs.{}.bands", input.name),
                format!("{bands} bands of {path}, the limit is {MAX_BANDS}"),
                "",
            );
        }
    }
    // An output is open from the first tile to the last.
    let outputs: u64 = task.outputs.iter().map(|o| u64::from(o.rasters)).sum();
    let room = open_files::room() as u64;
    if outputs > MAX_OUTPUTS {
        add(
            loaded,
            mistakes,
            "outputs",
            format!("{outputs} files, the limit is {MAX_OUTPUTS}"),
            "make several jobs of it",
        );
    } else if outputs > room {
        let message =
            format!("{outputs} files are written at the same time, and the system allows {room} more open files");
        add(loaded, mistakes, "outputs", message, "raise the hard limit (ulimit -Hn), or make several jobs of it");
    }
    if loaded.spec.workers.kind == WorkerKind::Threads {
        return;
    }
    let hint = "make several jobs of it, or use workers.kind = \"threads\", which needs no messages";
    let files: usize = task.inputs.iter().map(|i| i.rasters.len()).sum();
    if files > usize::try_from(MAX_RASTERS).unwrap_or(usize::MAX) {
        add(loaded, mistakes, "inputs", format!("{files} files, workers can be told of {MAX_RASTERS}"), hint);
    }
    match task.to_bytes() {
        Ok(bytes) if bytes.len() as u64 > MAX_SETUP => {
            let message = format!(
                "the job's paths, bands and parameters take {} bytes, workers can be sent {MAX_SETUP}",
                bytes.len()
            );
            add(loaded, mistakes, "inputs", message, hint);
        }
        Ok(_) => {}
        Err(error) => add(loaded, mistakes, "function", format!("can't be sent to workers: {error}"), ""),
    }
}

fn add(loaded: &Loaded, mistakes: &mut Mistakes, key: &str, message: String, hint: &str) {
    let mistake = mistakes.add(loaded.position(key), key, message);
    if !hint.is_empty() {
        mistake.hint(hint);
    }
}
