//! From spec to plan: opens every path, checks every type and parameter against the function, computes the grid and cuts it.
//!
//! Like the reader of the job file, the planner collects all mistakes and names their places.

mod advice;
mod bands;
mod block_cache;
mod bounds;
mod crs;
mod draft;
mod inputs;
mod outputs;
mod params;
mod places;
mod reduced;
mod reference;
mod room;
mod survey;
mod vectors;
mod working_grid;

use super::{Mistakes, spec};
use block_cache::{Tiles, block_cache};
use controller::Plan;
use draft::Draft;
pub use draft::Planning;
use grid::{TileBudget, Tiling, choose_tile};
use inputs::{Opened, OpenedFile};
use outputs::Planned;
pub use params::{convert as param_value, sha256};
use places::Places;
use raster::{MosaicSpec, Source, SourceSpec, TargetSpec, Way};
use sandbox::Halo;
use std::sync::Arc;
pub use survey::{Survey, in_threads};
use types::location::is_remote;
use types::{Edge, MosaicRule, Value, WorkerKind};
use worker::{self, PixelSource, Task, working_set};

impl Planning<'_> {
    /// Plans the job.
    ///
    /// # Errors
    /// All mistakes, if there are any.
    pub fn plan(&self) -> Result<Plan, Mistakes> {
        let draft = &mut Draft {
            planning: self,
            loaded: self.loaded,
            survey: self.survey,
            description: self.function.description(),
            mistakes: Mistakes::new(),
            warnings: Vec::new(),
        };
        let plan = plan(draft);
        let mistakes = std::mem::take(&mut draft.mistakes);
        match plan {
            Some(plan) => mistakes.into_result(plan),
            None => Err(mistakes),
        }
    }
}

/// The plan; none where a mistake leaves nothing to go on with.
fn plan(draft: &mut Draft<'_>) -> Option<Plan> {
    let Draft { planning, loaded, description, .. } = *draft;
    let (spec, threads) = (&loaded.spec, planning.threads);
    let params = params::check(draft);
    let opened = inputs::open(draft);
    let mut places = Places::new(draft);
    outputs::check(draft, &mut places);
    reduced::check(draft, &mut places);
    // The grid needs all inputs, so mistakes found after a mistake here would only be its consequences.
    if !draft.mistakes.is_empty() {
        return None;
    }
    let placed = working_grid::place(draft, &opened)?;
    let place = outputs::Georeference::of(&placed.grid, draft, &opened);
    let mut outputs = outputs::plan(draft, &opened, place);
    let halo = halo(draft, &params);
    let params_sha256 = params::file_sha256(&description.params, &params);
    // The grid is one tile for now: the size of tiles depends on the memory that the rest of the task takes.
    let tiling = Tiling::new(placed.grid.rows, placed.grid.cols, placed.grid.rows, placed.grid.cols);
    let tiling = tiling.map_err(|error| _ = draft.wrong("grid", error.to_string())).ok()?;
    let mut task = Task {
        function: description.name.clone(),
        module_sha256: planning.job.module_sha256.clone(),
        params,
        inputs: task_inputs(&opened, &placed, halo, spec),
        outputs: outputs.iter().map(|o| o.task.clone()).collect(),
        reduce: description.reduce,
        tiling,
        grid: placed.grid,
        halo,
        // Skipped tiles need a nodata value: without one their pixels would read as 0.
        skip_empty: spec.grid.skip_empty && outputs.iter().all(|o| o.task.rasters == 0 || o.task.nodata.is_some()),
        limits: spec.limits.sandbox(),
        block_cache: 0,
    };
    vectors::look(draft, &mut task);
    check_fill(draft, &task, &opened);
    check_resampled(draft, &task);
    cut(draft, &mut task, &opened, &outputs);
    bounds::check(draft, &task);
    let tile = task.tiling.tile_size();
    let in_turns = spec.workers.kind != WorkerKind::Threads && spec.workers.reads == spec::Reads::Controller;
    let tiles = Tiles { size: tile, halo: task.halo, cols: task.grid.cols, threads, in_turns };
    task.block_cache = block_cache(&opened, tiles);
    outputs.iter_mut().flat_map(|output| &mut output.targets).for_each(|target| target.tile = tile);
    // The rehearsal needs a plan without mistakes: its failures would be consequences.
    if draft.mistakes.is_empty() {
        outputs::rehearse(draft, &opened, &mut outputs, &mut places);
        room::check(draft, &outputs);
    }
    Some(Plan {
        job: controller::Job { params_sha256, ..planning.job.clone() },
        task: Arc::new(task),
        outputs: outputs.into_iter().map(|output| output.targets).collect(),
        reduced: spec.reduced.as_ref().map(|file| file.path.to_string()),
        threads,
        warnings: std::mem::take(&mut draft.warnings),
    })
}

/// Extra pixels around every tile.
fn halo(draft: &mut Draft<'_>, params: &[Value]) -> u32 {
    let description = draft.description;
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
            draft.wrong(key, format!("is the function's halo, so it must be from 0 to {MAX_HALO}; found {found}"));
            0
        }
    }
}

/// Widest halo: beyond it a tile would be nearly all halo.
const MAX_HALO: u32 = 16_384;

fn task_inputs(opened: &[Opened], placed: &working_grid::Placed, halo: u32, spec: &spec::Spec) -> Vec<worker::Input> {
    let of_input = |(input, ways): (&Opened, &Vec<Way>)| worker::Input {
        name: input.name.clone(),
        lossy: input.files.iter().any(|file| file.lossy),
        rasters: mosaicked(
            input
                .files
                .iter()
                .zip(ways)
                .map(|(file, way)| {
                    let source = SourceSpec {
                        path: file.path.clone(),
                        bands: planned(file, way, input.mosaic).map(|band| band.source).collect(),
                        dtype: file.dtype,
                        way: way.clone(),
                        file_size: (file.info.grid.rows, file.info.grid.cols),
                        grid_size: (placed.grid.rows, placed.grid.cols),
                        halo,
                        edge: spec.grid.edge,
                    };
                    (bands_of(file, way, input.mosaic), source)
                })
                .collect(),
            input.mosaic,
        )
        .into_iter()
        .chain(input.vector.iter().map(|layer| layer.raster(&placed.grid, halo, spec.grid.edge)))
        .collect(),
    };
    opened.iter().zip(&placed.ways).map(of_input).collect()
}

/// What the function is told of a file's bands.
fn bands_of(file: &OpenedFile, way: &Way, mosaic: Option<MosaicRule>) -> Vec<worker::Band> {
    let name = |band: &usize| band.checked_sub(1).and_then(|b| file.info.bands.get(b)).map(|b| b.name.clone());
    let band = |(band, planned): (&usize, bands::Planned)| worker::Band {
        name: name(band).unwrap_or_default(),
        nodata: planned.declared,
    };
    file.bands.iter().zip(planned(file, way, mosaic)).map(band).collect()
}

/// The rasters that the function gets of these files: each, or all as one.
fn mosaicked(files: Vec<(Vec<worker::Band>, SourceSpec)>, rule: Option<MosaicRule>) -> Vec<worker::Raster> {
    let (Some(rule), Some((bands, first))) = (rule, files.first().cloned()) else {
        let raster = |(bands, source): (_, SourceSpec)| worker::Raster {
            path: source.path.clone(),
            dtype: source.dtype,
            bands,
            source: PixelSource::Read(source),
        };
        return files.into_iter().map(raster).collect();
    };
    let mosaic = MosaicSpec::new(files.into_iter().map(|(_, source)| source).collect(), rule, first.dtype);
    let nodata = mosaic.declared(first.dtype);
    let path = match mosaic.parts.len() {
        1 => first.path,
        n => format!("{} and {} other files", first.path, n - 1),
    };
    let bands = bands.into_iter().map(|band| worker::Band { nodata, ..band }).collect();
    vec![worker::Raster { path, dtype: first.dtype, bands, source: PixelSource::Mosaic(mosaic) }]
}

/// How a file's bands are read, given how it gets onto the grid. Resampled files and parts of a mosaic have pixels without a value.
fn planned<'a>(
    file: &'a OpenedFile,
    way: &'a Way,
    mosaic: Option<MosaicRule>,
) -> impl Iterator<Item = bands::Planned> + 'a {
    file.planned.iter().map(move |planned| match way {
        Way::Aligned(_) if mosaic.is_none() => *planned,
        Way::Aligned(_) | Way::Resampled(_) => planned.with_gaps(file.dtype),
    })
}

/// Refuses a file that can't be resampled, which opening it shows. Of files that are alike one is opened.
fn check_resampled(draft: &mut Draft<'_>, task: &Task) {
    let mut seen: Vec<&SourceSpec> = Vec::new();
    for input in &task.inputs {
        let sources = input.rasters.iter().flat_map(|raster| match &raster.source {
            PixelSource::Read(spec) => std::slice::from_ref(spec),
            PixelSource::Mosaic(spec) => &spec.parts,
            PixelSource::Burned(_) | PixelSource::Covered(_) => &[],
        });
        for spec in sources {
            let Way::Resampled(how) = &spec.way else { continue };
            let alike = |other: &SourceSpec| {
                let same_way =
                    matches!(&other.way, Way::Resampled(o) if (o.method, o.reprojects) == (how.method, how.reprojects));
                same_way && other.bands == spec.bands
            };
            if seen.iter().any(|other| alike(other)) {
                continue;
            }
            seen.push(spec);
            if let Err(error) = Source::open(spec) {
                draft.wrong(format!("inputs.{}", input.name), error.to_string());
            }
        }
    }
}

/// Refuses an integer band without nodata that doesn't cover the grid and its halo: no value could stand for the missing pixels.
fn check_fill(draft: &mut Draft<'_>, task: &Task, opened: &[Opened]) {
    let halo = if draft.loaded.spec.grid.edge == Edge::Nodata { task.halo } else { 0 };
    let Some(needed) = task.grid.window().padded(halo) else { return };
    for (input, files) in task.inputs.iter().zip(opened) {
        for (raster, file) in input.rasters.iter().zip(&files.files) {
            // Features are burned wherever they are.
            let PixelSource::Read(source) = &raster.source else { continue };
            let covered = source.window();
            if source.bands.iter().all(|band| band.mark.is_some()) || covered.contains(&needed) {
                continue;
            }
            let key = format!("inputs.{}", input.name);
            let why =
                if covered.contains(&task.grid.window()) { "the halo reaches" } else { "the working grid reaches" };
            draft.wrong(key,
                    format!("{why} beyond {}, and its type, {}, has no nodata value to fill with", file.path, raster.dtype.name()),
                )
                .hint("set nodata of this input; or let the function take float32; or set grid.edge to \"reflect\" or \"nearest\"");
        }
    }
}

/// Cuts the grid: as the job says, or as suits the files, the memory limit and the number of threads.
fn cut(draft: &mut Draft<'_>, task: &mut Task, opened: &[Opened], outputs: &[Planned]) {
    let loaded = draft.loaded;
    let (rows, cols) = match loaded.spec.grid.tile {
        Some([cols, rows]) => (rows, cols),
        None => {
            // Only blocks that the job's options ask for count: all other outputs get blocks that suit the tiles.
            let given: Vec<_> = outputs.iter().flat_map(|o| &o.targets).filter_map(TargetSpec::given_block).collect();
            let blocks: Vec<_> = blocks(opened).chain(given.iter().copied()).collect();
            let remote = opened.iter().flat_map(|i| &i.files).any(|f| is_remote(&f.path));
            // The function allocates memory of its own; a budget of twice the pixels leaves room for it.
            let budget = TileBudget {
                memory: task.limits.memory.min(TILES_MEMORY),
                bytes_per_pixel: working_set(task, 1, 1, 0).max(1).saturating_mul(2),
                halo: task.halo,
                threads: u32::try_from(draft.planning.at_once).unwrap_or(u32::MAX),
                // Blocks side by side take fewer requests, and a halo around a square is smaller.
                tall: !given.is_empty() && task.halo == 0 && !remote,
            };
            choose_tile(&blocks, (task.grid.rows, task.grid.cols), &budget)
        }
    };
    match Tiling::new(task.grid.rows, task.grid.cols, rows, cols) {
        Ok(tiling) => task.tiling = tiling,
        Err(error) => {
            draft.wrong("grid.tile", error.to_string());
            return;
        }
    }
    let set = working_set(task, rows.min(task.grid.rows), cols.min(task.grid.cols), task.halo);
    if set > task.limits.memory {
        draft.wrong("limits.memory",
                format!(
                    "a tile of {cols} × {rows} pixels takes {set} bytes for its inputs and outputs alone, the limit is {}",
                    loaded.spec.limits.memory
                ),
            )
            .hint(format!("{}raise limits.memory, or set a smaller grid.tile", vectors::most_bands(task)));
    }
}

/// Rows and columns of the blocks of all input files.
fn blocks(opened: &[Opened]) -> impl Iterator<Item = (u32, u32)> {
    opened.iter().flat_map(|i| &i.files).flat_map(|f| f.info.bands.first()).map(|b| b.block)
}

/// Memory for all tiles under way together, bytes.
const TILES_MEMORY: u64 = 256 << 20;
