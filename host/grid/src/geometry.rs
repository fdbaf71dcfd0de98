//! Where a raster's pixels lie on the map.

use super::{Error, Turn, Window};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The affine map from pixels to map coordinates, in GDAL's order: x0, dx, rx, y0, ry, dy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeoTransform(pub [f64; 6]);

/// A coordinate reference system as WKT; empty when there is none. Two texts may mean the same CRS: PROJ decides that.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Crs(pub Arc<str>);

impl From<String> for Crs {
    fn from(wkt: String) -> Self {
        Self(wkt.into())
    }
}

impl From<Crs> for String {
    fn from(crs: Crs) -> Self {
        crs.0.to_string()
    }
}

impl Crs {
    /// Whether there is no CRS.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Crs {
    fn from(wkt: &str) -> Self {
        Self(wkt.into())
    }
}

/// An extent in map coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub x_min: f64,
    /// Lower edge.
    pub y_min: f64,
    /// Right edge.
    pub x_max: f64,
    /// Upper edge.
    pub y_max: f64,
}

/// A raster's CRS, geotransform and size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// From pixels to map coordinates.
    pub transform: GeoTransform,
    pub rows: u32,
    pub cols: u32,
    pub crs: Crs,
}

impl GeoTransform {
    /// The transform of a raster without a place on the map: its own pixels, counted downwards.
    pub const NONE: Self = Self([0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);

    /// The north-up transform with its upper-left corner at `(x, y)` and positive pixel sizes.
    pub const fn north_up(x: f64, y: f64, pixel_x: f64, pixel_y: f64) -> Self {
        Self([x, pixel_x, 0.0, y, 0.0, -pixel_y])
    }

    /// Map coordinates of a position in pixels; whole numbers are corners of pixels.
    pub fn to_map(self, row: f64, col: f64) -> (f64, f64) {
        let [x0, dx, rx, y0, ry, dy] = self.0;
        (x0 + col * dx + row * rx, y0 + col * ry + row * dy)
    }

    /// The position `(row, col)` in pixels of map coordinates; none where the transform can't be turned round.
    pub fn to_pixel(self, x: f64, y: f64) -> Option<(f64, f64)> {
        let [x0, dx, rx, y0, ry, dy] = self.0;
        let (x, y) = (x - x0, y - y0);
        let (row, col) = if rx == 0.0 && ry == 0.0 {
            (y / dy, x / dx)
        } else {
            let determinant = dx * dy - rx * ry;
            ((y * dx - x * ry) / determinant, (x * dy - y * rx) / determinant)
        };
        (row.is_finite() && col.is_finite()).then_some((row, col))
    }

    /// The upper-left corner.
    pub const fn origin(&self) -> (f64, f64) {
        (self.0[0], self.0[3])
    }

    /// Width and height of a pixel, positive in a north-up grid.
    pub const fn pixel_size(&self) -> (f64, f64) {
        (self.0[1], -self.0[5])
    }

    fn check_finite(&self) -> Result<(), Error> {
        if self.0.iter().all(|v| v.is_finite()) {
            Ok(())
        } else {
            Err(Error::Invalid(format!("its geotransform {:?} is not finite", self.0)))
        }
    }

    /// Which of the rows and columns run against those of a north-up grid.
    pub fn turn(&self) -> Turn {
        let [_, dx, _, _, _, dy] = self.0;
        Turn { rows: dy > 0.0, cols: dx < 0.0 }
    }
}

impl Grid {
    /// A north-up grid over `bounds` with these positive pixel sizes: origin at the upper left, counts rounded to the
    /// nearest whole pixel, halves away from zero.
    ///
    /// # Errors
    /// When a number isn't finite, the bounds or pixel sizes aren't positive, or there are too many pixels.
    pub fn from_bounds(bounds: &Bounds, pixel_x: f64, pixel_y: f64, crs: Crs) -> Result<Self, Error> {
        let transform = GeoTransform::north_up(bounds.x_min, bounds.y_max, pixel_x, pixel_y);
        transform.check_finite()?;
        if pixel_x <= 0.0 || pixel_y <= 0.0 {
            return Err(Error::Invalid(format!("its pixels are {pixel_x} × {pixel_y}")));
        }
        let rows = count((bounds.y_max - bounds.y_min) / pixel_y)?;
        let cols = count((bounds.x_max - bounds.x_min) / pixel_x)?;
        Ok(Self { transform, rows, cols, crs })
    }

    /// The north-up grid of the same pixels. Rotation that moves no corner by more than `tolerance`, in pixels, is none.
    ///
    /// # Errors
    /// [`Error::Rotated`] or, for numbers that aren't finite and pixels without a size, [`Error::Invalid`].
    pub fn north_up(&self, tolerance: f64) -> Result<Self, Error> {
        self.transform.check_finite()?;
        let [x, dx, row_term, y, col_term, dy] = self.transform.0;
        let (rows, cols) = (f64::from(self.rows), f64::from(self.cols));
        if row_term.abs() * rows > tolerance * dx.abs() || col_term.abs() * cols > tolerance * dy.abs() {
            return Err(Error::Rotated { row_term, col_term });
        }
        if dx == 0.0 || dy == 0.0 {
            return Err(Error::Invalid(format!("its pixels are {dx} × {dy}")));
        }
        let turn = self.transform.turn();
        let x = if turn.cols { x + cols * dx } else { x };
        let y = if turn.rows { y + rows * dy } else { y };
        Ok(Self { transform: GeoTransform::north_up(x, y, dx.abs(), dy.abs()), ..self.clone() })
    }

    /// All pixels as a window.
    pub const fn window(&self) -> Window {
        Window::new(0, 0, self.rows, self.cols)
    }

    /// The extent on the map. Only meaningful in a north-up grid.
    pub fn bounds(&self) -> Bounds {
        let (x_min, y_max) = self.transform.origin();
        let (x_max, y_min) = self.transform.to_map(self.rows.into(), self.cols.into());
        Bounds { x_min, y_min, x_max, y_max }
    }

    /// The grid of a window's pixels: same CRS and pixel size, another origin and size.
    pub fn crop(&self, window: &Window) -> Self {
        let (x, y) = self.transform.to_map(window.row as f64, window.col as f64);
        let [_, dx, rx, _, ry, dy] = self.transform.0;
        Self {
            transform: GeoTransform([x, dx, rx, y, ry, dy]),
            rows: window.rows,
            cols: window.cols,
            crs: self.crs.clone(),
        }
    }

    /// The window of this grid's pixels whose edges are nearest to `bounds`, halves rounding away from this grid's
    /// origin. This grid must be north-up; the window may reach outside it.
    ///
    /// # Errors
    /// When the bounds aren't finite, hold no pixel after snapping, or too many.
    pub fn snap(&self, bounds: &Bounds) -> Result<Window, Error> {
        let (x0, y0) = self.transform.origin();
        let (pixel_x, pixel_y) = self.transform.pixel_size();
        let window = Window::between(
            position((y0 - bounds.y_max) / pixel_y)?,
            position((bounds.x_min - x0) / pixel_x)?,
            position((y0 - bounds.y_min) / pixel_y)?,
            position((bounds.x_max - x0) / pixel_x)?,
        );
        window.filter(|w| !w.is_empty()).ok_or_else(|| Error::Invalid(format!("no pixel fits the bounds {bounds:?}")))
    }
}

/// Nearest whole position, halves away from zero.
pub(super) fn position(value: f64) -> Result<i64, Error> {
    // Beyond 2^53 a float has no exact neighbours, and no raster is that large.
    const LIMIT: f64 = (1u64 << 53) as f64;
    let rounded = value.round();
    if rounded.is_nan() || rounded.abs() >= LIMIT {
        return Err(Error::TooLarge(format!("{value} pixels")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    Ok(rounded as i64)
}

/// Nearest whole number of pixels, at least one.
fn count(value: f64) -> Result<u32, Error> {
    let pixels = position(value)?;
    match u32::try_from(pixels) {
        Ok(0) => Err(Error::Invalid("it has no pixels".into())),
        Ok(n) => Ok(n),
        Err(_) if pixels < 0 => Err(Error::Invalid("its bounds are reversed".into())),
        Err(_) => Err(Error::TooLarge(format!("{value} pixels"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid {
            transform: GeoTransform::north_up(500_000.0, 7_000_000.0, 10.0, 10.0),
            rows: 500,
            cols: 500,
            crs: Crs::default(),
        }
    }

    #[test]
    fn bounds_and_crop() {
        let b = grid().bounds();
        assert_eq!(b, Bounds { x_min: 500_000.0, y_min: 6_995_000.0, x_max: 505_000.0, y_max: 7_000_000.0 });
        let c = grid().crop(&Window::new(-2, 3, 10, 20));
        assert_eq!(c.transform, GeoTransform::north_up(500_030.0, 7_000_020.0, 10.0, 10.0));
        assert_eq!((c.rows, c.cols), (10, 20));
        assert_eq!(Grid::from_bounds(&b, 10.0, 10.0, Crs::default()).unwrap(), grid());
    }

    #[test]
    fn snapping_rounds_halves_away_from_zero() {
        let shifted = |dx: f64, dy: f64| {
            let b = grid().bounds();
            Bounds { x_min: b.x_min + dx, x_max: b.x_max + dx, y_min: b.y_min + dy, y_max: b.y_max + dy }
        };
        // C5: origin (+9, −19) m is 0.9 and 1.9 pixels off.
        assert_eq!(grid().snap(&shifted(9.0, -19.0)).unwrap(), Window::new(2, 1, 500, 500));
        assert_eq!(grid().snap(&shifted(5.0, -5.0)).unwrap(), Window::new(1, 1, 500, 500));
        assert_eq!(grid().snap(&shifted(-5.0, 5.0)).unwrap(), Window::between(-1, -1, 500, 500).unwrap());
        assert_eq!(grid().snap(&shifted(4.999, 4.999)).unwrap(), Window::new(0, 0, 500, 500));
    }

    #[test]
    fn hostile_numbers_are_refused() {
        let b = grid().bounds();
        let text = |r: Result<Grid, Error>| r.unwrap_err().to_string();
        assert_eq!(
            text(Grid::from_bounds(&b, 1e-9, 10.0, Crs::default())),
            "the grid is too large: 5000000000000 pixels"
        );
        assert_eq!(text(Grid::from_bounds(&b, 1e9, 10.0, Crs::default())), "the grid is invalid: it has no pixels");
        let reversed = Bounds { x_min: b.x_max, x_max: b.x_min, ..b };
        assert_eq!(
            text(Grid::from_bounds(&reversed, 10.0, 10.0, Crs::default())),
            "the grid is invalid: its bounds are reversed"
        );
        assert!(grid().snap(&Bounds { x_max: f64::NAN, ..b }).is_err());
        assert!(grid().snap(&Bounds { x_max: 1e300, ..b }).is_err());
    }

    #[test]
    fn north_up() {
        let of =
            |t: [f64; 6]| Grid { transform: GeoTransform(t), rows: 4, cols: 5, crs: Crs::default() }.north_up(0.01);
        let text = |t| of(t).unwrap_err().to_string();
        assert_eq!(text([0.0, 1.0, 0.5, 0.0, -0.5, -1.0]), "it is rotated (geotransform terms 0.5 and -0.5)");
        assert_eq!(text([0.0, 0.0, 1.0, 0.0, 1.0, 0.0]), "it is rotated (geotransform terms 1 and 1)");
        assert_eq!(text([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]), "the grid is invalid: its pixels are 1 × 0");
        assert!(text([f64::NAN, 1.0, 0.0, 0.0, 0.0, -1.0]).starts_with("the grid is invalid"));
        assert_eq!(grid().north_up(0.0).unwrap(), grid());
        // From the south-west corner upwards, and from the south-east corner to the left.
        assert_eq!(
            of([10.0, 2.0, 0.0, 20.0, 0.0, 3.0]).unwrap().transform,
            GeoTransform::north_up(10.0, 32.0, 2.0, 3.0)
        );
        assert_eq!(
            of([20.0, -2.0, 0.0, 20.0, 0.0, 3.0]).unwrap().transform,
            GeoTransform::north_up(10.0, 32.0, 2.0, 3.0)
        );
        // 4 rows × 0.002 are 0.008 pixels.
        assert_eq!(
            of([0.0, 1.0, 0.002, 0.0, 0.0, -1.0]).unwrap().transform,
            GeoTransform::north_up(0.0, 0.0, 1.0, 1.0)
        );
    }
}
