//! Where a file lies on another grid: its extent there, and how large its pixels are.

use crate::files::gdal::call;
use crate::files::resample::overlays::Overlays;
use crate::files::resample::transformer::Transformer;
use gdal::spatial_ref::SpatialRef;
use grid::{Grid, Window};
use std::rc::Rc;

/// Positions between which a window of the grid is looked at, on each side.
const STEPS: u32 = 64;

/// How a file on another grid lies on the working grid's pixels.
#[derive(Debug)]
pub struct Overlay {
    file: Grid,
    grid: Grid,
    /// From the file's CRS to the grid's, if they differ: between map coordinates.
    between: Option<Rc<Transformer>>,
}

impl Overlay {
    /// # Errors
    /// When PROJ knows no way from one CRS to the other.
    pub fn new(file: &Grid, grid: &Grid) -> Result<Self, String> {
        Overlays::new(grid).of(file)
    }

    pub(crate) fn by(file: &Grid, grid: &Grid, between: Option<Rc<Transformer>>) -> Self {
        Self { file: file.clone(), grid: grid.clone(), between }
    }

    /// What positions `(row, col)` in the file are in the grid; `None` for those that it can't express.
    fn to_grid(&self, positions: &[(f64, f64)]) -> Vec<Option<(f64, f64)>> {
        self.transfer(&self.file, &self.grid, false, positions)
    }

    /// What positions `(row, col)` in the grid are in the file.
    fn to_file(&self, positions: &[(f64, f64)]) -> Vec<Option<(f64, f64)>> {
        self.transfer(&self.grid, &self.file, true, positions)
    }

    fn transfer(&self, from: &Grid, to: &Grid, to_file: bool, positions: &[(f64, f64)]) -> Vec<Option<(f64, f64)>> {
        // The transformer's rows are y, its columns x.
        let map = positions.iter().map(|at| from.transform.to_map(at.0, at.1)).map(|(x, y)| (y, x));
        let pixel = |(y, x)| to.transform.to_pixel(x, y);
        let Some(between) = &self.between else { return map.map(pixel).collect() };
        let map: Vec<_> = map.collect();
        let there = if to_file { between.to_file(&map) } else { between.to_grid(&map) };
        there.into_iter().map(|at| at.and_then(pixel)).collect()
    }

    /// The window of the grid's pixels that the file covers, its edges at the nearest pixels. `None` where the file's outline
    /// can't be drawn on the grid: it goes through a pole or the antimeridian, or beyond what the CRS can express.
    pub fn extent(&self) -> Option<Window> {
        let drawn = self.file.outline();
        let outline: Vec<_> = self.to_grid(&drawn).into_iter().collect::<Option<_>>()?;
        if let Some(half) = self.half_turn() {
            let jumps = |pair: &[(f64, f64)]| matches!(pair, [a, b] if (a.1 - b.1).abs() >= half);
            if outline.windows(2).any(jumps) {
                return None;
            }
        }
        // Far from its region, a projection may put a place where another one is.
        let returns = |(there, back): (&(f64, f64), &Option<(f64, f64)>)| {
            back.is_some_and(|back| (there.0 - back.0).abs() < 0.5 && (there.1 - back.1).abs() < 0.5)
        };
        if !drawn.iter().zip(&self.to_file(&outline)).all(returns) {
            return None;
        }
        let window = Window::around(&outline).ok()?;
        // What lies within a file lies within its outline, unless that goes around a pole.
        let (rows, cols) = (
            window.row as f64 - 1.0..=window.row_end() as f64 + 1.0,
            window.col as f64 - 1.0..=window.col_end() as f64 + 1.0,
        );
        let inside = self.to_grid(&lattice(&self.file.window(), STEPS));
        let within = |at: (f64, f64)| rows.contains(&at.0) && cols.contains(&at.1);
        inside.into_iter().flatten().all(within).then_some(window)
    }

    /// Whether the file has a pixel everywhere in this window of the grid, as far as points all over it tell.
    pub fn covers(&self, window: &Window) -> bool {
        let (rows, cols) = (f64::from(self.file.rows), f64::from(self.file.cols));
        let inside = |position: Option<(f64, f64)>| {
            position.is_some_and(|(row, col)| (-0.5..=rows + 0.5).contains(&row) && (-0.5..=cols + 0.5).contains(&col))
        };
        self.to_file(&lattice(window, STEPS)).into_iter().all(inside)
    }

    /// Pixels of the grid for one of the file's, along the file's columns and rows, at the middle of this window. GDAL's kernels
    /// are widened by it where it is below 1.
    pub fn scale(&self, window: &Window) -> Option<(f64, f64)> {
        let middle = |at: i64, len: u32| at as f64 + f64::from(len) / 2.0;
        let (row, col) = (middle(window.row, window.rows), middle(window.col, window.cols));
        let around = [(row, col), (row, col + 1.0), (row + 1.0, col)];
        let [Some(at), Some(right), Some(below)] = self.to_file(&around)[..] else { return None };
        // How far one of the grid's pixels reaches in the file, whichever way it is turned.
        let reach = |right: f64, below: f64| right.hypot(below);
        let (y, x) = (reach(right.0 - at.0, below.0 - at.0), reach(right.1 - at.1, below.1 - at.1));
        let scale = |reach: f64| Some(1.0 / reach).filter(|scale| scale.is_finite() && *scale > 0.0);
        Some((scale(x)?, scale(y)?))
    }

    /// Whether the two CRS differ.
    pub const fn reprojects(&self) -> bool {
        self.between.is_some()
    }

    /// Width and height of the file's middle pixel, in pixels of the grid.
    pub fn pixel_size(&self) -> Option<(f64, f64)> {
        let (row, col) = (f64::from(self.file.rows) / 2.0, f64::from(self.file.cols) / 2.0);
        let around = [(row, col), (row, col + 1.0), (row + 1.0, col)];
        let [Some(at), Some(right), Some(below)] = self.to_grid(&around)[..] else { return None };
        Some(((right.0 - at.0).hypot(right.1 - at.1), (below.0 - at.0).hypot(below.1 - at.1)))
    }

    /// Columns of the grid for half a turn around the globe, if its CRS is geographic.
    fn half_turn(&self) -> Option<f64> {
        let (units, _) = call::watch(|| {
            let crs = SpatialRef::from_wkt(&self.grid.crs.0).ok()?;
            crs.is_geographic().then(|| crs.angular_units())
        });
        Some((std::f64::consts::PI / units? / self.grid.transform.pixel_size().0).abs())
    }
}

/// Positions all over a window, its edges included.
pub(crate) fn lattice(window: &Window, most: u32) -> Vec<(f64, f64)> {
    let side = |start: i64, len: u32| {
        let steps = len.clamp(1, most);
        (0..=steps).map(move |n| start as f64 + f64::from(len) * f64::from(n) / f64::from(steps))
    };
    side(window.row, window.rows).flat_map(|row| side(window.col, window.cols).map(move |col| (row, col))).collect()
}
