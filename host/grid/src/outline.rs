//! The outline of a grid, dense enough to be drawn on another one, and the window that it fills there.

use super::geometry::position;
use super::{Error, Grid, Window};

/// Points on each side of an outline: a curved side is then off by a small part of a pixel.
const POINTS: u32 = 256;

impl Grid {
    /// Positions `(row, col)` in pixels, all around the grid, in order. The first corner comes again as the last point.
    pub fn outline(&self) -> Vec<(f64, f64)> {
        let (rows, cols) = (f64::from(self.rows), f64::from(self.cols));
        let steps = || (0..POINTS).map(|n| f64::from(n) / f64::from(POINTS));
        let mut points: Vec<_> = steps().map(|part| (0.0, part * cols)).collect();
        points.extend(steps().map(|part| (part * rows, cols)));
        points.extend(steps().map(|part| (rows, cols - part * cols)));
        points.extend(steps().map(|part| (rows - part * rows, 0.0)));
        points.push((0.0, 0.0));
        points
    }
}

impl Window {
    /// The window whose edges are nearest to the bounds of these positions, halves away from zero. It may be empty.
    ///
    /// # Errors
    /// When there is no position, or one isn't finite or too far away.
    pub fn around(positions: &[(f64, f64)]) -> Result<Self, Error> {
        let bounds = |part: fn(&(f64, f64)) -> f64| {
            let all = || positions.iter().map(part);
            // A minimum of floats passes over NaN.
            if all().any(f64::is_nan) {
                return Err(Error::Invalid("a corner of it lies nowhere".into()));
            }
            Ok((position(all().fold(f64::INFINITY, f64::min))?, position(all().fold(f64::NEG_INFINITY, f64::max))?))
        };
        let ((row, row_end), (col, col_end)) = (bounds(|p| p.0)?, bounds(|p| p.1)?);
        Self::between(row, col, row_end, col_end)
            .ok_or_else(|| Error::TooLarge(format!("rows {row}..{row_end}, columns {col}..{col_end}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Crs, GeoTransform};
    use proptest::prelude::*;

    #[test]
    fn an_outline_goes_around_once() {
        let grid = Grid { transform: GeoTransform::NONE, rows: 10, cols: 30, crs: Crs::default() };
        let outline = grid.outline();
        for corner in [(0.0, 0.0), (0.0, 30.0), (10.0, 30.0), (10.0, 0.0)] {
            assert!(outline.contains(&corner), "{corner:?}");
        }
        let steps = outline.windows(2).map(|pair| (pair[0].0 - pair[1].0).hypot(pair[0].1 - pair[1].1));
        assert!((steps.sum::<f64>() - 80.0).abs() < 1e-9);
        assert_eq!(Window::around(&outline).unwrap(), grid.window());
    }

    #[test]
    fn positions_that_are_nowhere_are_refused() {
        assert!(Window::around(&[]).is_err());
        assert!(Window::around(&[(0.0, 0.0), (f64::NAN, 1.0)]).is_err());
        assert!(Window::around(&[(0.0, 0.0), (0.0, f64::INFINITY)]).is_err());
        assert!(Window::around(&[(0.0, 0.0), (1.0, 1e12)]).is_err());
        // C5: 0.9 and 1.9 pixels are nearest to 1 and 2.
        assert_eq!(Window::around(&[(1.9, 0.9), (501.9, 500.9)]).unwrap(), Window::new(2, 1, 500, 500));
    }

    proptest! {
        #[test]
        fn no_position_is_further_out_than_half_a_pixel(
            points in prop::collection::vec((-1e6f64..1e6, -1e6f64..1e6), 1..20)
        ) {
            let window = Window::around(&points).unwrap();
            for (row, col) in points {
                prop_assert!(row >= window.row as f64 - 0.5 && row <= window.row_end() as f64 + 0.5);
                prop_assert!(col >= window.col as f64 - 0.5 && col <= window.col_end() as f64 + 0.5);
            }
        }
    }
}
