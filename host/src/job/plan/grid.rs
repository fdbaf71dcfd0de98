//! The working grid: whose pixels it has, which extent it covers, and where each input lies on it.

use super::Survey;
use super::inputs::{Opened, OpenedFile};
use crate::grid::{self, Bounds, Crs, Footprint, Grid, Offset};
use crate::job::{Loaded, Mistakes, spec};
use crate::raster::{self, same_crs};

/// The working grid and where each file lies on it: for each input, for each of its files.
pub struct Placed {
    /// The working grid.
    pub grid: Grid,
    /// Upper left corner of each file, in pixels of the grid.
    pub offsets: Vec<Vec<Offset>>,
}

/// Works the grid out; mistakes name the files that don't fit.
pub fn place(loaded: &Loaded, survey: &Survey, inputs: &[Opened], mistakes: &mut Mistakes) -> Option<Placed> {
    let spec = &loaded.spec.grid;
    let reference = reference(loaded, survey, inputs, mistakes)?;
    let mut fail = |key: &str, message: String| {
        mistakes.add(loaded.position(key), key, message);
    };
    let north_up = |grid: &Grid| grid.transform.check_north_up();
    if let Err(problem) = north_up(&reference.grid) {
        fail("grid", format!("{}: {problem}", reference.name));
        return None;
    }
    let mut windows = Vec::new();
    let mut offsets = Vec::new();
    let mut fits = true;
    for input in inputs {
        let mut of_input = Vec::new();
        for file in &input.files {
            match on_grid(&reference, file) {
                Ok(offset) => {
                    windows.push((file.path.clone(), offset.window(file.info.grid.rows, file.info.grid.cols)));
                    of_input.push(offset);
                }
                Err(message) => {
                    fits = false;
                    fail(&format!("inputs.{}", input.name), message);
                }
            }
        }
        offsets.push(of_input);
    }
    if let Some(paths) = &spec.extent_from {
        windows.clear();
        for written in paths {
            let window = survey.info(written).and_then(|info| {
                let offset = relation(&reference, written, &info.grid)?;
                Ok(offset.window(info.grid.rows, info.grid.cols))
            });
            match window {
                Ok(window) => windows.push((written.clone(), window)),
                Err(message) => {
                    fits = false;
                    fail("grid.extent_from", message);
                }
            }
        }
    }
    if !fits {
        return None;
    }
    let window = match &spec.bounds {
        Some([x_min, y_min, x_max, y_max]) => {
            let bounds = Bounds { x_min: *x_min, y_min: *y_min, x_max: *x_max, y_max: *y_max };
            reference.grid.snap(&bounds).map_err(|e| ("grid.bounds", e.to_string()))
        }
        None => grid::footprint(
            footprint_kind(spec.footprint),
            &reference.grid,
            windows.iter().map(|(name, window)| (name.as_str(), *window)),
        )
        .map_err(|e| ("grid.footprint", e.to_string())),
    };
    match window {
        Ok(window) => {
            let grid = reference.grid.crop(&window);
            for offset in offsets.iter_mut().flatten() {
                *offset = Offset { row: offset.row - window.row, col: offset.col - window.col };
            }
            Some(Placed { grid, offsets })
        }
        Err((key, message)) => {
            fail(key, message);
            None
        }
    }
}

/// The grid that says where pixels lie.
struct Reference {
    /// What to call it in messages.
    name: String,
    grid: Grid,
}

/// In this order: CRS, resolution and bounds of the job file; its reference; the first input.
fn reference(loaded: &Loaded, survey: &Survey, inputs: &[Opened], mistakes: &mut Mistakes) -> Option<Reference> {
    let spec = &loaded.spec.grid;
    let first = || {
        let file = inputs.iter().flat_map(|i| &i.files).next()?;
        Some(Reference { name: file.path.clone(), grid: file.info.grid.clone() })
    };
    let named = match &spec.reference {
        None => first(),
        Some(name) => match inputs.iter().find(|i| i.name == *name) {
            Some(input) => input.files.first().map(|f| Reference { name: f.path.clone(), grid: f.info.grid.clone() }),
            None => match survey.info(name) {
                Ok(info) => Some(Reference { name: name.clone(), grid: info.grid }),
                Err(error) => {
                    let names: Vec<_> = inputs.iter().map(|i| i.name.as_str()).collect();
                    mistakes
                        .add(loaded.position("grid.reference"), "grid.reference", error)
                        .hint(format!("give a raster file or one of the inputs: {}", names.join(", ")));
                    return None;
                }
            },
        },
    };
    if spec.crs.is_none() && spec.resolution.is_none() {
        if named.is_none() {
            mistakes
                .add(loaded.position("grid"), "grid", "nothing says what the working grid is: there is no raster input")
                .hint("set grid.reference, or grid.crs, resolution and bounds");
        }
        return named;
    }
    // A grid of the job's own: what it doesn't say is the reference's.
    let crs = match &spec.crs {
        None => named.as_ref().map(|r| r.grid.crs.clone()),
        Some(text) => match raster::crs_from_user(text) {
            Ok(crs) => Some(crs),
            Err(error) => {
                mistakes.add(loaded.position("grid.crs"), "grid.crs", error.to_string());
                return None;
            }
        },
    };
    let resolution = spec.resolution.or_else(|| {
        let (x, y) = named.as_ref()?.grid.transform.pixel_size();
        Some([x, y])
    });
    let (Some([dx, dy]), Some([x_min, y_min, x_max, y_max])) = (resolution, spec.bounds) else {
        mistakes
            .add(
                loaded.position("grid"),
                "grid",
                "a grid with its own CRS or resolution needs bounds and resolution, too",
            )
            .hint("add bounds = [xmin, ymin, xmax, ymax] and resolution = [x, y], or take both from grid.reference");
        return None;
    };
    let bounds = Bounds { x_min, y_min, x_max, y_max };
    match Grid::from_bounds(&bounds, dx, dy, crs.unwrap_or_else(|| Crs::from(""))) {
        Ok(grid) => Some(Reference { name: "the [grid] of the job file".into(), grid }),
        Err(error) => {
            mistakes.add(loaded.position("grid.bounds"), "grid.bounds", error.to_string());
            None
        }
    }
}

fn on_grid(reference: &Reference, file: &OpenedFile) -> Result<Offset, String> {
    relation(reference, &file.path, &file.info.grid)
}

/// Where a file lies on the reference's pixels; the message names both files and both grids.
fn relation(reference: &Reference, name: &str, grid: &Grid) -> Result<Offset, String> {
    grid.transform.check_north_up().map_err(|e| format!("{name}: {e}"))?;
    grid::relate(&reference.grid, grid, same_crs).map_err(|mismatch| {
        format!(
            "{name} does not fit {}: {mismatch}. {name} has {}; {} has {}. This version of tilefn does not resample: bring \
             the files onto one grid first, e.g. with gdalwarp -tap",
            reference.name,
            outline(grid),
            reference.name,
            outline(&reference.grid)
        )
    })
}

/// A grid in few words.
fn outline(grid: &Grid) -> String {
    let (dx, dy) = grid.transform.pixel_size();
    let (x, y) = grid.transform.origin();
    let crs = name_of(&grid.crs);
    format!("{} rows × {} columns of {dx} × {dy} from ({x}, {y}) in {crs}", grid.rows, grid.cols)
}

fn footprint_kind(footprint: spec::Footprint) -> Footprint {
    match footprint {
        spec::Footprint::Intersection => Footprint::Intersection,
        spec::Footprint::Union => Footprint::Union,
        spec::Footprint::Reference => Footprint::Reference,
    }
}

/// What a CRS calls itself: the first quoted text of its WKT.
fn name_of(crs: &Crs) -> String {
    crs.0.split('"').nth(1).map_or_else(|| "no CRS".into(), str::to_owned)
}
