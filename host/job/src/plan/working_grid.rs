//! The working grid: whose pixels it has, which extent it covers, and where each input lies on it.

use super::Draft;
use super::advice::{Warp, edit};
use super::inputs::{Opened, OpenedFile};
use grid::{Bounds, Crs, GeoTransform, Grid, Mismatch, Offset, Placement};
use raster::{self, Georeferencing, Info, crs_argument, crs_name, same_crs};

/// The working grid and where each file lies on it: for each input, for each of its files.
pub struct Placed {
    /// The working grid.
    pub grid: Grid,
    /// How each file lies on it.
    pub placements: Vec<Vec<Placement>>,
}

/// Works the grid out; mistakes name the files that don't fit.
pub fn place(draft: &mut Draft<'_>, inputs: &[Opened]) -> Option<Placed> {
    let spec = &draft.loaded.spec.grid;
    let reference = reference(draft, inputs)?;
    let mut windows = Vec::new();
    let mut placements = Vec::new();
    let mut fits = true;
    for input in inputs {
        let key = format!("inputs.{}", input.name);
        let mut of_input = Vec::new();
        for file in &input.files {
            let candidate = Candidate { path: &file.path, info: &file.info, input: Some(input) };
            match reference.relation(&candidate, spec.tolerance) {
                Ok(placement) => {
                    windows
                        .push((file.path.clone(), placement.offset.window(file.info.grid.rows, file.info.grid.cols)));
                    of_input.push(placement);
                    draft.warnings.extend(placed_otherwise(file));
                }
                Err(problem) => {
                    fits = false;
                    problem.add(draft, &key);
                }
            }
        }
        placements.push(of_input);
    }
    if let Some(paths) = &spec.extent_from {
        windows.clear();
        for written in paths {
            let window =
                draft.survey.info(written).map_err(|message| Problem { message, hint: None }).and_then(|info| {
                    let candidate = Candidate { path: written, info: &info, input: None };
                    let placement = reference.relation(&candidate, spec.tolerance)?;
                    Ok(placement.offset.window(info.grid.rows, info.grid.cols))
                });
            match window {
                Ok(window) => windows.push((written.to_string(), window)),
                Err(problem) => {
                    fits = false;
                    problem.add(draft, "grid.extent_from");
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
            spec.footprint,
            &reference.grid,
            windows.iter().map(|(name, window)| (name.as_str(), *window)),
        )
        .map_err(|e| ("grid.footprint", e.to_string())),
    };
    match window {
        Ok(window) => {
            let grid = reference.grid.crop(&window);
            for Placement { offset, .. } in placements.iter_mut().flatten() {
                *offset = Offset { row: offset.row - window.row, col: offset.col - window.col };
            }
            Some(Placed { grid, placements })
        }
        Err((key, message)) => {
            draft.wrong(key, message);
            None
        }
    }
}

/// The grid that says where pixels lie, north-up.
struct Reference {
    /// What to call it in messages.
    name: String,
    grid: Grid,
    /// The input that it is a file of.
    input: Option<String>,
    /// Whether it is a file, not the job's own grid.
    is_file: bool,
}

/// A file that is to lie on the reference's pixels.
struct Candidate<'a> {
    path: &'a str,
    info: &'a Info,
    input: Option<&'a Opened>,
}

/// What is wrong, and what to do.
struct Problem {
    message: String,
    hint: Option<String>,
}

impl Problem {
    fn add(self, draft: &mut Draft<'_>, key: &str) {
        let mistake = draft.wrong(key, self.message);
        if let Some(hint) = self.hint {
            mistake.hint(hint);
        }
    }
}

/// The grid that says where pixels lie: the job file's own CRS, resolution and bounds, else its reference, else the first input.
fn reference(draft: &mut Draft<'_>, inputs: &[Opened]) -> Option<Reference> {
    let spec = &draft.loaded.spec.grid;
    let of_input = |input: &Opened| {
        let file = input.files.first()?;
        Some((file.path.clone(), file.info.clone(), Some(input.name.clone())))
    };
    let named = match &spec.reference {
        None => inputs.iter().find_map(of_input),
        Some(name) => match inputs.iter().find(|i| i.name == *name) {
            Some(input) => of_input(input),
            None => match draft.survey.info(name) {
                Ok(info) => Some((name.clone(), info, None)),
                Err(error) => {
                    let names: Vec<_> = inputs.iter().map(|i| i.name.as_str()).collect();
                    draft
                        .wrong("grid.reference", error)
                        .hint(format!("give a raster file or one of the inputs: {}", names.join(", ")));
                    return None;
                }
            },
        },
    };
    let own = spec.crs.is_some() || spec.resolution.is_some();
    // If the job has a grid of its own, the file gives at most the CRS or the resolution.
    let named = match named {
        Some((name, info, input)) => match upright(&name, &info, spec.tolerance) {
            Ok(grid) => Some(Reference { name, grid, input, is_file: true }),
            Err(_) if own => None,
            Err(problem) => {
                problem.add(draft, input.map_or("grid.reference".into(), |i| format!("inputs.{i}")).as_str());
                return None;
            }
        },
        None => None,
    };
    if !own {
        if named.is_none() {
            draft
                .wrong("grid", "nothing says what the working grid is: there is no raster input")
                .hint("set grid.reference, or grid.crs, resolution and bounds");
        }
        return named;
    }
    // The job has a grid of its own: the reference gives the rest.
    let crs = match &spec.crs {
        None => named.as_ref().map(|r| r.grid.crs.clone()),
        Some(text) => match raster::crs_from_user(text) {
            Ok(crs) => Some(crs),
            Err(error) => {
                draft.wrong("grid.crs", error.to_string());
                return None;
            }
        },
    };
    let resolution = spec.resolution.or_else(|| {
        let (x, y) = named.as_ref()?.grid.transform.pixel_size();
        Some([x, y])
    });
    let (Some([dx, dy]), Some([x_min, y_min, x_max, y_max])) = (resolution, spec.bounds) else {
        draft
            .wrong("grid", "a grid with its own CRS or resolution needs bounds and resolution, too")
            .hint("add bounds = [xmin, ymin, xmax, ymax] and resolution = [x, y], or take both from grid.reference");
        return None;
    };
    let bounds = Bounds { x_min, y_min, x_max, y_max };
    match Grid::from_bounds(&bounds, dx, dy, crs.unwrap_or_else(|| Crs::from(""))) {
        Ok(grid) => Some(Reference { name: "the [grid] of the job file".into(), grid, input: None, is_file: false }),
        Err(error) => {
            draft.wrong("grid.bounds", error.to_string());
            None
        }
    }
}

/// The north-up grid of a file that is the reference.
fn upright(path: &str, info: &Info, tolerance: f64) -> Result<Grid, Problem> {
    let warp = Warp { path, georeferencing: info.georeferencing, crs: None, onto: None };
    if info.georeferencing == Georeferencing::Points {
        return Err(Problem { message: format!("{path} {POINTS}"), hint: Some(warp.advice()) });
    }
    info.grid.north_up(tolerance).map_err(|error| Problem {
        message: format!("{path}: {error}"),
        hint: matches!(error, grid::Error::Rotated { .. }).then(|| warp.advice()),
    })
}

const POINTS: &str = "has ground control points instead of a geotransform, so its pixels lie on no grid";

/// A warning for a file that has its place on the map in a way that the outputs don't get.
fn placed_otherwise(file: &OpenedFile) -> Option<String> {
    let by = match file.info.georeferencing {
        Georeferencing::Polynomials => "polynomial coefficients (RPC)",
        Georeferencing::Arrays => "arrays of coordinates",
        Georeferencing::Transform | Georeferencing::Points | Georeferencing::None => return None,
    };
    Some(format!(
        "{} is placed on the map by {by}, which the outputs don't get: they have no place on the map",
        file.path
    ))
}

impl Reference {
    /// How a file lies on these pixels.
    fn relation(&self, file: &Candidate, tolerance: f64) -> Result<Placement, Problem> {
        let Candidate { path, info, .. } = *file;
        if info.georeferencing == Georeferencing::Points {
            return Err(Problem { message: format!("{path} {POINTS}"), hint: Some(self.warp(file).advice()) });
        }
        grid::relate(&self.grid, &info.grid, tolerance, same_crs).map_err(|mismatch| self.problem(file, &mismatch))
    }

    /// The message names both files and both grids.
    fn problem(&self, file: &Candidate, mismatch: &Mismatch) -> Problem {
        let (path, grid, name) = (file.path, &file.info.grid, &self.name);
        let both = format!("{path} has {}; {name} has {}", outline(grid), outline(&self.grid));
        let has = |grid: &Grid| grid.transform != GeoTransform::NONE;
        let (why, hint) = match mismatch {
            Mismatch::Crs if grid.crs.is_none() => {
                ("it has no CRS".into(), self.crs_of(path, file.input.map(|i| i.name.as_str()), &self.grid.crs))
            }
            Mismatch::Crs if self.grid.crs.is_none() && self.is_file => {
                (format!("{name} has no CRS"), self.crs_of(name, self.input.as_deref(), &grid.crs))
            }
            Mismatch::Crs if self.grid.crs.is_none() => {
                ("the [grid] has no CRS".into(), format!("set grid.crs = {:?}", crs_argument(&grid.crs)))
            }
            Mismatch::Crs => {
                let crs = [grid, &self.grid].map(|g| crs_name(&g.crs));
                (format!("its CRS is {}, not {}", crs[0], crs[1]), self.warp(file).advice())
            }
            _ if !has(grid) && has(&self.grid) => {
                let hint = match file.info.georeferencing {
                    Georeferencing::Polynomials | Georeferencing::Arrays => self.warp(file).advice(),
                    _ => self.place_of(file),
                };
                ("it has no geotransform".into(), hint)
            }
            _ if has(grid) && !has(&self.grid) && self.is_file => {
                (format!("{name} has no geotransform"), "set grid.reference to an input that has one".into())
            }
            Mismatch::Unusable(grid::Error::Rotated { .. }) => (mismatch.to_string(), self.warp(file).advice()),
            Mismatch::Unusable(error) => return Problem { message: format!("{path}: {error}"), hint: None },
            Mismatch::PixelSize { .. } | Mismatch::Shifted { .. } => {
                let advice = self.warp(file).advice();
                let key = mismatch.tolerance().map(|t| format!("set grid.tolerance = {t} to take it as it is, or "));
                (mismatch.to_string(), format!("{}{advice}", key.unwrap_or_default()))
            }
        };
        Problem { message: format!("{path} does not fit {name}: {why}. {both}"), hint: Some(hint) }
    }

    fn warp<'a>(&'a self, file: &Candidate<'a>) -> Warp<'a> {
        let crs = file.input.and_then(|i| i.crs.as_deref());
        Warp { path: file.path, georeferencing: file.info.georeferencing, crs, onto: Some(&self.grid) }
    }

    /// What to do about a file without CRS.
    fn crs_of(&self, path: &str, input: Option<&str>, crs: &Crs) -> String {
        let lies = "if its pixels lie in that CRS";
        match input {
            Some(input) => format!("{lies}, set inputs.{input}.crs = {:?}", crs_argument(crs)),
            None => format!("{lies}: {}", edit(path, crs, None)),
        }
    }

    /// What to do about a file without a place on the map.
    fn place_of(&self, file: &Candidate) -> String {
        let grid = &file.info.grid;
        if (grid.rows, grid.cols) == (self.grid.rows, self.grid.cols) {
            format!("if it covers the same area: {}", edit(file.path, &self.grid.crs, Some(&self.grid)))
        } else {
            format!("give it its place: gdal_edit.py -a_ullr XMIN YMAX XMAX YMIN {}", file.path)
        }
    }
}

/// A grid in few words.
fn outline(grid: &Grid) -> String {
    let [x, dx, _, y, _, dy] = grid.transform.0;
    // Rows that run south have a negative size in the file, and a positive one in the user's words.
    format!("{} rows × {} columns of {dx} × {} from ({x}, {y}) in {}", grid.rows, grid.cols, -dy, crs_name(&grid.crs))
}
