//! Folding windows first down the columns and then along the rows, with `2 × (2 × radius + 1)` steps for a pixel.
//!
//! Each line is made ready once, and kept for as long as windows reach it. Then a few neighbouring pixels are taken at a
//! time, whose intermediate results stay in vector registers.

use alloc::{vec, vec::Vec};

use super::{operands::Check, plane::Plane};
use crate::Element;

/// Pixels taken at a time.
const LANES: usize = 16;

/// How the valid pixels of a window become a value.
pub(super) struct Steps<T, L, J, F> {
    /// Stands for invalid pixels: joining it changes nothing.
    pub(super) neutral: T,
    /// What a single pixel is worth.
    pub(super) lift: L,
    /// What two parts of a window are worth together.
    pub(super) join: J,
    /// The result of a whole window, and of its number of valid pixels.
    pub(super) finish: F,
}

impl<T: Element, L, J, F> Steps<T, L, J, F> {
    /// Appends the results of all windows in the plane.
    ///
    /// The order of the steps is the same for every pixel, so the result doesn't depend on where tiles begin, as that of
    /// a running sum would.
    pub(super) fn append<A: Copy, V: Element>(
        &self,
        plane: Plane<'_, T>,
        check: Check<T>,
        radius: usize,
        out: &mut Vec<V>,
    ) where
        L: Fn(T) -> A,
        J: Fn(A, A) -> A,
        F: Fn(A, u32) -> V,
    {
        let (reach, side) = (2 * radius, 2 * radius + 1);
        let cols = plane.cols() - reach;
        // Room for whole lanes; what is after the last pixel is never part of a result.
        let stride = (cols.next_multiple_of(LANES) + reach).next_multiple_of(LANES);
        let init = (self.lift)(self.neutral);
        let mut lines = vec![init; side * stride];
        let mut line_counts = vec![0; side * stride];
        let mut columns = vec![init; stride];
        let mut column_counts = vec![0; stride];
        // Where the lines of the window start, from top to bottom, and which of them have only valid pixels.
        let mut window: Vec<_> = (0..side).map(|slot| (slot * stride, false)).collect();
        let full = u32::try_from(side * side).unwrap_or(u32::MAX);
        for (row, line) in plane.lines().enumerate() {
            window.rotate_left(1);
            if let Some((start, complete)) = window.last_mut() {
                let values = lines.get_mut(*start..).unwrap_or_default();
                let counts = line_counts.get_mut(*start..).unwrap_or_default();
                *complete = self.prepare(line, check, values, counts);
            }
            if row < reach {
                continue;
            }
            let complete = window.iter().all(|(_, complete)| *complete);
            let starts = |at| window.iter().map(move |(start, _)| start + at);
            for (chunk, column) in columns.chunks_exact_mut(LANES).enumerate() {
                column.copy_from_slice(&joined(&lines, starts(chunk * LANES), init, &self.join));
            }
            if !complete {
                for (chunk, column) in column_counts.chunks_exact_mut(LANES).enumerate() {
                    column.copy_from_slice(&joined(&line_counts, starts(chunk * LANES), 0, |a, b| a + b));
                }
            }
            for at in (0..cols).step_by(LANES) {
                let values = joined(&columns, at..=at + reach, init, &self.join);
                let mut results = [V::MARKER; LANES];
                if complete {
                    results.iter_mut().zip(values).for_each(|(result, value)| *result = (self.finish)(value, full));
                } else {
                    let counts = joined(&column_counts, at..=at + reach, 0, |a, b| a + b);
                    for ((result, value), count) in results.iter_mut().zip(values).zip(counts) {
                        *result = (self.finish)(value, count);
                    }
                }
                out.extend_from_slice(results.get(..cols - at).unwrap_or(&results));
            }
        }
    }

    /// Lifts a line's pixels and counts 1 for each valid one; true if they all are.
    #[inline]
    fn prepare<A>(&self, line: &[T], check: Check<T>, values: &mut [A], counts: &mut [u32]) -> bool
    where
        L: Fn(T) -> A,
    {
        // Two loops, and the choice made in the pixels' own type: mixed widths would not vectorise.
        for (value, pixel) in values.iter_mut().zip(line) {
            *value = (self.lift)(if check.is_valid(*pixel) { *pixel } else { self.neutral });
        }
        let mut all = 1;
        for (count, pixel) in counts.iter_mut().zip(line) {
            *count = u32::from(check.is_valid(*pixel));
            all &= *count;
        }
        all == 1
    }
}

/// Joins the lanes that begin at these places.
#[inline]
fn joined<A: Copy>(
    values: &[A],
    starts: impl Iterator<Item = usize>,
    init: A,
    join: impl Fn(A, A) -> A,
) -> [A; LANES] {
    let mut lanes = [init; LANES];
    for start in starts {
        let Some(chunk) = values.get(start..).and_then(|values| values.first_chunk::<LANES>()) else { continue };
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, *value);
        }
    }
    lanes
}
