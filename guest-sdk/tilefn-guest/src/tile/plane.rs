//! One band's pixels as slices, the form that the compiler turns into vector code.

use super::operands::Check;
use crate::Element;

/// One band: `rows` lines of `cols` pixels, `stride` elements apart.
#[derive(Clone, Copy)]
pub(crate) struct Plane<'a, T> {
    pixels: &'a [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a, T: Element> Plane<'a, T> {
    /// `pixels` starts with the first pixel and may go on after the last.
    pub(crate) fn new(pixels: &'a [T], rows: usize, cols: usize, stride: usize) -> Self {
        Self { pixels, rows, cols, stride }
    }

    /// The plane without `margin` pixels on each side; the caller knows that it is that large.
    #[expect(clippy::indexing_slicing, reason = "a plane lies within its pixels; checked once per band")]
    pub(crate) fn inset(self, margin: usize) -> Self {
        Self {
            pixels: &self.pixels[(margin * self.stride + margin).min(self.pixels.len())..],
            rows: self.rows - 2 * margin,
            cols: self.cols - 2 * margin,
            stride: self.stride,
        }
    }

    /// Pixels in a line.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// Whether the lines lie end to end.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.stride == self.cols
    }

    /// The whole band as a single line, when it [is contiguous](Self::is_contiguous).
    pub(crate) fn flattened(self) -> Self {
        let cols = self.rows * self.cols;
        Self { pixels: self.pixels, rows: 1, cols, stride: cols }
    }

    /// One pixel, if it is in the plane's memory; the caller knows that it is in the plane.
    #[inline]
    pub(crate) fn pixel(&self, row: usize, col: usize) -> Option<T> {
        self.pixels.get(row.wrapping_mul(self.stride).wrapping_add(col)).copied()
    }

    /// Whether every pixel is valid.
    pub(crate) fn is_all_valid(&self, check: Check<T>) -> bool {
        self.lines().all(|line| check.all_valid(line))
    }

    /// One line.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a plane lies within its pixels; checked once per line")]
    pub(crate) fn line(&self, row: usize) -> &'a [T] {
        &self.pixels[row * self.stride..][..self.cols]
    }

    /// The lines from top to bottom.
    pub(crate) fn lines(&self) -> impl ExactSizeIterator<Item = &'a [T]> + use<'a, T> {
        let plane = Self { ..*self };
        (0..self.rows).map(move |row| plane.line(row))
    }
}
