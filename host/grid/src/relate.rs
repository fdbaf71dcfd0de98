//! Where one grid lies on the pixels of another, if it does.

use super::geometry::position;
use super::{Crs, Error, Grid, Turn, Window};
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// How a grid lies on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Where its upper-left corner on the map lies.
    pub offset: Offset,
    /// Which of its lines run the other way.
    pub turn: Turn,
}

/// Why a grid's pixels aren't those of another.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The CRS differ.
    #[error("its CRS differs")]
    Crs,
    /// The grid's pixels can't be read as they are: it is rotated, or invalid.
    #[error(transparent)]
    Unusable(#[from] Error),
    /// The pixel sizes differ.
    #[error("its pixels are {} × {}, not {} × {}{}", found.0, found.1, expected.0, expected.1, Over(*by))]
    PixelSize {
        /// Width and height of the grid's pixels.
        found: (f64, f64),
        /// Width and height of the reference's pixels.
        expected: (f64, f64),
        /// The largest distance of a corner from where it should be, in pixels.
        by: f64,
    },
    /// The pixels are equally large, but a part of a pixel apart.
    #[error("its pixels are shifted by {} columns and {} rows", Short(*cols), Short(*rows))]
    Shifted {
        /// Distance in pixels, from -0.5 to 0.5.
        rows: f64,
        /// Distance in pixels, from -0.5 to 0.5.
        cols: f64,
        /// The largest distance of a corner from where it should be, in pixels.
        by: f64,
    },
}

impl Mismatch {
    /// The tolerance, with two digits, under which the grids would be the same; `None` when no tolerance makes them so.
    pub fn tolerance(&self) -> Option<f64> {
        let (Self::PixelSize { by, .. } | Self::Shifted { by, .. }) = self else { return None };
        if !(1e-12..0.5).contains(by) {
            return None;
        }
        let unit = 10f64.powf(by.log10().floor() - 1.0);
        // The text has the number without the noise of the division.
        let rounded: f64 = format!("{:.1e}", (by / unit).ceil() * unit).parse().ok()?;
        (rounded < 0.5).then_some(rounded)
    }
}

/// A number with as many digits as say something here.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = format!("{:.2e}", self.0).parse().unwrap_or(self.0);
        if rounded == 0.0 { f.write_str("0") } else { write!(f, "{rounded}") }
    }
}

/// The distance that a small difference of pixel sizes amounts to.
struct Over(f64);

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0.5 { write!(f, ", which moves a corner by {} pixels", Short(self.0)) } else { Ok(()) }
    }
}

/// How `grid` lies on the pixels of `reference`, which must be north-up.
///
/// They are the same pixels if no corner of `grid` is further than `tolerance`, in pixels of the reference, from a
/// corner of the reference's pixels: a difference counts by what it amounts to over the whole raster.
///
/// # Errors
/// The first [`Mismatch`] in the order CRS, rotation, pixel size, shift: then the grid needs resampling.
pub fn relate(
    reference: &Grid,
    grid: &Grid,
    tolerance: f64,
    same_crs: impl FnOnce(&Crs, &Crs) -> bool,
) -> Result<Placement, Mismatch> {
    if !same_crs(&reference.crs, &grid.crs) {
        return Err(Mismatch::Crs);
    }
    let upright = grid.north_up(tolerance)?;
    let turn = grid.transform.turn();
    let ((x0, y0), (px, py)) = (reference.transform.origin(), reference.transform.pixel_size());
    let (rows, cols) = (f64::from(grid.rows), f64::from(grid.cols));
    // For each corner, how far it is from where it would be if the upper-left one lay on the reference's.
    let from_origin = [(0.0, 0.0), (0.0, cols), (rows, 0.0), (rows, cols)].map(|(row, col)| {
        let (x, y) = grid.transform.to_map(row, col);
        let down = if turn.rows { rows - row } else { row };
        let right = if turn.cols { cols - col } else { col };
        ((y0 - y) / py - down, (x - x0) / px - right)
    });
    let mean = |part: fn(&(f64, f64)) -> f64| from_origin.iter().map(part).sum::<f64>() / 4.0;
    let offset = Offset { row: position(mean(|c| c.0))?, col: position(mean(|c| c.1))? };
    let distance = |(row, col): &(f64, f64)| (row - offset.row as f64).abs().max((col - offset.col as f64).abs());
    // Coordinates of a few million with pixels of a few centimetres aren't more exact than this.
    let by = (from_origin.iter().map(distance).fold(0.0, f64::max) * 1e6).round() / 1e6;
    if by <= tolerance {
        return Ok(Placement { offset, turn });
    }
    let found = upright.transform.pixel_size();
    let growth = ((found.0 - px).abs() * cols / px).max((found.1 - py).abs() * rows / py);
    if growth > tolerance {
        return Err(Mismatch::PixelSize { found, expected: (px, py), by });
    }
    let part = |pixels: f64| pixels - pixels.round();
    Err(Mismatch::Shifted { rows: part(mean(|c| c.0)), cols: part(mean(|c| c.1)), by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GeoTransform;
    use proptest::prelude::*;

    fn grid(x: f64, y: f64, px: f64, rows: u32, cols: u32) -> Grid {
        Grid { transform: GeoTransform::north_up(x, y, px, px), rows, cols, crs: Crs::default() }
    }

    fn placed(a: &Grid, b: &Grid) -> Result<Placement, Mismatch> {
        relate(a, b, 0.01, |a, b| a == b)
    }

    fn at(row: i64, col: i64) -> Placement {
        Placement { offset: Offset { row, col }, turn: Turn::default() }
    }

    #[test]
    fn a_hundredth_of_a_pixel_over_the_whole_raster() {
        let a = grid(0.0, 0.0, 10.0, 500, 500);
        assert_eq!(placed(&a, &grid(30.0 + 0.099, -20.0, 10.0, 500, 500)), Ok(at(2, 3)));
        assert!(matches!(placed(&a, &grid(30.0 + 0.101, -20.0, 10.0, 500, 500)), Err(Mismatch::Shifted { .. })));
        // 500 pixels that are 0.0002 too large move the last corner by 0.01 pixels.
        assert_eq!(placed(&a, &grid(0.0, 0.0, 10.0 + 1.99e-4, 500, 500)), Ok(at(0, 0)));
        assert!(matches!(placed(&a, &grid(0.0, 0.0, 10.0 + 4.1e-4, 500, 500)), Err(Mismatch::PixelSize { .. })));
        // However many pixels there are, and whichever of the two is the larger.
        let (wide, shifted) = (grid(-180.0, 90.0, 1.0 / 120.0, 21_600, 43_200), -180.0 + 1e-9);
        assert_eq!(placed(&wide, &grid(shifted, 90.0, 1.0 / 120.0, 21_600, 43_200)), Ok(at(0, 0)));
        assert_eq!(placed(&wide, &grid(-180.0, 90.0, 0.008_333_333_333_333, 21_600, 43_200)), Ok(at(0, 0)));
        assert_eq!(placed(&a, &grid(0.0, 0.0, 10.0 + 0.09, 1, 1)), Ok(at(0, 0)));
    }

    #[test]
    fn each_reason_in_words_with_the_tolerance_that_would_do() {
        let a = grid(0.0, 0.0, 10.0, 500, 500);
        let refused = |b: &Grid| {
            let mismatch = placed(&a, b).unwrap_err();
            (mismatch.to_string(), mismatch.tolerance())
        };
        assert_eq!(refused(&grid(0.0, 0.0, 30.0, 500, 500)), ("its pixels are 30 × 30, not 10 × 10".into(), None));
        assert_eq!(
            refused(&grid(0.0, 0.0, 10.002, 500, 500)),
            ("its pixels are 10.002 × 10.002, not 10 × 10, which moves a corner by 0.1 pixels".into(), Some(0.1))
        );
        assert_eq!(
            refused(&grid(-104.0, 2.5, 10.0, 500, 500)),
            ("its pixels are shifted by -0.4 columns and -0.25 rows".into(), Some(0.4))
        );
        assert_eq!(refused(&grid(0.0, 5.0, 10.0, 500, 500)).1, None);
        let mut other = grid(0.0, 0.0, 10.0, 5, 5);
        other.crs = Crs::from("LOCAL_CS[\"x\"]");
        assert_eq!(refused(&other), ("its CRS differs".into(), None));
        other = grid(0.0, 0.0, 10.0, 5, 5);
        other.transform.0[2] = 0.5;
        assert_eq!(refused(&other), ("it is rotated (geotransform terms 0.5 and 0)".into(), None));
    }

    #[test]
    fn rotation_that_moves_no_corner_is_none() {
        let a = grid(500_000.0, 7_000_000.0, 10.0, 500, 500);
        let rotated = |term: f64| {
            let mut b = a.clone();
            (b.transform.0[2], b.transform.0[4]) = (term, -term);
            placed(&a, &b)
        };
        // 500 rows × 1e-4 are 0.05 map units, which is 0.005 pixels.
        assert_eq!(rotated(1e-4), Ok(at(0, 0)));
        assert!(matches!(rotated(3e-4), Err(Mismatch::Unusable(Error::Rotated { .. }))));
        assert!(matches!(rotated(f64::NAN), Err(Mismatch::Unusable(Error::Invalid(_)))));
    }

    #[test]
    fn far_or_broken_grids_are_refused_not_wrapped() {
        let a = grid(0.0, 0.0, 1e-300, 5, 5);
        for b in [grid(1e300, 0.0, 1e-300, 5, 5), grid(f64::NAN, 0.0, 1e-300, 5, 5), grid(0.0, 0.0, 0.0, 5, 5)] {
            assert!(matches!(placed(&a, &b), Err(Mismatch::Unusable(_))), "{b:?}");
        }
    }

    proptest! {
        #[test]
        fn whole_pixel_offsets_are_found(row in -100_000i64..100_000, col in -100_000i64..100_000, px in 0.01f64..1000.0) {
            let a = grid(437_000.25, 5_212_000.5, px, 10_000, 10_000);
            let b = a.crop(&Window::new(row, col, 300, 200));
            prop_assert_eq!(placed(&a, &b), Ok(at(row, col)));
        }

        /// The same pixels, whichever corner the file counts from.
        #[test]
        fn turned_files_lie_where_they_lay(
            row in -1000i64..1000, col in -1000i64..1000, rows in 1u32..3000, cols in 1u32..3000,
            turn_rows: bool, turn_cols: bool,
        ) {
            let a = grid(437_000.25, 5_212_000.5, 0.3, 10_000, 10_000);
            let mut b = a.crop(&Window::new(row, col, rows, cols));
            let [x, dx, _, y, _, dy] = b.transform.0;
            let (x_end, y_end) = b.transform.to_map(rows.into(), cols.into());
            let (x, dx) = if turn_cols { (x_end, -dx) } else { (x, dx) };
            let (y, dy) = if turn_rows { (y_end, -dy) } else { (y, dy) };
            b.transform = GeoTransform([x, dx, 0.0, y, 0.0, dy]);
            let turn = Turn { rows: turn_rows, cols: turn_cols };
            prop_assert_eq!(placed(&a, &b), Ok(Placement { offset: Offset { row, col }, turn }));
        }

        /// What is accepted is never further off than it may be, and what is refused always is.
        #[test]
        fn no_corner_is_further_off_than_the_tolerance(
            tolerance in 0.0f64..0.49, x in -0.6f64..0.6, y in -0.6f64..0.6, dx in -1e-3f64..1e-3, dy in -1e-3f64..1e-3,
            rows in 1u32..800, cols in 1u32..800,
        ) {
            let a = grid(0.0, 0.0, 1.0, 1000, 1000);
            let b = Grid {
                transform: GeoTransform([x, 1.0 + dx, 0.0, y, 0.0, -1.0 - dy]), rows, cols, crs: Crs::default(),
            };
            // The map is counted in pixels here, so each corner's distance can be read off.
            let (right, down) = (f64::from(cols) * dx, f64::from(rows) * dy);
            let off = |offset: Offset| {
                let (row, col) = (offset.row as f64, offset.col as f64);
                [x - col, x + right - col, -y - row, -y + down - row].into_iter().map(f64::abs).fold(0.0, f64::max)
            };
            match relate(&a, &b, tolerance, |_, _| true) {
                Ok(found) => prop_assert!(off(found.offset) <= tolerance + 1e-6),
                Err(_) => for row in -2..=2 {
                    for col in -2..=2 {
                        let by = off(Offset { row, col });
                        prop_assert!(by > tolerance - 1e-6);
                    }
                }
            }
        }
    }
}
