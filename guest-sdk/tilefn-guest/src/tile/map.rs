//! Pixel by pixel: maps and zips over valid pixels.

use alloc::vec::Vec;

use super::{
    Tile,
    operands::{Frame, Indexed, Operands},
    result::marked,
};
use crate::Element;

impl<T: Element> Tile<T> {
    /// `f` of each valid pixel.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let celsius = Tile::from_rows([[0.5f32, f32::NAN, -9999.0]]).with_nodata(-9999.0).map_valid(|k| k * 2.0);
    /// assert_eq!(celsius, Tile::from_rows([[1.0, f32::NAN, f32::NAN]]));
    /// ```
    ///
    /// Invalid pixels of the result are NaN. An integer result has no NaN: there the type's largest value (unsigned) or
    /// smallest (signed) marks them, as the result's nodata value. Where `f` gives a valid pixel that value, another one
    /// marks them.
    ///
    /// # Panics
    ///
    /// When an integer result has invalid pixels and the valid ones take all values of the type: use a wider one.
    #[must_use]
    #[track_caller]
    pub fn map_valid<V: Element>(&self, mut f: impl FnMut(T) -> V) -> Tile<V> {
        combine((self,), |(a,)| f(a))
    }

    /// `f` of each valid pixel; `fill` marks the result's invalid pixels, as its nodata value.
    ///
    /// Where `f` gives a valid pixel that value, the pixel keeps it, and another value marks the invalid ones. To make
    /// all pixels with a value invalid: [`with_nodata`](Self::with_nodata).
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let classes = Tile::from_rows([[0u8, 1, 7]]).with_nodata(7);
    /// let marked = classes.map_valid_or(0, |v| v);
    /// assert_eq!([0, 1, 2].map(|col| marked.get(0, 0, col)), [Some(0), Some(1), None]);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn map_valid_or<V: Element>(&self, fill: V, mut f: impl FnMut(T) -> V) -> Tile<V> {
        combine_or((self,), fill, |(a,)| f(a))
    }

    /// `f` of the place `(band, row, col)` and value of each valid pixel; otherwise like [`map_valid`](Self::map_valid).
    ///
    /// Rows and columns count the halo, as [`Context`](crate::Context) does.
    ///
    /// # Panics
    ///
    /// As [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn map_valid_indexed<V: Element>(&self, mut f: impl FnMut((usize, usize, usize), T) -> V) -> Tile<V> {
        combine(Indexed(self), |(place, value)| f(place, value))
    }

    /// `f` of each pair of pixels that are both valid; otherwise like [`map_valid`](Self::map_valid).
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let red = Tile::from_rows([[10u8, 0]]).with_nodata(0);
    /// let nir = Tile::from_rows([[30.0f32, 5.0]]);
    /// let ndvi = red.zip_valid(&nir, |r, n| (n - f32::from(r)) / (n + f32::from(r)));
    /// assert_eq!(ndvi, Tile::from_rows([[0.5, f32::NAN]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When the tiles differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn zip_valid<U: Element, V: Element>(&self, other: &Tile<U>, mut f: impl FnMut(T, U) -> V) -> Tile<V> {
        combine((self, other), |(a, b)| f(a, b))
    }

    /// [`zip_valid`](Self::zip_valid) with a fill as in [`map_valid_or`](Self::map_valid_or).
    ///
    /// # Panics
    ///
    /// When the tiles differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn zip_valid_or<U: Element, V: Element>(
        &self,
        other: &Tile<U>,
        fill: V,
        mut f: impl FnMut(T, U) -> V,
    ) -> Tile<V> {
        combine_or((self, other), fill, |(a, b)| f(a, b))
    }

    /// `f` of each three pixels that are all valid; otherwise like [`map_valid`](Self::map_valid).
    ///
    /// # Panics
    ///
    /// When the tiles differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn zip3_valid<B: Element, C: Element, V: Element>(
        &self,
        b: &Tile<B>,
        c: &Tile<C>,
        mut f: impl FnMut(T, B, C) -> V,
    ) -> Tile<V> {
        combine((self, b, c), |(a, b, c)| f(a, b, c))
    }

    /// [`zip3_valid`](Self::zip3_valid) with a fill as in [`map_valid_or`](Self::map_valid_or).
    ///
    /// # Panics
    ///
    /// When the tiles differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn zip3_valid_or<B: Element, C: Element, V: Element>(
        &self,
        b: &Tile<B>,
        c: &Tile<C>,
        fill: V,
        mut f: impl FnMut(T, B, C) -> V,
    ) -> Tile<V> {
        combine_or((self, b, c), fill, |(a, b, c)| f(a, b, c))
    }

    /// `f` of the pixels of `N` tiles, where all are valid; otherwise like [`map_valid`](Self::map_valid).
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let image = Tile::from_array(array![[[1.0f32]], [[2.0]], [[4.0]], [[8.0]]]);
    /// let [a, b, c, d] = [0, 1, 2, 3].map(|band| image.band(band));
    /// assert_eq!(Tile::zip_all([&a, &b, &c, &d], |[a, b, c, d]| a + b + c + d), Tile::from_rows([[15.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When the tiles differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn zip_all<const N: usize, V: Element>(tiles: [&Self; N], f: impl FnMut([T; N]) -> V) -> Tile<V> {
        combine(tiles, f)
    }

    /// [`zip_all`](Self::zip_all) with a fill as in [`map_valid_or`](Self::map_valid_or).
    ///
    /// # Panics
    ///
    /// When the tiles differ in size, and as [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn zip_all_or<const N: usize, V: Element>(tiles: [&Self; N], fill: V, f: impl FnMut([T; N]) -> V) -> Tile<V> {
        combine_or(tiles, fill, f)
    }

    /// The tile, invalid also where `other` is. Takes no new memory when the tile is a result that nothing else holds.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let dem = Tile::from_rows([[1.0f32, f32::NAN, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]).with_halo(1);
    /// let mean = dem.focal(1).mean().masked_by(&dem);
    /// assert_eq!(mean, Tile::from_rows([[5.375]]));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`zip_valid`](Self::zip_valid).
    #[must_use]
    #[track_caller]
    pub fn masked_by<U: Element>(mut self, other: &Tile<U>) -> Self {
        let frame = (&self, other).frame();
        let as_it_is = Frame::of(&self) == frame && T::DTYPE.is_float();
        let (layout, stride) = (self.layout, self.layout.row_stride.max(1));
        let own = if as_it_is { self.pixels.own() } else { None };
        let Some(pixels) = own else { return self.zip_valid(other, |value, _| value) };
        for band in 0..frame.bands {
            let (plane, check) = other.operand(frame, band);
            let pixels = pixels.get_mut(layout.offset + band * layout.band_stride..).unwrap_or_default();
            let incomplete = |(_, others): &(_, &[U])| !check.all_valid(others);
            for (line, others) in pixels.chunks_mut(stride).zip(plane.lines()).filter(incomplete) {
                for (value, other) in line.iter_mut().zip(others) {
                    *value = if check.is_valid(*other) { *value } else { T::MARKER };
                }
            }
        }
        self
    }

    /// The same values in another type: clamped to its range, fractions cut off. Invalid pixels stay invalid.
    ///
    /// # Panics
    ///
    /// As [`map_valid`](Self::map_valid).
    #[must_use]
    #[track_caller]
    pub fn cast<U: Element>(&self) -> Tile<U> {
        self.map_valid(convert)
    }
}

/// `value` in another type, clamped to its range, a fraction cut off.
#[inline]
fn convert<T: Element, U: Element>(value: T) -> U {
    // An f64 holds integers of up to 32 bits exactly; the type tests are constants.
    if T::DTYPE.is_float() || U::DTYPE.is_float() || (T::DTYPE.size() <= 4 && U::DTYPE.size() <= 4) {
        U::from_f64(value.as_())
    } else {
        U::from_i128(value.as_())
    }
}

/// The result of `f` where all operands are valid; the others get the type's marker.
#[inline]
#[track_caller]
fn combine<O: Operands, V: Element>(tiles: O, f: impl FnMut(O::Pixels) -> V) -> Tile<V> {
    combine_or(tiles, V::MARKER, f)
}

/// The result of `f` where all operands are valid; the others get `fill`.
#[inline]
#[track_caller]
fn combine_or<O: Operands, V: Element>(tiles: O, fill: V, mut f: impl FnMut(O::Pixels) -> V) -> Tile<V> {
    let (frame, pixels) = append(tiles, |valid, values| if valid { f(values) } else { fill });
    let invalid = || {
        let mut invalid = 0usize;
        append(tiles, |valid, _| invalid = invalid.wrapping_add(usize::from(!valid)));
        invalid
    };
    marked(pixels, frame, fill, invalid, || append(tiles, |valid, _| valid).1)
}

/// The results of `f` for all pixels.
#[inline]
#[track_caller]
fn append<O: Operands, V>(tiles: O, mut f: impl FnMut(bool, O::Pixels) -> V) -> (Frame, Vec<V>) {
    let frame = tiles.frame();
    let mut pixels = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
    for band in 0..frame.bands {
        tiles.append_band(frame, band, &mut pixels, &mut f);
    }
    (frame, pixels)
}
