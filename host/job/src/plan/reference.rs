//! The reference of the working grid: whose pixels it has, and how each file lies on them.

use super::advice::{Warp, edit};
use super::draft::Draft;
use super::inputs::Opened;
use grid::{Bounds, Crs, GeoTransform, Grid, Mismatch, Placement};
use raster::{self, Georeferencing, Info, Overlay, Overlays, crs_argument, crs_name, same_crs};

/// How a file lies on the reference's pixels.
pub enum Lie {
    /// Its pixels are the reference's.
    Aligned(Placement),
    /// They are others.
    Resampled(Box<Others>),
}

/// How pixels that are others lie on the reference's.
pub struct Others {
    /// Where they lie.
    pub overlay: Overlay,
    /// The CRS that the job gives the file.
    pub crs: Option<Crs>,
    /// Why they are others.
    pub why: Mismatch,
}

/// The grid that says where pixels lie, north-up.
pub struct Reference {
    /// What to call it in messages.
    pub name: String,
    pub grid: Grid,
    /// What is known of the CRS of files on the grid.
    overlays: Overlays,
    /// The input that it is a file of.
    pub input: Option<String>,
    /// Whether it is a file, not the job's own grid.
    pub is_file: bool,
    /// Whether it says only where pixels lie, not how many there are.
    pub is_endless: bool,
}

/// A file that is to lie on the reference's pixels.
pub struct Candidate<'a> {
    pub path: &'a str,
    pub info: &'a Info,
    pub input: Option<&'a Opened>,
}

/// What is wrong, and what to do.
pub struct Problem {
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub fn add(self, draft: &mut Draft<'_>, key: &str) {
        let mistake = draft.wrong(key, self.message);
        if let Some(hint) = self.hint {
            mistake.hint(hint);
        }
    }
}

/// The grid that says where pixels lie: the job file's own CRS, resolution and bounds, else its reference, else the first input.
pub fn reference(draft: &mut Draft<'_>, inputs: &[Opened]) -> Option<Reference> {
    let spec = &draft.loaded.spec.grid;
    let of_input = |input: &Opened| {
        let file = input.files.first()?;
        Some((file.path.clone(), file.info.clone(), Some(input.name.clone())))
    };
    let named = match &spec.reference {
        None => inputs.iter().find_map(of_input),
        Some(name) => match inputs.iter().find(|i| i.name == *name) {
            Some(input) if input.vector.is_some() => {
                draft
                    .wrong("grid.reference", format!("{name} is a vector input, which has no pixels"))
                    .hint("give a raster file or a raster input, or grid.crs, resolution and bounds");
                return None;
            }
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
            Ok(grid) => {
                let overlays = Overlays::new(&grid);
                Some(Reference { name, grid, overlays, input, is_file: true, is_endless: false })
            }
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
    let crs = crs.unwrap_or_else(|| Crs::from(""));
    let same = |named: &&Reference| same_crs(&named.grid.crs, &crs);
    let own_size = named.as_ref().filter(same).map(|named| named.grid.transform.pixel_size());
    let Some([dx, dy]) = spec.resolution.or_else(|| own_size.map(|(x, y)| [x, y])) else {
        let size = named.as_ref().and_then(|named| {
            let one =
                Grid { transform: GeoTransform::north_up(0.0, 0.0, 1.0, 1.0), rows: 1, cols: 1, crs: crs.clone() };
            let (x, y) = Overlay::new(&named.grid, &one).ok()?.pixel_size()?;
            Some(format!(
                "add resolution = [x, y]; the pixels of {} are about {} × {} there",
                named.name,
                rounded(x),
                rounded(y)
            ))
        });
        let why = match named {
            Some(_) => "a grid in another CRS than the inputs' needs a resolution, too",
            None => "without a raster input a grid needs a resolution, too",
        };
        draft.wrong("grid.crs", why).hint(size.unwrap_or_else(|| "add resolution = [x, y]".into()));
        return None;
    };
    let name = "the [grid] of the job file".into();
    let is_endless = spec.bounds.is_none();
    let made = match spec.bounds {
        Some([x_min, y_min, x_max, y_max]) => {
            Grid::from_bounds(&Bounds { x_min, y_min, x_max, y_max }, dx, dy, crs).map_err(|e| ("grid.bounds", e))
        }
        // Edges of pixels are multiples of the pixels' size.
        None => Grid { transform: GeoTransform::north_up(0.0, 0.0, dx, dy), rows: 1, cols: 1, crs }
            .north_up(0.0)
            .map_err(|e| ("grid.resolution", e)),
    };
    match made {
        Ok(grid) => {
            let overlays = Overlays::new(&grid);
            Some(Reference { name, grid, overlays, input: None, is_file: false, is_endless })
        }
        Err((key, error)) => {
            draft.wrong(key, error.to_string());
            None
        }
    }
}

/// A number with three digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
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

impl Reference {
    /// How a file lies on these pixels.
    pub fn lay(&self, file: &Candidate, tolerance: f64) -> Result<Lie, Problem> {
        let Candidate { path, info, .. } = *file;
        if info.georeferencing == Georeferencing::Points {
            return Err(Problem { message: format!("{path} {POINTS}"), hint: Some(self.warp(file).advice()) });
        }
        let mismatch = match grid::relate(&self.grid, &info.grid, tolerance, |_, crs| self.overlays.same_crs(crs)) {
            Ok(placement) => return Ok(Lie::Aligned(placement)),
            Err(mismatch) => mismatch,
        };
        let placed = |grid: &Grid| grid.transform != GeoTransform::NONE;
        let can_be_resampled = match &mismatch {
            Mismatch::Unusable(grid::Error::Rotated { .. }) | Mismatch::PixelSize { .. } | Mismatch::Shifted { .. } => {
                true
            }
            Mismatch::Crs => !(info.grid.crs.is_none() || self.grid.crs.is_none()),
            Mismatch::Unusable(_) => false,
        };
        if !can_be_resampled || !placed(&info.grid) || !placed(&self.grid) {
            return Err(self.problem(file, &mismatch));
        }
        let overlay = self.overlays.of(&info.grid).map_err(|reason| Problem {
            message: format!(
                "{path} can't be brought from {} to {}, that of {}: {reason}",
                crs_name(&info.grid.crs),
                crs_name(&self.grid.crs),
                self.name
            ),
            hint: None,
        })?;
        let crs = file.input.and_then(|input| input.crs.as_ref()).map(|_| info.grid.crs.clone());
        Ok(Lie::Resampled(Box::new(Others { overlay, crs, why: mismatch })))
    }

    /// How pixels that lie so, a file's or its overview's, lie on these.
    pub fn overlay(&self, grid: &Grid) -> Result<Overlay, String> {
        self.overlays.of(grid)
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
pub fn outline(grid: &Grid) -> String {
    let [x, dx, _, y, _, dy] = grid.transform.0;
    // Rows that run south have a negative size in the file, and a positive one in the user's words.
    format!("{} rows × {} columns of {dx} × {} from ({x}, {y}) in {}", grid.rows, grid.cols, -dy, crs_name(&grid.crs))
}
