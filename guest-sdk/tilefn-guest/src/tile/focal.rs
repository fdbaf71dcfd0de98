//! Moving windows.

use alloc::{vec, vec::Vec};

use num_traits::AsPrimitive;

use super::{
    Nodata, Tile,
    operands::{Check, Frame},
    plane::Plane,
    result::Optional,
    samples::Samples,
    separable::Steps,
    sort::Medians,
};
use crate::Element;

/// A square window of `2 × radius + 1` pixels around each pixel of a tile; made by [`Tile::focal`].
///
/// The results' halo is smaller by the radius. They take the valid pixels of the window, and are invalid where it has
/// none; to keep the holes of the input: `dem.focal(1).mean().masked_by(&dem)`.
#[derive(Clone, Copy, Debug)]
pub struct Focal<'a, T: Element> {
    tile: &'a Tile<T>,
    radius: usize,
}

impl<T: Element> Tile<T> {
    /// A window around each pixel, `radius` pixels to each side.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// #[tile_function(halo = 1)]
    /// fn smooth(dem: Tile<f32>) -> Tile<f32> {
    ///     dem.focal(1).mean()
    /// }
    ///
    /// let dem = Tile::from_rows([[1.0, 2.0, 3.0], [4.0, f32::NAN, 6.0], [7.0, 8.0, 9.0]]).with_halo(1);
    /// assert_eq!(smooth(dem), Tile::from_rows([[5.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When the radius is larger than the tile's halo.
    #[track_caller]
    pub fn focal(&self, radius: usize) -> Focal<'_, T> {
        self.require_halo(radius, "the window");
        Focal { tile: self, radius }
    }
}

impl<T: Element> Focal<'_, T> {
    /// The number of valid pixels.
    #[must_use]
    pub fn count(self) -> Tile<u32> {
        self.separable(T::zeroed(), |_| (), |(), ()| (), |_, (), count| count, Nodata::None)
    }

    /// The sum of the valid pixels.
    #[must_use]
    pub fn sum(self) -> Tile<f64> {
        let finish = |_, sum, count| if count > 0 { sum } else { f64::NAN };
        self.separable(T::zeroed(), AsPrimitive::<f64>::as_, |a: f64, b| a + b, finish, Nodata::None)
    }

    /// The mean of the valid pixels. Where the result is `f32` and the radius at most 4 the sums are `f32` too, and right
    /// to about a millionth of the largest pixel; others are `f64`.
    #[must_use]
    pub fn mean(self) -> Tile<T::Float> {
        // Without a branch: of no pixels it is 0 / 0, NaN. Counts are signed because those convert faster; a window of
        // so many pixels that it matters fits in no memory.
        if T::Float::DTYPE == f32::DTYPE && self.radius <= 4 {
            // Twice as many lanes. The sum of at most 9 columns of 9 rounds 16 times, by 2⁻²⁴ of itself each time.
            let finish = |_, sum, count: u32| T::Float::from_f64(f64::from(sum / count.cast_signed() as f32));
            return self.separable(T::zeroed(), AsPrimitive::<f32>::as_, |a: f32, b| a + b, finish, Nodata::None);
        }
        let finish = |_, sum, count: u32| T::Float::from_f64(sum / f64::from(count.cast_signed()));
        self.separable(T::zeroed(), AsPrimitive::<f64>::as_, |a: f64, b| a + b, finish, Nodata::None)
    }
}

impl<T: Element> Focal<'_, T> {
    /// The least of the valid pixels.
    #[must_use]
    pub fn min(self) -> Tile<T> {
        self.extreme(T::TOP, |a, b| if b < a { b } else { a })
    }

    /// The greatest of the valid pixels.
    #[must_use]
    pub fn max(self) -> Tile<T> {
        self.extreme(T::BOTTOM, |a, b| if b > a { b } else { a })
    }

    /// The median of the valid pixels; of an even number, halfway between the middle two.
    #[must_use]
    pub fn median(self) -> Tile<T::Float> {
        let mut medians = Medians::new(self.window_len());
        let (frame, pixels) = self.line_by_line(|samples, out| medians.append(samples, out));
        Tile::of_floats(pixels, frame)
    }

    /// Folds the valid pixels, row by row. `finish` gets what was gathered and the number of valid pixels, which may be
    /// 0; none makes the pixel invalid.
    ///
    /// Faster than [`map`](Self::map): with a simple `step` it runs on vectors.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let dem = Tile::from_rows([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]).with_halo(1);
    /// let variance = dem.focal(1).fold(
    ///     (0.0, 0.0),
    ///     |(sum, squares), v| (sum + f64::from(v), squares + f64::from(v * v)),
    ///     |(sum, squares), n| (n > 0).then(|| squares / n as f64 - (sum / n as f64).powi(2)),
    /// );
    /// assert!((variance[[0, 0, 0]] - 60.0 / 9.0).abs() < 1e-12);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Tile::map_valid`].
    #[must_use]
    #[track_caller]
    pub fn fold<A: Copy, V: Element>(
        self,
        init: A,
        mut step: impl FnMut(A, T) -> A,
        mut finish: impl FnMut(A, usize) -> Option<V>,
    ) -> Tile<V> {
        let mut results = Optional::new();
        let (frame, pixels) =
            self.line_by_line(|samples, out| samples.fold(init, &mut step, &mut finish, &mut results, out));
        results.finish(pixels, frame)
    }

    /// The sum of the pixels times their weights, row by row from the top left; invalid where a pixel with a weight other
    /// than 0 is.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let dem = Tile::from_rows([[0.0f32, 1.0, 0.0], [1.0, 9.0, 1.0], [0.0, 2.0, 0.0]]).with_halo(1);
    /// let laplacian = dem.focal(1).convolve(&[0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0]);
    /// assert_eq!(laplacian, Tile::from_rows([[-31.0]]));
    /// ```
    ///
    /// # Panics
    ///
    /// When the number of weights isn't the window's.
    #[must_use]
    #[track_caller]
    pub fn convolve(self, weights: &[f64]) -> Tile<T::Float> {
        let len = self.window_len();
        assert!(weights.len() == len, "{} weights for a window of {len} pixels", weights.len());
        let (frame, side) = (self.frame(), 2 * self.radius + 1);
        let mut out = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
        let mut sums = vec![0.0; frame.cols];
        for band in 0..frame.bands {
            // Invalid pixels as NaN make every sum NaN that they are part of, without a test in the inner loop.
            let (plane, check) = (self.tile.plane(band), self.tile.check(band));
            let value = |pixel: T| if check.is_valid(pixel) { pixel.as_() } else { f64::NAN };
            let values: Vec<f64> = plane.lines().flatten().map(|pixel| value(*pixel)).collect();
            let values = Plane::new(&values, self.tile.rows(), self.tile.cols(), self.tile.cols());
            for row in 0..frame.rows {
                sums.fill(0.0);
                let lines = (row..row + side).flat_map(|row| (0..side).map(move |col| values.line(row).get(col..)));
                for (line, weight) in lines.zip(weights).filter(|(_, weight)| **weight != 0.0) {
                    for (sum, value) in sums.iter_mut().zip(line.unwrap_or_default()) {
                        *sum += value * weight;
                    }
                }
                out.extend(sums.iter().map(|sum| T::Float::from_f64(*sum)));
            }
        }
        Tile::of_floats(out, frame)
    }

    /// `f` of the window around each pixel; none makes the pixel invalid.
    ///
    /// ```
    /// use tilefn_guest::prelude::*;
    ///
    /// let dem = Tile::from_rows([[1u8, 2, 3], [4, 5, 0], [7, 8, 9]]).with_nodata(0).with_halo(1);
    /// let rise = |dem: &Tile<u8>| dem.focal(1).map(|w| Some(i16::from(w.get(1, 0)?) - i16::from(w.get(-1, 0)?)));
    /// assert_eq!(rise(&dem), Tile::from_rows([[6]]));
    /// let step = dem.focal(1).map(|w| Some(f32::from(w.get(0, 1)?) - f32::from(w.get(0, 0)?)));
    /// assert_eq!(step, Tile::from_rows([[f32::NAN]]));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Tile::map_valid`].
    #[must_use]
    #[track_caller]
    pub fn map<V: Element>(self, mut f: impl FnMut(FocalWindow<'_, T>) -> Option<V>) -> Tile<V> {
        let mut results = Optional::new();
        let frame = self.frame();
        let mut out = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
        for band in 0..frame.bands {
            let (plane, check) = (self.tile.plane(band), self.tile.check(band));
            for row in 0..frame.rows {
                let window = |col| FocalWindow { plane, check, radius: self.radius, row, col };
                results.append((0..frame.cols).map(|col| f(window(col))), &mut out);
            }
        }
        results.finish(out, frame)
    }

    fn window_len(self) -> usize {
        (2 * self.radius + 1).pow(2)
    }

    /// The shape of the results.
    fn frame(self) -> Frame {
        let [bands, rows, cols] = self.tile.shape();
        let margin = 2 * self.radius;
        Frame { bands, rows: rows - margin, cols: cols - margin, halo: self.tile.halo() - self.radius }
    }

    /// The results of `append`, which gets line after line with the pixels of all windows.
    fn line_by_line<V: Element>(self, mut append: impl FnMut(&Samples<'_, T>, &mut Vec<V>)) -> (Frame, Vec<V>) {
        let frame = self.frame();
        let mut out = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
        for band in 0..frame.bands {
            let (plane, check) = (self.tile.plane(band), self.tile.check(band));
            let mut samples = Samples::new(frame.cols, plane.is_all_valid(check));
            for row in 0..frame.rows {
                let lines = (row..=row + 2 * self.radius).map(|row| plane.line(row));
                let cols = 0..=2 * self.radius;
                let shifted = lines.flat_map(|line| cols.clone().map(|col| line.get(col..).unwrap_or_default()));
                samples.set_lines(shifted.map(|line| (line, check)));
                append(&samples, &mut out);
            }
        }
        (frame, out)
    }

    /// Minimum and maximum: invalid pixels keep the band's own nodata value, which no valid pixel has.
    fn extreme(self, neutral: T, choose: impl Fn(T, T) -> T) -> Tile<T> {
        let fill = |band| self.tile.nodata(band).unwrap_or(T::MARKER);
        self.separable(
            neutral,
            |value| value,
            choose,
            |band, value, count| if count > 0 { value } else { fill(band) },
            self.tile.nodata.clone(),
        )
    }

    /// What can be done first down the columns and then along the rows, see [`Steps`]. `finish` also gets the band.
    fn separable<A: Copy, V: Element>(
        self,
        neutral: T,
        lift: impl Fn(T) -> A,
        join: impl Fn(A, A) -> A,
        finish: impl Fn(usize, A, u32) -> V,
        nodata: Nodata<V>,
    ) -> Tile<V> {
        let frame = self.frame();
        let mut out = Vec::with_capacity(frame.bands * frame.rows * frame.cols);
        for band in 0..frame.bands {
            let steps = Steps { neutral, lift: &lift, join: &join, finish: |value, count| finish(band, value, count) };
            steps.append(self.tile.plane(band), self.tile.check(band), self.radius, &mut out);
        }
        Tile::made(out, [frame.bands, frame.rows, frame.cols], frame.halo, nodata)
    }
}

/// The pixels around one; places are relative to it, `(0, 0)` is the pixel itself.
#[derive(Clone, Copy)]
pub struct FocalWindow<'a, T: Element> {
    plane: Plane<'a, T>,
    check: Check<T>,
    radius: usize,
    row: usize,
    col: usize,
}

impl<T: Element> FocalWindow<'_, T> {
    /// The pixel's value if it is valid; none also outside the window.
    #[inline]
    pub fn get(&self, row: isize, col: isize) -> Option<T> {
        if row.unsigned_abs() > self.radius || col.unsigned_abs() > self.radius {
            return None;
        }
        let row = self.row.wrapping_add(self.radius).wrapping_add_signed(row);
        let col = self.col.wrapping_add(self.radius).wrapping_add_signed(col);
        self.plane.pixel(row, col).filter(|value| self.check.is_valid(*value))
    }

    /// The valid values, row by row.
    pub fn values(&self) -> impl Iterator<Item = T> {
        let (rows, cols) = (self.row..=self.row + 2 * self.radius, self.col..=self.col + 2 * self.radius);
        let lines = rows.filter_map(move |row| self.plane.line(row).get(cols.clone()));
        lines.flatten().copied().filter(|value| self.check.is_valid(*value))
    }
}
