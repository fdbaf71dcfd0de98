//! The working grid: which extent it covers, and how each input gets onto it.

use super::draft::Draft;
use super::inputs::{Opened, OpenedFile};
use super::reference::{Candidate, Lie, Others, Problem, Reference, outline, reference};
use crate::spec::{self, OverviewUse};
use grid::{Bounds, Grid, Offset, Placement, Window};
use raster::{self, Georeferencing, Resampled, Way, crs_name};
use types::Footprint;

/// The working grid and how each file gets onto it: for each input, for each of its files.
pub struct Placed {
    /// The working grid.
    pub grid: Grid,
    /// How each file gets onto it.
    pub ways: Vec<Vec<Way>>,
}

/// Works the grid out; mistakes name the files that don't fit.
pub fn place(draft: &mut Draft<'_>, inputs: &[Opened]) -> Option<Placed> {
    let spec = &draft.loaded.spec.grid;
    let reference = reference(draft, inputs)?;
    let mut laid = Vec::new();
    let mut fits = true;
    for input in inputs {
        let key = format!("inputs.{}", input.name);
        let mut of_input = Vec::new();
        for file in &input.files {
            let candidate = Candidate { path: &file.path, info: &file.info, input: Some(input) };
            match reference.lay(&candidate, spec.tolerance) {
                Ok(lie) => {
                    of_input.push(Laid::new(&candidate, lie));
                    draft.warnings.extend(placed_otherwise(file));
                }
                Err(problem) => {
                    fits = false;
                    problem.add(draft, &key);
                }
            }
        }
        draft.warnings.extend(unasked(input, &of_input, &reference));
        laid.push(of_input);
    }
    let mut instead = Vec::new();
    for path in spec.extent_from.iter().flatten() {
        let found = draft.survey.info(path).map_err(|message| Problem { message, hint: None });
        let found = found.and_then(|info| {
            let candidate = Candidate { path, info: &info, input: None };
            Ok(Laid::new(&candidate, reference.lay(&candidate, spec.tolerance)?))
        });
        match found {
            Ok(file) => instead.push(file),
            Err(problem) => {
                fits = false;
                problem.add(draft, "grid.extent_from");
            }
        }
    }
    if !fits {
        return None;
    }
    // The files of a mosaic are one raster.
    let alone = |file| vec![file];
    let extents: Vec<Vec<&Laid>> = if spec.extent_from.is_some() {
        instead.iter().map(alone).collect()
    } else {
        let mut all = Vec::new();
        for (input, files) in inputs.iter().zip(&laid) {
            if input.mosaic.is_some() {
                all.push(files.iter().collect());
            } else {
                all.extend(files.iter().map(alone));
            }
        }
        all
    };
    match window(spec, &reference, &extents) {
        Ok(window) => {
            let grid = reference.grid.crop(&window);
            draft.warnings.extend(moved_bounds(spec, &grid));
            draft
                .warnings
                .extend(inputs.iter().zip(&laid).filter_map(|(input, files)| elsewhere(input, files, &grid, &window)));
            let mut ways = Vec::new();
            for (input, files) in inputs.iter().zip(laid) {
                let mut of_input = Vec::new();
                for file in files {
                    match file.way(input, &reference, &grid, &window) {
                        Ok(way) => of_input.push(way),
                        Err(error) => {
                            draft.wrong(format!("inputs.{}.overviews", input.name), error);
                            return None;
                        }
                    }
                }
                ways.push(of_input);
            }
            Some(Placed { ways, grid })
        }
        Err((key, problem)) => {
            problem.add(draft, key);
            None
        }
    }
}

/// The working grid's window in pixels of the reference, over rasters of one file or several. The error has the key that it belongs to.
fn window(spec: &spec::Grid, reference: &Reference, rasters: &[Vec<&Laid>]) -> Result<Window, (&'static str, Problem)> {
    let problem = |message: String| Problem { message, hint: None };
    if let Some([x_min, y_min, x_max, y_max]) = spec.bounds {
        let bounds = Bounds { x_min, y_min, x_max, y_max };
        return reference.grid.snap(&bounds).map_err(|e| ("grid.bounds", problem(e.to_string())));
    }
    let footprint = spec.footprint;
    if footprint == Footprint::Reference && reference.is_endless {
        let message = "a grid with its own CRS and resolution has no extent of its own".into();
        let hint = Some("add bounds = [xmin, ymin, xmax, ymax], or take footprint = \"intersection\"".into());
        return Err(("grid.footprint", Problem { message, hint }));
    }
    if rasters.is_empty() && reference.is_endless {
        let message = "nothing says what the working grid's extent is: there is no raster input".into();
        let hint = Some("add bounds = [xmin, ymin, xmax, ymax], or extent_from = [files]".into());
        return Err(("grid", Problem { message, hint }));
    }
    let drawn: Vec<_> = rasters.iter().filter_map(|files| extent(files)).collect();
    let whole;
    let drawn = if drawn.is_empty() && !reference.is_endless {
        whole = [(reference.name.as_str(), reference.grid.window())];
        &whole[..]
    } else {
        &drawn
    };
    let window = grid::footprint(footprint, &reference.grid, drawn.iter().copied())
        .map_err(|e| ("grid.footprint", problem(e.to_string())))?;
    // A file whose outline can't be drawn may still have data all over the grid, as one of the whole globe has.
    let covers = |file: &&&Laid| matches!(&file.lie, Lie::Resampled(others) if others.overlay.covers(&window));
    let lost = rasters.iter().flatten().filter(|file| file.extent.is_none()).find(|file| !covers(file));
    match lost {
        Some(file) if footprint != Footprint::Reference => Err((
            "grid.footprint",
            Problem {
                message: format!(
                    "the outline of {} can't be drawn in the CRS of {}: it goes around a pole, over the antimeridian or beyond \
                     what that CRS can express",
                    file.path, reference.name
                ),
                hint: Some(
                    "say which part you want with grid.bounds, or take grid.footprint = \"reference\", or a grid.crs for that region"
                        .into(),
                ),
            },
        )),
        _ => Ok(window),
    }
}

/// The first file's name and the extent of all, if each can be drawn.
fn extent<'a>(files: &[&'a Laid]) -> Option<(&'a str, Window)> {
    let (first, others) = files.split_first()?;
    let extent = others.iter().try_fold(first.extent?, |all, file| all.union(&file.extent?))?;
    Some((first.path.as_str(), extent))
}

/// A file that has found its place.
struct Laid {
    path: String,
    lie: Lie,
    /// The window of the reference's pixels that it covers, if it can be drawn there.
    extent: Option<Window>,
    /// Its own grid, in few words.
    outline: String,
}

impl Laid {
    fn new(file: &Candidate, lie: Lie) -> Self {
        let extent = match &lie {
            Lie::Aligned(placement) => Some(placement.offset.window(file.info.grid.rows, file.info.grid.cols)),
            Lie::Resampled(others) => others.overlay.extent(),
        };
        Self { path: file.path.to_owned(), lie, extent, outline: outline(&file.info.grid) }
    }

    /// How the file gets onto the working grid, which is this window of the reference's pixels.
    fn way(self, input: &Opened, reference: &Reference, grid: &Grid, window: &Window) -> Result<Way, String> {
        Ok(match self.lie {
            Lie::Aligned(placement) => {
                let Offset { row, col } = placement.offset;
                let offset = Offset { row: row - window.row, col: col - window.col };
                Way::Aligned(Placement { offset, ..placement })
            }
            Lie::Resampled(others) => {
                let Others { overlay, crs, .. } = *others;
                let extent = self.extent.unwrap_or(*window);
                let shared = extent.intersection(window).unwrap_or(*window);
                let overview = match input.overviews {
                    OverviewUse::None => None,
                    OverviewUse::Auto => raster::overview(&self.path, crs.as_ref(), grid, overlay.reprojects())
                        .map_err(|error| error.to_string())?,
                };
                let overlay = match &overview {
                    None => overlay,
                    Some(overview) => reference.overlay(&overview.grid)?,
                };
                Way::Resampled(Box::new(Resampled {
                    method: input.resampling.unwrap_or_default(),
                    overview: overview.map(|overview| overview.level),
                    grid: grid.clone(),
                    reprojects: overlay.reprojects(),
                    crs,
                    extent: extent.relative_to(window.row, window.col).unwrap_or(grid.window()),
                    scale: overlay.scale(&shared).unwrap_or((1.0, 1.0)),
                }))
            }
        })
    }
}

/// A warning that the grid has other bounds than the job asks for, since its pixels have their edges elsewhere.
fn moved_bounds(spec: &spec::Grid, grid: &Grid) -> Option<String> {
    let asked = spec.bounds?;
    let Bounds { x_min, y_min, x_max, y_max } = grid.bounds();
    let has = [x_min, y_min, x_max, y_max];
    let (dx, dy) = grid.transform.pixel_size();
    let off = asked.iter().zip(has).zip([dx, dy, dx, dy]).map(|((asked, has), size)| (asked - has).abs() / size);
    let most = off.fold(0.0, f64::max);
    (most > spec.tolerance).then(|| {
        format!(
            "grid.bounds: the working grid covers {has:?}: its pixels of {dx} × {dy} have their edges up to {most:.2} pixels from \
             the bounds"
        )
    })
}

/// A warning that all pixels of an input are invalid, since its files lie elsewhere.
fn elsewhere(input: &Opened, files: &[Laid], grid: &Grid, window: &Window) -> Option<String> {
    let first = files.first()?;
    let lies_here = |file: &Laid| file.extent.is_none_or(|extent| extent.intersection(window).is_some());
    if files.iter().any(lies_here) {
        return None;
    }
    let others = if files.len() > 1 { " and the other files have" } else { " has" };
    Some(format!(
        "input {:?}: {}{others} no pixel on the working grid, so all of the input is invalid ({} has {}; the grid has {})",
        input.name,
        first.path,
        first.path,
        first.outline,
        outline(grid)
    ))
}

/// A warning that files are resampled, why, and what to do, if the job doesn't say how.
fn unasked(input: &Opened, files: &[Laid], reference: &Reference) -> Option<String> {
    if input.resampling.is_some() {
        return None;
    }
    let mut resampled = files.iter().filter_map(|file| match &file.lie {
        Lie::Resampled(others) => Some((file, &others.why)),
        Lie::Aligned(_) => None,
    });
    let (first, why) = resampled.next()?;
    let others = match resampled.count() {
        0 => " gets".to_owned(),
        n => format!(" and {n} other files get"),
    };
    let tolerance = why.tolerance().map(|t| format!(", or grid.tolerance = {t} to take its pixels as they are"));
    let tolerance = tolerance.unwrap_or_default();
    Some(format!(
        "input {:?}: {}{others} onto the working grid by nearest neighbour, since {why}: set inputs.{}.resampling to say how{tolerance} \
         ({} has {}; {} has {})",
        input.name,
        first.path,
        input.name,
        first.path,
        first.outline,
        reference.name,
        if reference.is_endless { crs_name(&reference.grid.crs) } else { outline(&reference.grid) },
    ))
}

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
