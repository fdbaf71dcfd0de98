//! What marks the invalid pixels of a result.

use super::{Nodata, Tile, operands::Frame};
use crate::Element;

use alloc::{vec, vec::Vec};

use num_traits::AsPrimitive;

/// A finished result in which `mark` stands for the invalid pixels. `invalid` counts them, `valid` tells the others; both
/// are asked only if need be.
///
/// Valid pixels that equal the mark stay valid: then another value marks the others. The loops that made the pixels have
/// nothing to do with this, which would keep them from being vectorised.
#[track_caller]
pub(super) fn marked<V: Element>(
    mut pixels: Vec<V>,
    frame: Frame,
    mut mark: V,
    invalid: impl FnOnce() -> usize,
    valid: impl FnOnce() -> Vec<bool>,
) -> Tile<V> {
    let shape = [frame.bands, frame.rows, frame.cols];
    // NaN marks without being declared, and equals nothing.
    let is_mark = |pixel: &V| *pixel == mark;
    let mut nodata = Nodata::None;
    let marks = if mark.is_nan() { 0 } else { count(&pixels, is_mark) };
    if marks > 0 {
        let invalid = invalid();
        if marks != invalid && invalid > 0 {
            mark = replace_mark(&mut pixels, &valid());
        }
        if invalid > 0 {
            nodata = Nodata::all(mark);
        }
    }
    Tile::made(pixels, shape, frame.halo, nodata)
}

/// How many of the items are so.
fn count<T>(items: &[T], is: impl Fn(&T) -> bool) -> usize {
    // In bytes, as many as they can count and vectors hold: more of them go into a vector.
    let chunks = items.chunks(240).map(|chunk| chunk.iter().fold(0u8, |n, item| n.wrapping_add(u8::from(is(item)))));
    chunks.fold(0, |n, chunk| n.wrapping_add(chunk.into()))
}

/// Marks the invalid pixels with a value that no valid one has, and returns it.
#[cold]
#[track_caller]
fn replace_mark<V: Element>(pixels: &mut [V], valid: &[bool]) -> V {
    let free = free_value(pixels, valid);
    assert!(
        free.is_some(),
        "the valid pixels of a {} result take all its values, and none is left for the invalid ones; give the result a \
         wider type",
        V::DTYPE.name()
    );
    let mark = free.unwrap_or(V::MARKER);
    for (pixel, valid) in pixels.iter_mut().zip(valid) {
        *pixel = if *valid { *pixel } else { mark };
    }
    mark
}

/// A value that no valid pixel has: the type's marker, or the one nearest to it.
fn free_value<V: Element>(pixels: &[V], valid: &[bool]) -> Option<V> {
    if !pixels.contains(&V::MARKER) {
        return Some(V::MARKER);
    }
    let marker: i128 = V::MARKER.as_();
    let distance = |value: V| {
        let value: i128 = value.as_();
        usize::try_from(value.abs_diff(marker)).ok()
    };
    // Of one value more than there are pixels one is free, unless the type has fewer.
    let mut taken = vec![false; pixels.len().saturating_add(1)];
    for (pixel, _) in pixels.iter().zip(valid).filter(|(_, valid)| **valid) {
        if let Some(taken) = distance(*pixel).and_then(|distance| taken.get_mut(distance)) {
            *taken = true;
        }
    }
    let inwards = if V::DTYPE.is_signed() { 1 } else { -1 };
    let free = (0i128..).zip(taken).find(|(_, taken)| !taken).map(|(distance, _)| marker + inwards * distance)?;
    let value = V::from_i128(free);
    (AsPrimitive::<i128>::as_(value) == free).then_some(value)
}

/// Results that a function may leave out, appended line by line.
pub(super) struct Optional<V> {
    /// The last line once more, its invalid pixels with another mark.
    other: Vec<V>,
    /// Which pixels are valid; empty as long as the mark alone tells.
    valid: Vec<bool>,
}

impl<V: Element> Optional<V> {
    /// Another mark, to tell a pixel without a value from one whose value is the mark.
    const OTHER: fn() -> V = || if V::MARKER == V::TOP { V::BOTTOM } else { V::TOP };

    pub(super) fn new() -> Self {
        Self { other: Vec::new(), valid: Vec::new() }
    }

    /// Appends results to the pixels.
    #[inline]
    pub(super) fn append(&mut self, results: impl ExactSizeIterator<Item = Option<V>>, pixels: &mut Vec<V>) {
        if V::DTYPE.is_float() {
            pixels.extend(results.map(|result| result.unwrap_or(V::MARKER)));
            return;
        }
        // Two marks rather than a bool for each pixel: a loop over several widths would not vectorise.
        let (start, mark) = (pixels.len(), (Self::OTHER)());
        self.other.resize(results.len(), mark);
        pixels.extend(results.zip(&mut self.other).map(|(result, other)| {
            *other = result.unwrap_or(mark);
            result.unwrap_or(V::MARKER)
        }));
        if !self.valid.is_empty() || self.other.contains(&V::MARKER) {
            let (before, line) = pixels.split_at(start);
            if self.valid.is_empty() {
                self.valid.extend(before.iter().map(|pixel| *pixel != V::MARKER));
            }
            self.valid.extend(line.iter().zip(&self.other).map(|(pixel, other)| pixel == other));
        }
    }

    /// The finished tile.
    #[track_caller]
    pub(super) fn finish(self, pixels: Vec<V>, frame: Frame) -> Tile<V> {
        let invalid = if self.valid.is_empty() {
            count(&pixels, |pixel| *pixel == V::MARKER)
        } else {
            count(&self.valid, |valid| !valid)
        };
        marked(pixels, frame, V::MARKER, || invalid, || self.valid)
    }
}

impl<V: Element> Tile<V> {
    /// A tile of float results, whose invalid pixels are NaN.
    pub(super) fn of_floats(pixels: Vec<V>, frame: Frame) -> Self {
        debug_assert!(V::DTYPE.is_float());
        Self::made(pixels, [frame.bands, frame.rows, frame.cols], frame.halo, Nodata::None)
    }
}
