//! Leaves out what of a geometry can't reach a window's pixels, so that a tile's cost depends on what lies in it.

use crate::files::vector::parts::{Part, Position};
use grid::{Bounds, Window};

/// Pixels around a window within which nothing is left out.
const MARGIN: f64 = 2.0;

/// Adds what of a part reaches the window, in the window's own columns and rows, without vertices that don't matter there.
pub(crate) fn trim(part: &Part, window: &Window, kept: &mut Vec<Part>) {
    let own = |&(col, row): &Position| (col - window.col as f64, row - window.row as f64);
    let frame = Frame { x: (-MARGIN, f64::from(window.cols) + MARGIN), y: (-MARGIN, f64::from(window.rows) + MARGIN) };
    match part {
        Part::Point(position) => kept.extend(Some(own(position)).filter(|p| frame.sides(p) == 0).map(Part::Point)),
        Part::Line(line) => {
            let line: Vec<_> = line.iter().map(own).collect();
            // Each edge is burned by itself.
            let reaches = |pair: &[Position]| !frame.misses(pair);
            let mut edges = line.windows(2).peekable();
            while edges.peek().is_some() {
                let run: Vec<_> = std::iter::from_fn(|| edges.next_if(|pair| reaches(pair))).collect();
                let ends = run.iter().filter_map(|pair| pair.last());
                let run: Vec<_> = run.first().and_then(|pair| pair.first()).into_iter().chain(ends).copied().collect();
                if !run.is_empty() {
                    kept.push(Part::Line(run));
                }
                _ = edges.next();
            }
        }
        Part::Polygon(rings) => {
            let rings = rings.iter().map(|ring| ring.iter().map(own).collect::<Vec<_>>());
            let rings = rings.filter(|ring| !frame.misses(ring)).map(|ring| frame.without_detours(&ring));
            let rings: Vec<_> = rings.collect();
            kept.extend((!rings.is_empty()).then_some(Part::Polygon(rings)));
        }
    }
}

/// A window and its margin.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    /// On which sides of the frame a position lies, one bit each.
    fn sides(&self, &(x, y): &Position) -> u8 {
        u8::from(x < self.x.0) | u8::from(x > self.x.1) << 1 | u8::from(y < self.y.0) << 2 | u8::from(y > self.y.1) << 3
    }

    /// Whether all of a line lies on one side.
    fn misses(&self, line: &[Position]) -> bool {
        line.iter().fold(0b1111, |all, position| all & self.sides(position)) != 0
    }

    /// The ring without vertices between two others on the same side of the frame: the straight way on that side encloses the same
    /// pixels of the window. The lowest vertex and those beside it stay, as OGR tells the ring's direction by them.
    fn without_detours(&self, ring: &[Position]) -> Vec<Position> {
        let by_depth = |(_, a): &(usize, &Position), (_, b): &(usize, &Position)| (a.1, a.0).partial_cmp(&(b.1, b.0));
        let lowest = ring.iter().enumerate().max_by(|a, b| by_depth(a, b).unwrap_or(std::cmp::Ordering::Equal));
        let lowest = lowest.map_or(0, |(index, _)| index);
        let last = ring.len().saturating_sub(1);
        let mut kept: Vec<Position> = Vec::new();
        let mut before = 0;
        for (index, position) in ring.iter().enumerate() {
            let sides = self.sides(position);
            let after = ring.get(index + 1).map_or(0, |next| self.sides(next));
            let is_needed =
                index == 0 || index == last || index.abs_diff(lowest) <= 2 || index.abs_diff(lowest) + 3 >= last;
            if is_needed || before & sides & after == 0 {
                kept.push(*position);
                before = sides;
            }
        }
        kept
    }
}

/// The piece of a part within some bounds. Edges of a ring or line that the bounds cut off run along them. `None` if nothing is left.
pub(crate) fn clip(part: Part, bounds: &Bounds) -> Option<Part> {
    match part {
        Part::Point((x, y)) => {
            let inside = (bounds.x_min..=bounds.x_max).contains(&x) && (bounds.y_min..=bounds.y_max).contains(&y);
            inside.then_some(part)
        }
        Part::Line(line) => Some(clip_line(line, bounds, false)).filter(|line| !line.is_empty()).map(Part::Line),
        Part::Polygon(rings) => {
            let rings = rings.into_iter().map(|ring| clip_line(ring, bounds, true));
            let rings: Vec<_> = rings.filter(|ring| !ring.is_empty()).collect();
            (!rings.is_empty()).then_some(Part::Polygon(rings))
        }
    }
}

/// Cuts off what is beyond each of the four sides in turn.
fn clip_line(line: Vec<Position>, bounds: &Bounds, is_ring: bool) -> Vec<Position> {
    /// How far inside of a side a position is; negative outside.
    type Inside<'a> = &'a dyn Fn(&Position) -> f64;
    let sides: [Inside<'_>; 4] =
        [&|p| p.0 - bounds.x_min, &|p| bounds.x_max - p.0, &|p| p.1 - bounds.y_min, &|p| bounds.y_max - p.1];
    let mut line = line;
    for inside in sides {
        if line.iter().all(|position| inside(position) >= 0.0) {
            continue;
        }
        let mut kept: Vec<Position> = Vec::with_capacity(line.len());
        let mut previous: Option<(Position, f64)> = None;
        for position in line {
            let here = inside(&position);
            if let Some((from, there)) = previous.filter(|(_, there)| (*there < 0.0) != (here < 0.0)) {
                let part = there / (there - here);
                kept.push((from.0 + (position.0 - from.0) * part, from.1 + (position.1 - from.1) * part));
            }
            if here >= 0.0 {
                kept.push(position);
            }
            previous = Some((position, here));
        }
        // A ring ends where it begins.
        if let (true, Some(first)) = (is_ring, kept.first().copied())
            && kept.last() != Some(&first)
        {
            kept.push(first);
        }
        line = kept;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detours_outside_are_left_out() {
        let window = Window::new(100, 200, 10, 10);
        // A ring that enters the window from the left, with a long way round on that side.
        let ring = vec![
            (205.0, 105.0),
            (190.0, 105.0),
            (180.0, 100.0),
            (170.0, 101.0),
            (150.0, 90.0),
            (160.0, 80.0),
            (170.0, 99.0),
            (180.0, 98.0),
            (175.0, 120.0),
            (180.0, 108.0),
            (190.0, 108.0),
            (205.0, 108.0),
            (205.0, 105.0),
        ];
        let trimmed = |part: Part| {
            let mut kept = Vec::new();
            trim(&part, &window, &mut kept);
            kept
        };
        let kept = trimmed(Part::Polygon(vec![ring]));
        // The lowest vertex, (175, 120), and two on each side of it stay.
        let left =
            [(5., 5.), (-10., 5.), (-30., -1.), (-20., -2.), (-25., 20.), (-20., 8.), (-10., 8.), (5., 8.), (5., 5.)];
        assert_eq!(kept, [Part::Polygon(vec![left.to_vec()])]);
        let line = [(150.0, 0.0), (190.0, 300.0), (205.0, 105.0), (205.0, 205.0), (205.0, 305.0), (205.0, 0.0)];
        let runs = [vec![(-10.0, 200.0), (5.0, 5.0), (5.0, 105.0)], vec![(5.0, 205.0), (5.0, -100.0)]];
        assert_eq!(trimmed(Part::Line(line.to_vec())), runs.map(Part::Line));
        assert_eq!(trimmed(Part::Point((211.0, 99.0))), [Part::Point((11.0, -1.0))]);
        assert_eq!(trimmed(Part::Point((213.0, 99.0))), []);
    }

    #[test]
    fn clipping_follows_the_bounds() {
        let bounds = Bounds { x_min: 0.0, y_min: 0.0, x_max: 10.0, y_max: 10.0 };
        let square = vec![(5., 5.), (15., 5.), (15., 15.), (5., 15.), (5., 5.)];
        let clipped = clip(Part::Polygon(vec![square]), &bounds);
        assert_eq!(clipped, Some(Part::Polygon(vec![vec![(5., 5.), (10., 5.), (10., 10.), (5., 10.), (5., 5.)]])));
        assert_eq!(clip(Part::Line(vec![(-5., 5.), (5., 5.)]), &bounds), Some(Part::Line(vec![(0., 5.), (5., 5.)])));
        assert_eq!(clip(Part::Line(vec![(-5., 5.), (-5., 15.)]), &bounds), None);
        assert_eq!(clip(Part::Point((10., 10.)), &bounds), Some(Part::Point((10., 10.))));
        assert_eq!(clip(Part::Point((10., 11.)), &bounds), None);
    }
}
