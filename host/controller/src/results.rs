//! Results of remote workers: checks them against the plan, since a worker may be broken or hostile, and hands them in.

use super::error::Error;
use super::job_state::JobState;
use grid::Tile;
use types::tally::{Tally, What};
use wire::{Payload, RasterHead};
use worker::Task;

/// Checks that rasters have the types and shapes that the plan has for `tile`.
pub fn check_rasters(task: &Task, tile: &Tile, outputs: &[Vec<RasterHead>]) -> Result<(), wire::Error> {
    let wrong = |what: String| Err(wire::Error::Malformed(format!("the result of tile {}: {what}", tile.index)));
    let wanted = &task.outputs;
    if outputs.len() != wanted.len() {
        return wrong(format!("{} outputs instead of {}", outputs.len(), wanted.len()));
    }
    for (output, rasters) in wanted.iter().zip(outputs) {
        if rasters.len() != output.rasters as usize {
            return wrong(format!("{} rasters of {} instead of {}", rasters.len(), output.name, output.rasters));
        }
        for raster in rasters {
            if raster.dtype != output.dtype
                || (raster.rows, raster.cols) != (tile.window.rows, tile.window.cols)
                || raster.bands == 0
            {
                return wrong(format!("a raster of {} with another type or shape than the tile's", output.name));
            }
        }
    }
    Ok(())
}

/// Checks that counted pixels are of inputs and outputs that the job has.
pub fn check_tally(task: &Task, tile: &Tile, tally: &Tally) -> Result<(), wire::Error> {
    let places = |what: What| if what.of_inputs() { task.inputs.len() } else { task.outputs.len() };
    if tally.counts().iter().any(|count| count.place as usize >= places(count.what)) {
        let what = format!("the result of tile {}: pixels of an input or output that the job doesn't have", tile.index);
        return Err(wire::Error::Malformed(what));
    }
    Ok(())
}

/// Hands in a tile's result, which was checked. False when another worker was faster.
pub fn hand_in(
    job_state: &JobState,
    tile: &Tile,
    outputs: &[Vec<RasterHead>],
    payload: &Payload,
    tally: &Tally,
) -> Result<bool, Error> {
    let heads = outputs
        .iter()
        .enumerate()
        .flat_map(|(o, rasters)| rasters.iter().enumerate().map(move |(r, head)| (o, r, head.bands)));
    let rasters = heads.zip(payload.parts()).map(|((o, r, bands), pixels)| (o, r, bands, pixels));
    let state = payload.len().checked_sub(1).and_then(|last| payload.part(last)).unwrap_or_default();
    job_state.done(tile, rasters, state, tally)
}
