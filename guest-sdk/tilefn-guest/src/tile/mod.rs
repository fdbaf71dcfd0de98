//! The tile: the pixels of one raster under one window, `[bands, rows, cols]`, and what marks the invalid ones.

mod build;
mod focal;
mod map;
mod operands;
mod plane;
mod result;
mod samples;
mod separable;
mod series;
mod sort;
mod valid;

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use ndarray::{Array3, ArrayView3, ShapeBuilder};

use crate::Element;
pub use focal::{Focal, FocalWindow};
use plane::Plane;
pub use series::Series;

/// The pixels of one raster under one window: `[bands, rows, cols]`, row-major, halo included.
///
/// A pixel is *valid* when it isn't its band's nodata value and isn't NaN. Maps and zips call their closure for valid
/// pixels only; where a pixel of any operand is invalid the result is invalid. Operands are matched by place: when they
/// have different halos, the result has the smallest. A tile with one band goes with every band of the other.
///
/// Cloning a tile, or taking a band or a part of it, copies no pixel.
#[derive(Clone)]
pub struct Tile<T: Element> {
    pixels: Pixels<T>,
    layout: Layout,
    halo: usize,
    nodata: Nodata<T>,
}

/// Where the pixels are.
#[derive(Clone)]
enum Pixels<T: Element> {
    /// What the host wrote; an instance lives for one tile and never frees it.
    Host(&'static [T]),
    /// What the function made.
    Made(Arc<Vec<T>>),
}

impl<T: Element> Pixels<T> {
    /// To be changed in place, when they were made and no other tile has them.
    fn own(&mut self) -> Option<&mut [T]> {
        match self {
            Self::Host(_) => None,
            Self::Made(pixels) => Arc::get_mut(pixels).map(Vec::as_mut_slice),
        }
    }
}

/// Which elements of the pixels belong to the tile.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Layout {
    offset: usize,
    bands: usize,
    rows: usize,
    cols: usize,
    band_stride: usize,
    row_stride: usize,
}

impl Layout {
    fn contiguous([bands, rows, cols]: [usize; 3]) -> Self {
        Self { offset: 0, bands, rows, cols, band_stride: rows * cols, row_stride: cols }
    }
}

/// The nodata values of a tile's bands. NaN is never one: it marks without being declared.
#[derive(Clone)]
enum Nodata<T> {
    /// No band has one.
    None,
    /// All bands have this one.
    All(T),
    /// One for each band.
    Bands(Arc<[Option<T>]>),
}

impl<T: Element> Nodata<T> {
    fn all(value: T) -> Self {
        if value.is_nan() { Self::None } else { Self::All(value) }
    }

    fn bands(values: impl IntoIterator<Item = Option<T>>) -> Self {
        let values: Arc<[_]> = values.into_iter().map(|v| v.filter(|v| !v.is_nan())).collect();
        match values.first().copied() {
            Some(first) if values.iter().all(|v| *v == first) => first.map_or(Self::None, Self::All),
            _ => Self::Bands(values),
        }
    }

    fn of(&self, band: usize) -> Option<T> {
        match self {
            Self::None => None,
            Self::All(value) => Some(*value),
            Self::Bands(values) => values.get(band).copied().flatten(),
        }
    }
}

impl<T: Element> Tile<T> {
    /// `[bands, rows, cols]`, halo included.
    pub fn shape(&self) -> [usize; 3] {
        [self.layout.bands, self.layout.rows, self.layout.cols]
    }

    /// Number of bands.
    pub fn bands(&self) -> usize {
        self.layout.bands
    }

    /// Number of rows, halo included.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Number of columns, halo included.
    pub fn cols(&self) -> usize {
        self.layout.cols
    }

    /// Extra pixels on each of the four sides, part of `rows` and `cols`.
    pub fn halo(&self) -> usize {
        self.halo
    }

    /// The value that marks invalid pixels in this band, if there is one. NaN also marks them, always.
    pub fn nodata(&self, band: usize) -> Option<T> {
        self.nodata.of(band)
    }

    /// The pixels as they are stored, halo included: the invalid ones with whatever marks them. To calculate with whole
    /// arrays, take [`to_array`](Self::to_array).
    pub fn view(&self) -> ArrayView3<'_, T> {
        let Layout { offset, bands, rows, cols, band_stride, row_stride } = self.layout;
        let pixels = self.pixels().get(offset..).unwrap_or_default();
        let view = ArrayView3::from_shape((bands, rows, cols).strides((band_stride, row_stride, 1)), pixels);
        // Every constructor and every part of a tile keeps the layout inside the pixels.
        view.unwrap_or_else(|_| unreachable!("a tile's layout lies within its pixels"))
    }

    /// The pixels as an `ndarray` array, halo included; the invalid ones are NaN.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let tile = Tile::from_rows([[1.0f32, -9999.0]]).with_nodata(-9999.0);
    /// assert_eq!(Tile::from_array(tile.to_array() * 2.0), Tile::from_rows([[2.0, f32::NAN]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When the tile holds integers, which have no NaN, and any pixel is invalid: use
    /// [`to_array_or`](Self::to_array_or), or [`cast`](Self::cast) to floats first.
    #[track_caller]
    pub fn to_array(&self) -> Array3<T> {
        if !T::DTYPE.is_float() && self.declares_nodata() {
            let planes = (0..self.bands()).map(|band| (self.plane(band), self.check(band)));
            assert!(
                planes.into_iter().all(|(plane, check)| plane.is_all_valid(check)),
                "the tile has invalid pixels, and an array of {} can't say so: give them a value with to_array_or, or \
                 take floats, whose invalid pixels are NaN",
                T::DTYPE.name()
            );
        }
        self.to_array_or(T::MARKER)
    }

    /// The pixels as an `ndarray` array, halo included; the invalid ones are `fill`.
    ///
    /// The way back, where no valid pixel has that value: `Tile::from_array(array).with_nodata(fill)`.
    pub fn to_array_or(&self, fill: T) -> Array3<T> {
        let pixels = self.pixels_or(fill);
        Array3::from_shape_vec(self.shape(), pixels).unwrap_or_else(|_| unreachable!("one pixel for each place"))
    }

    /// One band as a tile of its own.
    ///
    /// # Panics
    ///
    /// When there is no such band.
    #[must_use]
    #[track_caller]
    pub fn band(&self, band: usize) -> Self {
        let bands = self.bands();
        assert!(band < bands, "there is no band {band}: the tile has {bands}, counted from 0");
        let mut tile = self.clone();
        tile.layout.offset += band * self.layout.band_stride;
        tile.layout.bands = 1;
        tile.nodata = self.nodata.of(band).map_or(Nodata::None, Nodata::All);
        tile
    }

    /// The bands, each as a tile of its own.
    pub fn iter_bands(&self) -> impl ExactSizeIterator<Item = Self> {
        (0..self.bands()).map(|band| self.band(band))
    }

    /// The tile without its halo.
    #[must_use]
    pub fn without_halo(&self) -> Self {
        self.inset(0, 0, 0)
    }

    /// The tile moved under its window: the pixel at `(row, col)` of the result's window is the one `rows` below and
    /// `cols` to the right of it. The halo shrinks by the larger of the two.
    ///
    /// Zipping moved tiles is the fastest way to work on neighbours.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let dem = Tile::from_rows([[1.0f32, 2.0, 4.0], [0.0, 5.0, 7.0], [3.0, 3.0, 3.0]]).with_halo(1);
    /// let (west, east) = (dem.shifted(0, -1), dem.shifted(0, 1));
    /// assert_eq!(east.zip_valid(&west, |e, w| e - w), Tile::from_rows([[7.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When the halo is too small.
    #[must_use]
    #[track_caller]
    pub fn shifted(&self, rows: isize, cols: isize) -> Self {
        let reach = rows.unsigned_abs().max(cols.unsigned_abs());
        self.require_halo(reach, "the move");
        self.inset(self.halo - reach, rows, cols)
    }

    /// The window with a halo of `halo` pixels around the one moved by `rows` and `cols`; the caller has checked them.
    fn inset(&self, halo: usize, rows: isize, cols: isize) -> Self {
        let margin = self.halo - halo;
        let mut tile = self.clone();
        tile.layout.offset +=
            margin.wrapping_add_signed(rows) * self.layout.row_stride + margin.wrapping_add_signed(cols);
        tile.layout.rows -= 2 * margin;
        tile.layout.cols -= 2 * margin;
        tile.halo = halo;
        tile
    }

    #[track_caller]
    fn require_halo(&self, halo: usize, what: &str) {
        assert!(
            halo <= self.halo,
            "{what} reaches {halo} pixels beyond the tile, but the tile's halo is {}; declare it: \
             #[tile_function(halo = {halo})]",
            self.halo
        );
    }

    /// All elements of the memory the tile lies in.
    fn pixels(&self) -> &[T] {
        match &self.pixels {
            Pixels::Host(pixels) => pixels,
            Pixels::Made(pixels) => pixels,
        }
    }

    /// One band's pixels, row by row.
    fn plane(&self, band: usize) -> Plane<'_, T> {
        let Layout { offset, rows, cols, band_stride, row_stride, .. } = self.layout;
        let pixels = self.pixels().get(offset + band * band_stride..).unwrap_or_default();
        Plane::new(pixels, rows, cols, row_stride)
    }
}

/// Two tiles are equal when they have the same shape and each pixel is invalid in both or has the same value.
impl<T: Element> PartialEq for Tile<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape() == other.shape()
            && ndarray::indices(self.view().raw_dim())
                .into_iter()
                .all(|(band, row, col)| self.get(band, row, col) == other.get(band, row, col))
    }
}

impl<T: Element> fmt::Debug for Tile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bands, rows, cols] = self.shape();
        write!(f, "Tile<{}> [{bands} × {rows} × {cols}]", T::DTYPE.name())?;
        if self.halo > 0 {
            write!(f, " halo {}", self.halo)?;
        }
        match &self.nodata {
            Nodata::None => {}
            Nodata::All(value) => write!(f, " nodata {value}")?,
            Nodata::Bands(values) => write!(f, " nodata {values:?}")?,
        }
        write!(f, "\n{}", self.view())
    }
}
