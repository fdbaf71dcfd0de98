//! Refuses, before the first tile, a job that is too large for the wire or for the system.

use super::draft::Draft;
use types::WorkerKind;
use wire::{MAX_BANDS, MAX_RASTERS};
use worker::open_files;
use worker::{Task, remote::MAX_SETUP};

/// Most output files: the sandbox takes so many results of a call.
const MAX_OUTPUTS: u64 = 65_536;

/// Checks the finished task against all bounds.
pub fn check(draft: &mut Draft<'_>, task: &Task) {
    for input in &task.inputs {
        if let Some(raster) = input.rasters.iter().find(|r| r.bands.len() > MAX_BANDS) {
            let (bands, path) = (raster.bands.len(), &raster.path);
            let message = format!("{bands} bands of {path}, the limit is {MAX_BANDS}");
            draft.wrong(format!("inputs.{}.bands", input.name), message);
        }
    }
    // An output is open from the first tile to the last.
    let outputs: u64 = task.outputs.iter().map(|o| u64::from(o.rasters)).sum();
    let room = open_files::room() as u64;
    if outputs > MAX_OUTPUTS {
        let message = format!("{outputs} files, the limit is {MAX_OUTPUTS}");
        draft.wrong("outputs", message).hint("make several jobs of it");
    } else if outputs > room {
        let message =
            format!("{outputs} files are written at the same time, and the system allows {room} more open files");
        draft.wrong("outputs", message).hint("raise the hard limit (ulimit -Hn), or make several jobs of it");
    }
    if draft.loaded.spec.workers.kind == WorkerKind::Threads {
        return;
    }
    let hint = "make several jobs of it, or use workers.kind = \"threads\", which needs no messages";
    let files: usize = task.inputs.iter().map(|i| i.rasters.len()).sum();
    if files > usize::try_from(MAX_RASTERS).unwrap_or(usize::MAX) {
        draft.wrong("inputs", format!("{files} files, workers can be told of {MAX_RASTERS}")).hint(hint);
    }
    match task.to_bytes() {
        Ok(bytes) if bytes.len() as u64 > MAX_SETUP => {
            let message = format!(
                "the job's paths, bands and parameters take {} bytes, workers can be sent {MAX_SETUP}",
                bytes.len()
            );
            draft.wrong("inputs", message).hint(hint);
        }
        Ok(_) => {}
        Err(error) => _ = draft.wrong("function", format!("can't be sent to workers: {error}")),
    }
}
