//! A small picture of an output that fills in while tiles are written.

use super::classes::Palette;
use super::spec::TargetSpec;
use crate::files::colors::ColorRamp;
use crate::files::read::thumbnail::Thumbnail;
use crate::files::shades::{Plane, fit, rgb};
use grid::Window;
use std::ops::Range;
use types::{Pixel, for_dtype};

/// The picture of an output, as far as tiles have come. It samples a pixel for each of its own, so a tile costs little.
#[derive(Clone, Debug)]
pub struct Sketch {
    spec: TargetSpec,
    rows: u32,
    cols: u32,
    /// The bands shown: one, or red, green and blue. None before the first tile, which tells how many bands there are.
    planes: Vec<Plane>,
}

impl Sketch {
    /// An empty picture of at most `size` pixels on the longer side.
    pub fn new(spec: TargetSpec, size: u32) -> Self {
        let (rows, cols) = fit(spec.grid.rows, spec.grid.cols, size.max(1));
        Self { spec, rows, cols, planes: Vec::new() }
    }

    /// Rows and columns of the picture.
    pub fn size(&self) -> (u32, u32) {
        (self.rows, self.cols)
    }

    /// Takes a tile: `pixels` are `[bands, rows, cols]` of the output's type.
    pub fn write(&mut self, window: &Window, bands: u32, pixels: &[u8]) {
        if self.planes.is_empty() {
            let shown = if bands >= 3 && !self.spec.has_colors() { 3 } else { 1 };
            let pixels = self.rows as usize * self.cols as usize;
            self.planes = vec![Plane(vec![f64::NAN; pixels]); shown];
        }
        for_dtype!(self.spec.dtype, take(self, window, pixels));
    }

    /// The picture as it is now. Colours are those that the file will have; without, each band goes from dark to bright
    /// between the 2nd and 98th percentile of what is there.
    pub fn thumbnail(&self) -> Thumbnail {
        let (rows, cols) = self.size();
        let rgba = match self.planes.as_slice() {
            [red, green, blue] => rgb([red, green, blue], [red.stretch(), green.stretch(), blue.stretch()]),
            [plane] if self.spec.has_colors() => self.colored(plane),
            [plane, ..] => plane.ramp(ColorRamp::GRAY, plane.stretch()),
            [] => vec![0; rows as usize * cols as usize * 4],
        };
        Thumbnail { rows, cols, rgba }
    }

    fn colored(&self, plane: &Plane) -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, reason = "colours are for integers; `as` saturates")]
        let whole = |value: &f64| (!value.is_nan()).then_some(*value as i64);
        let mut values = plane.0.iter().filter_map(whole);
        let first = values.next().unwrap_or(0);
        let range = values.fold((first, first), |(low, high), value| (low.min(value), high.max(value)));
        let palette = Palette::new(&self.spec, range);
        plane
            .0
            .iter()
            .flat_map(|value| whole(value).and_then(|value| palette.color(value)).unwrap_or_default())
            .collect()
    }
}

/// Samples a tile whose pixels have the type `T`.
fn take<T: Pixel>(sketch: &mut Sketch, window: &Window, pixels: &[u8]) {
    let Sketch { spec, rows, cols, planes } = sketch;
    let nodata = spec.nodata.and_then(|nodata| nodata.as_bits_for(spec.dtype).ok()).map(T::from_bits);
    let own_rows = shown(window.row, window.rows, spec.grid.rows, *rows);
    let own_cols = shown(window.col, window.cols, spec.grid.cols, *cols);
    let band = u64::from(window.rows) * u64::from(window.cols);
    for (number, plane) in (0u64..).zip(planes) {
        for own_row in own_rows.clone() {
            let row = sampled(own_row, spec.grid.rows, *rows) - window.row;
            for own_col in own_cols.clone() {
                let col = sampled(own_col, spec.grid.cols, *cols) - window.col;
                // Within the window, so neither is negative.
                let index = number * band + row.unsigned_abs() * u64::from(window.cols) + col.unsigned_abs();
                let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(size_of::<T>());
                let Some(bytes) = pixels.get(start..start.saturating_add(size_of::<T>())) else { return };
                let value: T = bytemuck::pod_read_unaligned(bytes);
                let invalid = value.is_nan() || nodata.is_some_and(|nodata| value.is_nodata(nodata));
                let own = own_row as usize * *cols as usize + own_col as usize;
                if let Some(pixel) = plane.0.get_mut(own) {
                    *pixel = if invalid { f64::NAN } else { value.number().as_float() };
                }
            }
        }
    }
}

/// The pixel of a side of `all` that pixel `own` of a picture's side of `shown` shows: the one at its middle.
fn sampled(own: u32, all: u32, shown: u32) -> i64 {
    let pixel = (2 * u64::from(own) + 1) * u64::from(all) / (2 * u64::from(shown.max(1)));
    i64::try_from(pixel).unwrap_or(i64::MAX)
}

/// The pixels of a picture's side that show one of `length` pixels from `start`.
fn shown(start: i64, length: u32, all: u32, shown: u32) -> Range<u32> {
    // The inverse of `sampled`: the first pixel of the picture that shows `at`, or one after it.
    let first = |at: i64| {
        let at = u64::try_from(at).unwrap_or(0).min(all.into());
        let own = (2 * u64::from(shown) * at).div_ceil(u64::from(all.max(1))) / 2;
        u32::try_from(own).unwrap_or(u32::MAX).min(shown)
    };
    first(start)..first(start.saturating_add(length.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pixel_of_the_picture_is_one_tiles(all in 1u32..3000, size in 1u32..600, tile in 1u32..700) {
            let picture = all.min(size);
            let mut next = 0;
            for start in (0..all).step_by(tile as usize) {
                let length = tile.min(all - start);
                let own = shown(start.into(), length, all, picture);
                prop_assert_eq!(own.start, next);
                for own in own.clone() {
                    let pixel = sampled(own, all, picture);
                    prop_assert!((i64::from(start)..i64::from(start + length)).contains(&pixel));
                }
                next = own.end;
            }
            prop_assert_eq!(next, picture);
        }
    }
}
