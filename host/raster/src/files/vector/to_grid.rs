//! From a layer's coordinates to pixels of the working grid, edges that another CRS bends included.

use crate::files::gdal::call;
use crate::files::vector::parts::{Part, Position};
use crate::files::vector::trim::clip;
use gdal::spatial_ref::{AxisMappingStrategy, CoordTransform, SpatialRef};
use grid::{Bounds, Grid, Window};

/// How far a bent edge may be off if it decides which pixels are burned, pixels.
pub(crate) const OFF: f64 = 0.02;
/// How far it may be off if areas are measured.
pub(crate) const OFF_FOR_AREAS: f64 = 0.0005;
/// How often an edge is cut in four to get there: a million pieces.
const CUTS: u32 = 10;
/// Positions that are looked at on each side of a window or an extent, to find the other one's bounds.
const STEPS: u32 = 16;

/// The way from a layer's coordinates to columns and rows of the whole working grid.
#[derive(Debug)]
pub(crate) struct ToGrid {
    /// Column and row where the map's coordinates are 0, and how much they grow with x and y: GDAL's inverse geotransform.
    col: (f64, f64),
    row: (f64, f64),
    /// Positions are rounded to this part of a pixel, so that they stay the same when they are counted from a window's corner.
    /// An edge that passes exactly through pixel centres would otherwise change from tile to tile.
    unit: f64,
    grid: Grid,
    /// The grid, and what is needed around it.
    near: Window,
    /// How far a bent edge may be off, pixels.
    off: f64,
    change: Option<Change>,
}

/// The way between two CRS.
#[derive(Debug)]
struct Change {
    to_grid: CoordTransform,
    to_layer: CoordTransform,
    /// Once around the globe, in the layer's coordinates, if it has geographic ones.
    turn: Option<f64>,
    /// What lies around the grid, in the layer's CRS: the rest may have no place in the grid's CRS, and is cut off. Two pieces if
    /// the grid lies across the antimeridian; none if it can't be told.
    clip: Vec<Bounds>,
}

impl ToGrid {
    /// From a layer with this CRS, if it differs from the grid's. `halo`: pixels around the grid that are needed, too.
    /// `off`: how far a bent edge may be off.
    ///
    /// # Errors
    /// When PROJ knows no way between the CRS.
    pub(crate) fn new(layer: Option<&SpatialRef>, grid: &Grid, halo: u32, off: f64) -> Result<Self, String> {
        let [x0, dx, _, y0, _, dy] = grid.transform.0;
        let (col, row) = ((-x0 / dx, 1.0 / dx), (-y0 / dy, 1.0 / dy));
        if [col.0, col.1, row.0, row.1].iter().any(|n| !n.is_finite()) {
            return Err("the working grid has no place on the map".into());
        }
        let largest = [col.0.abs(), row.0.abs(), grid.rows.into(), grid.cols.into()].into_iter().fold(1.0, f64::max);
        // A position has an error of 2^-52 of the largest number that was part of its calculation.
        let unit = (largest.log2().ceil() - 48.0).max(-26.0).exp2();
        let near = grid.window().padded(halo.saturating_add(2)).unwrap_or(grid.window());
        let mut this = Self { col, row, unit, grid: grid.clone(), near, off, change: None };
        if let Some(layer) = layer {
            let mut change = Change::between(layer, grid)?;
            change.clip = this.pieces(&change, &near).unwrap_or_default();
            this.change = Some(change);
        }
        Ok(this)
    }

    /// The bounds, in the layer's CRS, of a window of the grid and a little more. `None` if they can't be told.
    pub(crate) fn bounds(&self, window: &Window) -> Option<Bounds> {
        match &self.change {
            Some(change) => {
                let pieces = self.pieces(change, window)?;
                around(&pieces.iter().flat_map(|b| [(b.x_min, b.y_min), (b.x_max, b.y_max)]).collect::<Vec<_>>())
            }
            None => {
                let corner = |row, col| self.to_map((col as f64, row as f64));
                let (x_min, y_max) = corner(window.row, window.col);
                let (x_max, y_min) = corner(window.row_end(), window.col_end());
                Some(Bounds { x_min, y_min, x_max, y_max })
            }
        }
    }

    /// The bounds of a window in the layer's CRS, those on each side of the antimeridian by themselves.
    fn pieces(&self, change: &Change, window: &Window) -> Option<Vec<Bounds>> {
        let (row, col) = (window.row as f64, window.col as f64);
        let inside =
            Bounds { x_min: col, y_min: row, x_max: col + f64::from(window.cols), y_max: row + f64::from(window.rows) };
        let map: Vec<_> = lattice(&inside).into_iter().map(|position| self.to_map(position)).collect();
        let found = transformed(&change.to_layer, &map);
        if found.iter().any(|position| !is_finite(position)) {
            return None;
        }
        let whole = grown(&around(&found)?);
        let Some(turn) = change.turn.filter(|turn| whole.x_max - whole.x_min > turn / 2.0) else {
            return Some(vec![whole]);
        };
        // The same positions, counted eastwards from Greenwich.
        let east: Vec<_> = found.iter().map(|&(x, y)| (if x < 0.0 { x + turn } else { x }, y)).collect();
        let east = grown(&around(&east)?);
        Some(if east.x_max - east.x_min < turn / 2.0 {
            vec![Bounds { x_max: turn / 2.0, ..east }, Bounds { x_min: -turn / 2.0, x_max: east.x_max - turn, ..east }]
        } else {
            vec![whole]
        })
    }

    /// The pixels of the grid that lie in these bounds of the layer's CRS, or a few more. `None` if that can't be told.
    pub(crate) fn window(&self, bounds: &Bounds) -> Option<Window> {
        let mut corners = lattice(bounds);
        if let Some(change) = &self.change {
            corners = transformed(&change.to_grid, &corners);
            if !corners.iter().all(is_finite) {
                return None;
            }
        }
        let mut pixels = around(&corners.iter().map(|position| self.pixel(*position)).collect::<Vec<_>>())?;
        if self.change.is_some() {
            pixels = grown(&pixels);
        }
        if ![pixels.x_min, pixels.y_min, pixels.x_max, pixels.y_max].iter().all(|n| n.abs() < FAR) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^40")]
        let whole = |n: f64| n as i64;
        Window::between(
            whole(pixels.y_min.floor()),
            whole(pixels.x_min.floor()),
            whole(pixels.y_max.floor()).saturating_add(1),
            whole(pixels.x_max.floor()).saturating_add(1),
        )
    }

    /// What of a part of a geometry is near the grid, in columns and rows of the grid.
    ///
    /// # Errors
    /// When it has no place in the grid's CRS.
    pub(crate) fn part(&self, part: Part) -> Result<Vec<Part>, String> {
        let Some(change) = &self.change else {
            let pixels = |line: Vec<Position>| line.into_iter().map(|position| self.pixel(position)).collect();
            return Ok(vec![match part {
                Part::Point(position) => Part::Point(self.pixel(position)),
                Part::Line(line) => Part::Line(pixels(line)),
                Part::Polygon(rings) => Part::Polygon(rings.into_iter().map(pixels).collect()),
            }]);
        };
        let near: Vec<Part> = match change.clip.as_slice() {
            [] => vec![part],
            pieces => pieces.iter().filter_map(|bounds| clip(part.clone(), bounds)).collect(),
        };
        let moved = |part: &Part| -> Result<Part, String> {
            Ok(match part {
                Part::Point(position) => Part::Point(*self.line(change, &[*position])?.first().ok_or("no point")?),
                Part::Line(line) => Part::Line(self.line(change, line)?),
                Part::Polygon(rings) => {
                    Part::Polygon(rings.iter().map(|ring| self.line(change, ring)).collect::<Result<_, _>>()?)
                }
            })
        };
        near.iter().map(moved).collect()
    }

    /// A line in another CRS: straight there, so that it may be bent here.
    fn line(&self, change: &Change, line: &[Position]) -> Result<Vec<Position>, String> {
        let moved = |positions: &[Position]| -> Result<Vec<Position>, String> {
            let found = transformed(&change.to_grid, positions);
            match found.iter().zip(positions).find(|(found, _)| !is_finite(found)) {
                Some((_, (x, y))) => Err(format!("its point at ({x}, {y}) has no place in the working grid's CRS")),
                None => Ok(found.into_iter().map(|position| self.pixel(position)).collect()),
            }
        };
        /// A vertex: there, here, and whether the edge that begins with it may be bent.
        type Vertex = (Position, Position, bool);
        let mut vertices: Vec<Vertex> =
            line.iter().copied().zip(moved(line)?).map(|(there, here)| (there, here, true)).collect();
        for _ in 0..CUTS {
            let open = |pair: &&[Vertex]| matches!(pair, [a, b] if a.2 && (distance(a.1, b.1) > 1.0 || self.is_long(change, a.0, b.0)));
            let between = |pair: &[Vertex]| match pair {
                [a, b] => [0.25, 0.5, 0.75].map(|part| along(a.0, b.0, part)).to_vec(),
                _ => Vec::new(),
            };
            let inner: Vec<Position> = vertices.windows(2).filter(open).flat_map(between).collect();
            if inner.is_empty() {
                break;
            }
            let mut inner = inner.iter().copied().zip(moved(&inner)?);
            let mut next = Vec::with_capacity(vertices.len());
            for pair in vertices.windows(2) {
                let [a, b] = pair else { continue };
                if !open(&pair) {
                    next.push((a.0, a.1, false));
                    continue;
                }
                let inner: Vec<_> = inner.by_ref().take(3).collect();
                // Far from the grid an edge needs no more accuracy than keeps it there.
                let far = self.distance_of(inner.iter().map(|(_, here)| *here).chain([a.1, b.1])) / 8.0;
                let bent = inner.iter().any(|(_, here)| off(*here, a.1, b.1) > self.off.max(far));
                next.push((a.0, a.1, bent));
                if bent {
                    next.extend(inner.into_iter().map(|(there, here)| (there, here, true)));
                }
            }
            next.extend(vertices.last().copied());
            vertices = next;
        }
        Ok(vertices.into_iter().map(|(_, here, _)| here).collect())
    }

    /// Whether an edge is so long that it may come back to where it begins: around a pole, for example.
    fn is_long(&self, change: &Change, a: Position, b: Position) -> bool {
        let part = |from: f64, to: f64| (to - from) / 64.0;
        change.clip.first().is_none_or(|clip| {
            (a.0 - b.0).abs() > part(clip.x_min, clip.x_max) || (a.1 - b.1).abs() > part(clip.y_min, clip.y_max)
        })
    }

    /// Pixels between the grid, with what is needed around it, and the bounds of some positions; 0 where they meet.
    fn distance_of(&self, positions: impl Iterator<Item = Position>) -> f64 {
        let Some(found) = around(&positions.collect::<Vec<_>>()) else { return 0.0 };
        let (row, col) = (self.near.row as f64, self.near.col as f64);
        let (row_end, col_end) = (self.near.row_end() as f64, self.near.col_end() as f64);
        [col - found.x_max, found.x_min - col_end, row - found.y_max, found.y_min - row_end]
            .into_iter()
            .fold(0.0, f64::max)
    }

    /// Map coordinates in the grid's CRS as column and row.
    fn pixel(&self, (x, y): Position) -> Position {
        let round = |n: f64| (n / self.unit).round() * self.unit;
        (round(self.col.0 + x * self.col.1), round(self.row.0 + y * self.row.1))
    }

    /// Column and row as map coordinates in the grid's CRS.
    fn to_map(&self, (col, row): Position) -> Position {
        let [x0, dx, _, y0, _, dy] = self.grid.transform.0;
        (x0 + col * dx, y0 + row * dy)
    }
}

/// Farther than any pixel.
const FAR: f64 = (1_u64 << 40) as f64;

impl Change {
    fn between(layer: &SpatialRef, grid: &Grid) -> Result<Self, String> {
        let (made, messages) = call::watch(|| -> Result<_, gdal::errors::GdalError> {
            let mut target = SpatialRef::from_wkt(&grid.crs.0)?;
            target.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
            Ok((CoordTransform::new(layer, &target)?, CoordTransform::new(&target, layer)?))
        });
        let (to_grid, to_layer) = made.map_err(|e| messages.reason(&e.to_string()))?;
        let turn = layer.is_geographic().then(|| std::f64::consts::TAU / layer.angular_units());
        Ok(Self { to_grid, to_layer, turn: turn.filter(|turn| turn.is_finite()), clip: Vec::new() })
    }
}

/// Positions in another CRS; those that have no place there are infinite.
fn transformed(change: &CoordTransform, positions: &[Position]) -> Vec<Position> {
    let (mut x, mut y): (Vec<f64>, Vec<f64>) = positions.iter().copied().unzip();
    // The result only says whether all could be transformed.
    let _ = call::watch(|| change.transform_coords(&mut x, &mut y, &mut []));
    x.into_iter().zip(y).collect()
}

fn is_finite((x, y): &Position) -> bool {
    x.is_finite() && y.is_finite()
}

/// Positions all over some bounds, the corners included.
fn lattice(bounds: &Bounds) -> Vec<Position> {
    let side = |from: f64, to: f64| (0..=STEPS).map(move |n| from + (to - from) * f64::from(n) / f64::from(STEPS));
    side(bounds.y_min, bounds.y_max).flat_map(|y| side(bounds.x_min, bounds.x_max).map(move |x| (x, y))).collect()
}

/// The bounds of those positions that have a place.
fn around(positions: &[Position]) -> Option<Bounds> {
    let mut found: Option<Bounds> = None;
    for &(x, y) in positions.iter().filter(|position| is_finite(position)) {
        let so_far = found.unwrap_or(Bounds { x_min: x, y_min: y, x_max: x, y_max: y });
        found = Some(Bounds {
            x_min: so_far.x_min.min(x),
            y_min: so_far.y_min.min(y),
            x_max: so_far.x_max.max(x),
            y_max: so_far.y_max.max(y),
        });
    }
    found
}

/// The bounds with room for what may lie beyond the positions that were looked at: two steps on each side.
fn grown(bounds: &Bounds) -> Bounds {
    let room = |from: f64, to: f64| (to - from) * 2.0 / f64::from(STEPS);
    let (x, y) = (room(bounds.x_min, bounds.x_max), room(bounds.y_min, bounds.y_max));
    Bounds { x_min: bounds.x_min - x, y_min: bounds.y_min - y, x_max: bounds.x_max + x, y_max: bounds.y_max + y }
}

fn distance(a: Position, b: Position) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

fn along(a: Position, b: Position, part: f64) -> Position {
    (a.0 + (b.0 - a.0) * part, a.1 + (b.1 - a.1) * part)
}

/// How far a position is from the straight edge between two others.
fn off(position: Position, a: Position, b: Position) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let part = if length > 0.0 { ((position.0 - a.0) * dx + (position.1 - a.1) * dy) / length } else { 0.0 };
    distance(position, along(a, b, part.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_from_an_edge() {
        assert_eq!(off((1.0, 2.0), (0.0, 0.0), (3.0, 0.0)), 2.0);
        assert_eq!(off((7.0, 3.0), (0.0, 0.0), (3.0, 0.0)), 5.0);
        assert_eq!(off((3.0, 4.0), (0.0, 0.0), (0.0, 0.0)), 5.0);
    }
}
