//! From spec to plan: opens every path, checks every type and parameter against the function, computes the grid and cuts it.
//!
//! Like the reader of the job file, the planner collects all mistakes and names their places.

mod advice;
mod bands;
mod block_cache;
mod bounds;
mod inputs;
mod outputs;
mod params;
mod places;
mod survey;
mod working_grid;

use super::{Loaded, Mistakes, spec};
use block_cache::{Tiles, block_cache};
use controller::{Job, Plan};
use grid::{TileBudget, Tiling, choose_tile};
use inputs::Opened;
use outputs::Planned;
use places::Places;
use raster::{SourceSpec, TargetSpec, gdal_path, is_remote};
use sandbox::{Description, Function, Halo, Limits, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
pub use survey::{Survey, in_threads};
use types::Edge;
use worker::{self, Task, working_set};

/// What the caller decides beyond the job file.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether outputs that exist may be replaced.
    pub overwrite: bool,
    /// Outputs that an earlier run, which this one goes on with, has made.
    pub made: BTreeSet<String>,
    /// Compute threads on this machine.
    pub threads: usize,
    /// The job file, if it is one.
    pub job_file: Option<String>,
    /// Where the run's report will be written, if anywhere.
    pub report: Option<String>,
}

/// The limits that a spec sets; the rest is the sandbox's.
pub fn limits(spec: &spec::Spec) -> Limits {
    Limits {
        memory: spec.limits.memory.0,
        time: spec.limits.time.duration(),
        fuel: (spec.limits.fuel > 0).then_some(spec.limits.fuel),
        ..Limits::default()
    }
}

/// Plans the job for `function`, which is the one that the spec names; `survey` is of the same spec.
pub fn plan(
    loaded: &Loaded,
    survey: &Survey,
    function: &Function,
    job: Job,
    options: &Options,
) -> Result<Plan, Mistakes> {
    let description = function.description();
    let spec = &loaded.spec;
    let mut mistakes = Mistakes::new();
    let mut warnings = Vec::new();
    let params = params::check(loaded, description, &mut mistakes);
    let opened = inputs::open(loaded, survey, description, &mut mistakes, &mut warnings);
    let mut places = Places::new(loaded, survey, options, &mut mistakes);
    outputs::check(loaded, description, &mut places, options, &mut mistakes);
    // Without all that there is no grid, and whatever is found then would only be a consequence.
    let placed = if mistakes.is_empty() {
        working_grid::place(loaded, survey, &opened, &mut mistakes, &mut warnings)
    } else {
        None
    };
    let Some(placed) = placed else { return Err(mistakes) };
    let place = outputs::Place::of(&placed.grid, loaded, survey, &opened);
    let outputs = outputs::plan(loaded, description, &opened, place, options, &mut mistakes, &mut warnings);
    let halo = halo(description, &params, &mut mistakes, loaded);
    // One tile for now: how the grid is cut depends on what the rest of the task takes.
    let tiling = match Tiling::new(placed.grid.rows, placed.grid.cols, placed.grid.rows, placed.grid.cols) {
        Ok(tiling) => tiling,
        Err(error) => {
            mistakes.add(loaded.position("grid"), "grid", error.to_string());
            return Err(mistakes);
        }
    };
    let mut task = Task {
        function: description.name.clone(),
        module_sha256: job.module_sha256.clone(),
        params,
        inputs: task_inputs(&opened, &placed, halo, spec),
        outputs: outputs.iter().map(|o| o.task.clone()).collect(),
        reduce: description.reduce,
        tiling,
        grid: placed.grid,
        halo,
        // Without a nodata value, what a tile that isn't run leaves behind would read as 0.
        skip_empty: spec.grid.skip_empty && outputs.iter().all(|o| o.task.rasters == 0 || o.task.nodata.is_some()),
        limits: limits(spec),
        block_cache: 0,
    };
    check_fill(loaded, &task, &opened, &mut mistakes);
    cut(loaded, &mut task, &opened, &outputs, options.threads, &mut mistakes);
    bounds::check(loaded, &task, &mut mistakes);
    let tile = task.tiling.tile_size();
    let tiles = Tiles { size: tile, halo: task.halo, cols: task.grid.cols, threads: options.threads };
    task.block_cache = block_cache(&opened, tiles);
    let outputs = outputs.into_iter().map(|o| o.targets.into_iter().map(|t| TargetSpec { tile, ..t }).collect());
    let mut plan = Plan { job, task: Arc::new(task), outputs: outputs.collect(), threads: options.threads, warnings };
    // What is wrong with one of them may be a consequence of something else.
    if mistakes.is_empty() {
        outputs::rehearse(loaded, &opened, &mut plan, &mut places, options, &mut mistakes);
    }
    mistakes.into_result(plan)
}

/// A name in the job file that the function doesn't have.
fn unknown(
    loaded: &Loaded,
    mistakes: &mut Mistakes,
    section: &str,
    what: &str,
    name: &str,
    description: &Description,
    known: &[&str],
) {
    let key = format!("{section}.{name}");
    let message = format!("the function {} has no {what} of this name", description.name);
    let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    mistakes.add(loaded.position(&key), key, message).hint(format!("it has: {list}"));
}

/// Extra pixels around every tile.
fn halo(description: &Description, params: &[Value], mistakes: &mut Mistakes, loaded: &Loaded) -> u32 {
    let name = match &description.halo {
        Halo::Fixed(pixels) => return *pixels,
        Halo::Param(name) => name,
    };
    let value = description.params.iter().position(|p| p.name == *name).and_then(|i| params.get(i));
    match value {
        Some(Value::Int(pixels)) if (0..=i64::from(MAX_HALO)).contains(pixels) => {
            u32::try_from(*pixels).unwrap_or(MAX_HALO)
        }
        value => {
            let key = format!("params.{name}");
            let found = value.map_or_else(|| "nothing".into(), ToString::to_string);
            mistakes.add(
                loaded.position(&key),
                key,
                format!("is the function's halo, so it must be from 0 to {MAX_HALO}; found {found}"),
            );
            0
        }
    }
}

/// Widest halo: beyond it a tile would be nearly all halo.
const MAX_HALO: u32 = 16_384;

fn task_inputs(opened: &[Opened], placed: &working_grid::Placed, halo: u32, spec: &spec::Spec) -> Vec<worker::Input> {
    let edge = match spec.grid.edge {
        spec::Edge::Nodata => Edge::Nodata,
        spec::Edge::Reflect => Edge::Reflect,
        spec::Edge::Nearest => Edge::Nearest,
    };
    let of_input = |(input, placements): (&Opened, &Vec<grid::Placement>)| worker::Input {
        name: input.name.clone(),
        lossy: input.files.iter().any(|file| file.lossy),
        rasters: input
            .files
            .iter()
            .zip(placements)
            .map(|(file, placement)| worker::Raster {
                path: file.path.clone(),
                dtype: file.dtype,
                bands: file
                    .bands
                    .iter()
                    .zip(&file.planned)
                    .map(|(band, planned)| worker::Band {
                        name: band
                            .checked_sub(1)
                            .and_then(|b| file.info.bands.get(b))
                            .map_or_else(String::new, |b| b.name.clone()),
                        nodata: planned.declared,
                    })
                    .collect(),
                source: SourceSpec {
                    path: file.path.clone(),
                    bands: file.planned.iter().map(|band| band.source).collect(),
                    dtype: file.dtype,
                    offset: placement.offset,
                    turn: placement.turn,
                    file_size: (file.info.grid.rows, file.info.grid.cols),
                    grid_size: (placed.grid.rows, placed.grid.cols),
                    halo,
                    edge,
                },
            })
            .collect(),
    };
    opened.iter().zip(&placed.placements).map(of_input).collect()
}

/// An integer band without nodata has nothing to stand for pixels beyond its file.
fn check_fill(loaded: &Loaded, task: &Task, opened: &[Opened], mistakes: &mut Mistakes) {
    let halo =
        if task.inputs.iter().flat_map(|i| &i.rasters).any(|r| r.source.edge == Edge::Nodata) { task.halo } else { 0 };
    let Some(needed) = task.grid.window().padded(halo) else { return };
    for (input, files) in task.inputs.iter().zip(opened) {
        for (raster, file) in input.rasters.iter().zip(&files.files) {
            let (rows, cols) = raster.source.file_size;
            let covered = raster.source.offset.window(rows, cols);
            if raster.source.bands.iter().all(|band| band.mark.is_some()) || covered.contains(&needed) {
                continue;
            }
            let key = format!("inputs.{}", input.name);
            let why =
                if covered.contains(&task.grid.window()) { "the halo reaches" } else { "the working grid reaches" };
            mistakes
                .add(
                    loaded.position(&key),
                    key,
                    format!("{why} beyond {}, and its type, {}, has no nodata value to fill with", file.path, raster.dtype.name()),
                )
                .hint("set nodata of this input; or let the function take float32; or set grid.edge to \"reflect\" or \"nearest\"");
        }
    }
}

/// Cuts the grid: as the job says, or as suits the files, the memory limit and the number of threads.
fn cut(
    loaded: &Loaded,
    task: &mut Task,
    opened: &[Opened],
    outputs: &[Planned],
    threads: usize,
    mistakes: &mut Mistakes,
) {
    let (rows, cols) = match loaded.spec.grid.tile {
        Some([cols, rows]) => (rows, cols),
        None => {
            // Other outputs get blocks that suit the tiles.
            let given: Vec<_> = outputs.iter().flat_map(|o| &o.targets).filter_map(TargetSpec::given_block).collect();
            let blocks: Vec<_> = blocks(opened).chain(given.iter().copied()).collect();
            let remote = opened.iter().flat_map(|i| &i.files).any(|f| is_remote(&gdal_path(&f.path)));
            // What the function allocates on the way is its own affair; twice the pixels leaves room for it.
            let budget = TileBudget {
                memory: task.limits.memory.min(TILES_MEMORY),
                bytes_per_pixel: working_set(task, 1, 1, 0).max(1).saturating_mul(2),
                halo: task.halo,
                threads: u32::try_from(threads).unwrap_or(u32::MAX),
                // Blocks side by side take fewer requests, and a halo around a square is smaller.
                tall: !given.is_empty() && task.halo == 0 && !remote,
            };
            choose_tile(&blocks, (task.grid.rows, task.grid.cols), &budget)
        }
    };
    match Tiling::new(task.grid.rows, task.grid.cols, rows, cols) {
        Ok(tiling) => task.tiling = tiling,
        Err(error) => {
            mistakes.add(loaded.position("grid.tile"), "grid.tile", error.to_string());
            return;
        }
    }
    let set = working_set(task, rows.min(task.grid.rows), cols.min(task.grid.cols), task.halo);
    if set > task.limits.memory {
        mistakes
            .add(
                loaded.position("limits.memory"),
                "limits.memory",
                format!(
                    "a tile of {cols} × {rows} pixels takes {set} bytes for its inputs and outputs alone, the limit is {}",
                    loaded.spec.limits.memory
                ),
            )
            .hint("raise limits.memory, or set a smaller grid.tile");
    }
}

/// Rows and columns of the blocks of all input files.
fn blocks(opened: &[Opened]) -> impl Iterator<Item = (u32, u32)> {
    opened.iter().flat_map(|i| &i.files).flat_map(|f| f.info.bands.first()).map(|b| b.block)
}

/// Memory that all tiles under way may take together, bytes.
const TILES_MEMORY: u64 = 256 << 20;
