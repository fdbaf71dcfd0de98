//! The exact part of each pixel that a polygon covers.
//!
//! An edge adds, in each row that it passes, the area between itself and the window's right side: as in rasterisers of fonts, each
//! edge is cut at the borders of pixels, and a sum along the row gives the parts. GEOS can intersect the polygon with each pixel on
//! its border instead, which takes some 20 µs for each of them.

use crate::files::vector::parts::{Part, Position};

/// Parts closer than this to none and all of a pixel are taken for that: they come from rounding.
const ROUNDING: f64 = 1e-9;
/// Farthest position that counts, pixels from the window: those beyond it are moved there.
const FARTHEST: f64 = (1_u64 << 40) as f64;

/// The covered parts of a window's pixels, without the rows and columns around them that the polygon doesn't reach.
pub(crate) struct Areas {
    first_row: usize,
    first_col: usize,
    cols: usize,
    /// For each row `cols` parts, and one number more that counts for nothing.
    sums: Vec<f64>,
}

/// A part of a pixel, 0 to 1, without what rounding has left.
pub(crate) fn tidy(part: f64) -> f64 {
    match part {
        _ if part < ROUNDING => 0.0,
        _ if part > 1.0 - ROUNDING => 1.0,
        part => part,
    }
}

/// The polygon with its outer ring in one direction and its holes in the other, in which their areas count as negative.
///
/// # Errors
/// When the part is no polygon.
pub(crate) fn oriented(part: Part) -> Result<Part, String> {
    let named = |kind: &str| {
        Err(format!(
            "its geometry has a {kind}, which covers no part of a pixel; leave it out with `where`, or make a polygon of it"
        ))
    };
    let mut rings = match part {
        Part::Polygon(rings) => rings,
        Part::Point(_) => return named("point"),
        Part::Line(line) if line.is_empty() => return Ok(Part::Line(line)),
        Part::Line(_) => return named("line"),
    };
    for (n, ring) in rings.iter_mut().enumerate() {
        if (doubled_area(ring) < 0.0) == (n == 0) {
            ring.reverse();
        }
    }
    Ok(Part::Polygon(rings))
}

/// Twice a ring's area, negative if it goes clockwise.
fn doubled_area(ring: &[Position]) -> f64 {
    // Seen from the first position, so that large coordinates leave no rounding errors.
    let Some(&(x, y)) = ring.first() else { return 0.0 };
    let triangle = |pair: &[Position]| match pair {
        [a, b] => (a.0 - x) * (b.1 - y) - (b.0 - x) * (a.1 - y),
        _ => 0.0,
    };
    ring.windows(2).map(triangle).sum()
}

impl Areas {
    /// What a polygon covers of a window. `rings`: in the window's columns and rows, directed as by [`oriented`]. `None` if that is
    /// nothing.
    pub(crate) fn of(rings: &[Vec<Position>], (rows, cols): (u32, u32)) -> Option<Self> {
        let positions = || rings.iter().flatten();
        let (first_row, end_row) = reached(positions().map(|position| position.1), rows)?;
        let (first_col, end_col) = reached(positions().map(|position| position.0), cols)?;
        let (rows, cols) = (end_row - first_row, end_col - first_col);
        let sums = vec![0.0; rows.checked_mul(cols.checked_add(1)?)?];
        let mut areas = Self { first_row, first_col, cols, sums };
        let own = |&(x, y): &Position| {
            let near = |n: f64, first: usize| n.clamp(-FARTHEST, FARTHEST) - first as f64;
            (near(x, first_col), near(y, first_row))
        };
        for ring in rings {
            // A ring that is open is closed by a straight edge.
            let ends = ring.iter().skip(1).chain(ring.first());
            ring.iter().zip(ends).for_each(|(from, to)| areas.add_edge(own(from), own(to), rows));
        }
        for row in areas.sums.chunks_exact_mut(cols + 1) {
            let mut sum = 0.0;
            for part in row {
                sum += *part;
                // Where a ring crosses itself, its other loop goes in the other direction.
                *part = tidy(sum.abs());
            }
        }
        Some(areas)
    }

    /// The pixels that are covered, all or in part, by their index in the window.
    pub(crate) fn pixels(&self, window_cols: usize) -> impl Iterator<Item = (usize, f64)> {
        let rows = (self.first_row..).zip(self.sums.chunks_exact(self.cols + 1));
        rows.flat_map(move |(row, parts)| {
            let first = row * window_cols + self.first_col;
            (first..).zip(parts.iter().copied().take(self.cols)).filter(|(_, part)| *part > 0.0)
        })
    }

    /// Adds an edge: positions count from the first row and column. What lies above and below has no effect.
    fn add_edge(&mut self, from: Position, to: Position, rows: usize) {
        let (direction, (x0, y0), (x1, y1)) = if from.1 < to.1 { (1.0, from, to) } else { (-1.0, to, from) };
        let (top, bottom) = (y0.max(0.0), y1.min(rows as f64));
        let slope = (x1 - x0) / (y1 - y0);
        let x_at = |y: f64| match y {
            _ if y <= y0 => x0,
            _ if y >= y1 => x1,
            _ => (x0 + (y - y0) * slope).clamp(x0.min(x1), x0.max(x1)),
        };
        let (mut y, mut x) = (top, x_at(top));
        let cols = self.cols;
        for (row, line) in self.sums.chunks_exact_mut(cols + 1).enumerate().skip(whole(top)) {
            if y >= bottom {
                break;
            }
            let next_y = ((row + 1) as f64).min(bottom);
            let next_x = x_at(next_y);
            add_piece(line, direction * (next_y - y), x.min(next_x), x.max(next_x));
            (y, x) = (next_y, next_x);
        }
    }
}

/// Adds the piece of an edge within a row, which goes from `left` to `right`. `height`: negative if the edge goes up.
fn add_piece(line: &mut [f64], height: f64, left: f64, right: f64) {
    let width = right - left;
    let share = |from: f64, to: f64| if width > 0.0 { height * (to - from) / width } else { height };
    if left < 0.0
        && let Some(first) = line.first_mut()
    {
        // All pixels of the row lie on the right of it.
        *first += share(left, right.min(0.0));
    }
    if right < 0.0 {
        return;
    }
    let mut col = whole(left);
    while let Some([here, next]) = line.get_mut(col..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        let start = col as f64;
        let (from, to) = (left.max(start), right.min(start + 1.0));
        let (share, middle) = (share(from, to), f64::midpoint(from, to) - start);
        *here += share * (1.0 - middle);
        *next += share * middle;
        if to >= right {
            break;
        }
        col += 1;
    }
}

/// The first of a window's rows (or columns) that positions reach, and the one after the last.
fn reached(positions: impl Iterator<Item = f64>, size: u32) -> Option<(usize, usize)> {
    let (least, most) = positions.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), n| (a.min(n), b.max(n)));
    let (first, end) = (whole(least), whole(most.min(size.into()).ceil()));
    (least < most && first < end).then_some((first, end))
}

/// The whole number below; 0 for negative ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast beyond the range saturates")]
fn whole(n: f64) -> usize {
    n.floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    /// A ring around a position, with these distances from it.
    fn star(middle: Position, distances: &[f64]) -> Vec<Position> {
        let angle = |n: usize| TAU * n as f64 / distances.len() as f64;
        let at = |(n, r): (usize, &f64)| (middle.0 + r * angle(n).cos(), middle.1 + r * angle(n).sin());
        let mut ring: Vec<_> = distances.iter().enumerate().map(at).collect();
        ring.extend(ring.first().copied());
        ring
    }

    fn parts(rings: &[Vec<Position>], (rows, cols): (u32, u32)) -> Vec<f64> {
        let mut all = vec![0.0; (rows * cols) as usize];
        for (pixel, part) in Areas::of(rings, (rows, cols)).iter().flat_map(|areas| areas.pixels(cols as usize)) {
            all[pixel] = part;
        }
        all
    }

    fn moved(rings: &[Vec<Position>], (col, row): Position) -> Vec<Vec<Position>> {
        rings.iter().map(|ring| ring.iter().map(|&(x, y)| (x - col, y - row)).collect()).collect()
    }

    #[test]
    fn by_hand() {
        let triangle = [vec![(1.0, 0.0), (3.0, 0.0), (1.0, 2.0), (1.0, 0.0)]];
        assert_eq!(parts(&triangle, (2, 4)), [0.0, 1.0, 0.5, 0.0, 0.0, 0.5, 0.0, 0.0]);
        // A window in the middle of it, one beside it, one of which it covers all.
        assert_eq!(parts(&moved(&triangle, (2.0, 0.0)), (2, 1)), [0.5, 0.0]);
        assert_eq!(parts(&moved(&triangle, (3.0, 0.0)), (2, 1)), [0.0, 0.0]);
        let large = [vec![(-9.0, -9.0), (90.0, -9.0), (90.0, 90.0), (-9.0, 90.0), (-9.0, -9.0)]];
        assert_eq!(parts(&large, (2, 2)), [1.0; 4]);
        // A ring that isn't closed, one of two positions, and one far away with infinite ones.
        assert_eq!(parts(&[vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]], (1, 1)), [0.5]);
        assert_eq!(parts(&[vec![(0.0, 0.0), (1.0, 1.0)]], (1, 1)), [0.0]);
        let beyond = f64::INFINITY;
        assert_eq!(parts(&[vec![(-beyond, -1.0), (beyond, -1.0), (beyond, 0.5), (-beyond, 0.5)]], (1, 2)), [0.5; 2]);
    }

    #[test]
    fn a_ring_that_crosses_itself_covers_both_loops() {
        let bow = [vec![(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0), (0.0, 0.0)]];
        let found = parts(&bow, (4, 4));
        assert_eq!((found[4], found[7], found[0], found[3], found[1]), (1.0, 1.0, 0.5, 0.5, 0.0));
    }

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_area_in_any_windows(
            middle in (14.0..18.0, 14.0..18.0),
            outer in prop::collection::vec(6.0..13.0, 3..30),
            inner in prop::collection::vec(0.1..2.5, 3..9),
            directions in any::<[bool; 2]>(),
            (row, col) in (1u32..31, 1u32..31),
        ) {
            let mut rings = vec![star(middle, &outer), star(middle, &inner)];
            let area = |ring: &Vec<Position>| doubled_area(ring).abs() / 2.0;
            let expected = area(&rings[0]) - area(&rings[1]);
            // An outer ring with three or four corners may not have the inner one within it.
            prop_assume!(outer.len() > 5);
            for (ring, reverse) in rings.iter_mut().zip(directions) {
                if reverse {
                    ring.reverse();
                }
            }
            let Ok(Part::Polygon(rings)) = oriented(Part::Polygon(rings)) else { panic!() };
            let whole = parts(&rings, (32, 32));
            prop_assert!((whole.iter().sum::<f64>() - expected).abs() < 1e-7);
            for (first_row, first_col, rows, cols) in
                [(0, 0, row, col), (0, col, row, 32 - col), (row, 0, 32 - row, col), (row, col, 32 - row, 32 - col)]
            {
                let window = parts(&moved(&rings, (first_col.into(), first_row.into())), (rows, cols));
                for (n, part) in (0..).zip(window) {
                    let other = whole[((first_row + n / cols) * 32 + first_col + n % cols) as usize];
                    prop_assert!((part - other).abs() < 1e-12, "{part} {other}");
                }
            }
        }
    }
}
