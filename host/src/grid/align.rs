//! How two grids relate, and the extent of several.

use super::geometry::position;
use super::{Crs, Error, Grid, Window};
use serde::{Deserialize, Serialize};

/// Where a grid's upper-left corner lies in another grid, in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// Rows below the other's first row.
    pub row: i64,
    /// Columns right of the other's first column.
    pub col: i64,
}

impl Offset {
    /// The window that a grid of this size covers.
    pub const fn window(self, rows: u32, cols: u32) -> Window {
        Window::new(self.row, self.col, rows, cols)
    }
}

/// Why a grid's pixels aren't those of another.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The CRS differ.
    #[error("its CRS differs")]
    Crs,
    /// The pixel sizes differ.
    #[error("its pixels are {} × {}, not {} × {}", found.0, found.1, expected.0, expected.1)]
    PixelSize {
        /// Width and height of the grid's pixels.
        found: (f64, f64),
        /// Width and height of the reference's pixels.
        expected: (f64, f64),
    },
    /// The pixels are equally large, but a part of a pixel apart.
    #[error("its pixels are shifted by {cols} columns and {rows} rows")]
    Shifted {
        /// Distance in pixels, from -0.5 to 0.5.
        rows: f64,
        /// Distance in pixels, from -0.5 to 0.5.
        cols: f64,
    },
}

/// Where `grid` lies on the pixels of `reference`. Both must be north-up.
///
/// Pixel sizes and the distance to whole pixels may differ by 0.001 × pixel size / the largest row or column count, so
/// that no pixel is out by more than about a thousandth of its size.
///
/// # Errors
/// The first [`Mismatch`] in the order CRS, pixel size, shift: then the grid needs resampling.
pub fn relate(reference: &Grid, grid: &Grid, same_crs: impl FnOnce(&Crs, &Crs) -> bool) -> Result<Offset, Mismatch> {
    if !same_crs(&reference.crs, &grid.crs) {
        return Err(Mismatch::Crs);
    }
    let (px, py) = reference.transform.pixel_size();
    let found = grid.transform.pixel_size();
    let largest = [reference.rows, reference.cols, grid.rows, grid.cols, 1].into_iter().max().unwrap_or(1);
    let tolerance = 0.001 * px.min(py) / f64::from(largest);
    if (found.0 - px).abs() > tolerance || (found.1 - py).abs() > tolerance {
        return Err(Mismatch::PixelSize { found, expected: (px, py) });
    }
    let ((x0, y0), (x, y)) = (reference.transform.origin(), grid.transform.origin());
    let (cols, rows) = ((x - x0) / px, (y0 - y) / py);
    let shift = |pixels: f64| pixels - pixels.round();
    let whole = |pixels: f64, size: f64| shift(pixels).abs() * size <= tolerance;
    match (position(rows), position(cols)) {
        (Ok(row), Ok(col)) if whole(rows, py) && whole(cols, px) => Ok(Offset { row, col }),
        _ => Err(Mismatch::Shifted { rows: shift(rows), cols: shift(cols) }),
    }
}

/// Which pixels the working grid has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Footprint {
    /// Those that every input has.
    #[default]
    Intersection,
    /// The smallest rectangle with the pixels of all inputs.
    Union,
    /// Those of the reference.
    Reference,
}

/// The working grid's window, in pixels of `reference`, from the named windows that the inputs cover there.
///
/// # Errors
/// [`Error::NoIntersection`] names two inputs that are apart; [`Error::TooLarge`] when the union is too large for a
/// grid; [`Error::Invalid`] without any input, unless the reference decides.
pub fn footprint<'a>(
    kind: Footprint,
    reference: &Grid,
    inputs: impl IntoIterator<Item = (&'a str, Window)> + Clone,
) -> Result<Window, Error> {
    if kind == Footprint::Reference {
        return Ok(reference.window());
    }
    let mut all = inputs.clone().into_iter();
    let Some((_, mut result)) = all.next() else {
        return Err(Error::Invalid("no input says what its extent is; give a reference grid".into()));
    };
    for (name, window) in all {
        result = match kind {
            Footprint::Union => {
                result.union(&window).ok_or_else(|| Error::TooLarge(format!("the union of {result} and {window}")))?
            }
            // Rectangles that overlap pairwise overlap as a whole, so there is always one to name.
            _ => result.intersection(&window).ok_or_else(|| Error::NoIntersection {
                first: inputs
                    .clone()
                    .into_iter()
                    .find(|(_, w)| w.intersection(&window).is_none())
                    .map_or_else(String::new, |(first, _)| first.to_owned()),
                second: name.to_owned(),
            })?,
        };
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Bounds, GeoTransform};
    use proptest::prelude::*;

    fn grid(x: f64, y: f64, px: f64, rows: u32, cols: u32) -> Grid {
        Grid { transform: GeoTransform::north_up(x, y, px, px), rows, cols, crs: Crs::default() }
    }

    fn offset(a: &Grid, b: &Grid) -> Result<Offset, Mismatch> {
        relate(a, b, |a, b| a == b)
    }

    #[test]
    fn f15_tolerance() {
        let a = grid(0.0, 0.0, 10.0, 500, 500);
        assert_eq!(offset(&a, &grid(30.0 + 1.9e-5, -20.0, 10.0, 500, 500)), Ok(Offset { row: 2, col: 3 }));
        assert!(matches!(offset(&a, &grid(30.0 + 2.1e-5, -20.0, 10.0, 500, 500)), Err(Mismatch::Shifted { .. })));
        assert_eq!(offset(&a, &grid(0.0, 0.0, 10.0 + 1.9e-5, 500, 500)), Ok(Offset { row: 0, col: 0 }));
        assert_eq!(
            offset(&a, &grid(0.0, 0.0, 30.0, 500, 500)).unwrap_err().to_string(),
            "its pixels are 30 × 30, not 10 × 10"
        );
        assert_eq!(
            offset(&a, &grid(-104.0, 2.5, 10.0, 500, 500)).unwrap_err().to_string(),
            format!("its pixels are shifted by {} columns and -0.25 rows", -10.4 + 10.0)
        );
        let mut other = grid(0.0, 0.0, 10.0, 5, 5);
        other.crs = Crs::from("LOCAL_CS[\"x\"]");
        assert_eq!(offset(&a, &other).unwrap_err().to_string(), "its CRS differs");
    }

    #[test]
    fn far_or_broken_grids_are_shifted_not_wrapped() {
        let a = grid(0.0, 0.0, 1e-300, 5, 5);
        assert!(matches!(offset(&a, &grid(1e300, 0.0, 1e-300, 5, 5)), Err(Mismatch::Shifted { .. })));
        assert!(offset(&a, &grid(f64::NAN, 0.0, 1e-300, 5, 5)).is_err());
    }

    #[test]
    fn c14_footprints() {
        let a = grid(500_000.0, 7_000_000.0, 10.0, 500, 500);
        let b = grid(501_000.0, 6_999_000.0, 10.0, 500, 500);
        let windows = [("a", a.window()), ("b", offset(&a, &b).unwrap().window(b.rows, b.cols))];
        let extent = |kind| {
            let w = footprint(kind, &a, windows).unwrap();
            let Bounds { x_min, y_min, x_max, y_max } = a.crop(&w).bounds();
            ([x_min, x_max, y_min, y_max], w.rows, w.cols)
        };
        assert_eq!(extent(Footprint::Intersection), ([501_000.0, 505_000.0, 6_995_000.0, 6_999_000.0], 400, 400));
        assert_eq!(extent(Footprint::Union), ([500_000.0, 506_000.0, 6_994_000.0, 7_000_000.0], 600, 600));
        assert_eq!(extent(Footprint::Reference), ([500_000.0, 505_000.0, 6_995_000.0, 7_000_000.0], 500, 500));
    }

    #[test]
    fn an_empty_intersection_names_both() {
        let a = grid(0.0, 0.0, 1.0, 10, 10);
        let windows = [
            ("dem", Window::new(0, 0, 10, 10)),
            ("slope", Window::new(5, 5, 10, 10)),
            ("rain", Window::new(2, 10, 5, 5)),
        ];
        assert_eq!(
            footprint(Footprint::Intersection, &a, windows).unwrap_err().to_string(),
            "dem and rain have no pixel in common, so the intersection of the inputs is empty"
        );
        assert!(footprint(Footprint::Intersection, &a, []).is_err());
        assert!(footprint(Footprint::Reference, &a, []).is_ok());
        let far = [("a", Window::new(0, 0, 1, 1)), ("b", Window::new(1 << 40, 0, 1, 1))];
        assert!(matches!(footprint(Footprint::Union, &a, far), Err(Error::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn w6_the_intersection_lies_in_every_input(
            windows in prop::collection::vec((-20i64..20, -20i64..20, 1u32..40, 1u32..40), 1..6)
        ) {
            let reference = grid(0.0, 0.0, 1.0, 10, 10);
            let windows: Vec<_> = windows.into_iter().map(|(r, c, h, w)| ("x", Window::new(r, c, h, w))).collect();
            match footprint(Footprint::Intersection, &reference, windows.iter().copied()) {
                Ok(all) => prop_assert!(!all.is_empty() && windows.iter().all(|(_, w)| w.contains(&all))),
                Err(_) => {
                    let apart = |a: &Window, b: &Window| a.intersection(b).is_none();
                    prop_assert!(windows.iter().any(|(_, a)| windows.iter().any(|(_, b)| apart(a, b))));
                }
            }
        }

        #[test]
        fn whole_pixel_offsets_are_found(row in -100_000i64..100_000, col in -100_000i64..100_000, px in 0.01f64..1000.0) {
            let a = grid(437_000.25, 5_212_000.5, px, 10_000, 10_000);
            let b = a.crop(&Window::new(row, col, 300, 200));
            prop_assert_eq!(offset(&a, &b), Ok(Offset { row, col }));
        }
    }
}
