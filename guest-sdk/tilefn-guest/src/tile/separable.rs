//! Folding windows first down the columns and then along the rows, with `2 × (2 × radius + 1)` steps for a pixel.
//!
//! Each line is made ready once, and kept for as long as windows reach it.

use alloc::{vec, vec::Vec};

use super::{operands::Check, plane::Plane};
use crate::Element;

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
        let (reach, side, wide) = (2 * radius, 2 * radius + 1, plane.cols());
        let cols = wide - reach;
        let full = u32::try_from(side * side).unwrap_or(u32::MAX);
        let init = (self.lift)(self.neutral);
        let (mut lines, mut line_counts) = (vec![init; side * wide], vec![0; side * wide]);
        let (mut columns, mut column_counts) = (vec![init; wide], vec![0; wide]);
        let (mut values, mut counts) = (vec![init; cols], vec![0; cols]);
        // Where the lines of the window are, from top to bottom, and which of them have only valid pixels.
        let mut starts: Vec<_> = (0..side).map(|slot| slot * wide).collect();
        let mut complete = vec![false; side];
        let shifts: Vec<_> = (0..side).collect();
        for (row, line) in plane.lines().enumerate() {
            starts.rotate_left(1);
            complete.rotate_left(1);
            if let (Some(start), Some(complete)) = (starts.last(), complete.last_mut()) {
                let values = lines.get_mut(*start..).unwrap_or_default();
                let counts = line_counts.get_mut(*start..).unwrap_or_default();
                *complete = self.prepare(line, check, values, counts);
            }
            if row < reach {
                continue;
            }
            join_lines(&mut columns, &lines, &starts, init, &self.join);
            join_lines(&mut values, &columns, &shifts, init, &self.join);
            if complete.iter().all(|complete| *complete) {
                out.extend(values.iter().map(|value| (self.finish)(*value, full)));
            } else {
                join_lines(&mut column_counts, &line_counts, &starts, 0, |a, b| a + b);
                join_lines(&mut counts, &column_counts, &shifts, 0, |a, b| a + b);
                out.extend(values.iter().zip(&counts).map(|(value, count)| (self.finish)(*value, *count)));
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

/// Values joined in one round: between two rounds the sandbox looks at its clock, which takes as long as some values.
const LANES: usize = 16;

/// Joins the lines that begin at these places of `from`, an odd number of them, as far as `to` is long.
// Not inlined: LLVM vectorises it by itself, but not always as a part of a larger function.
#[inline(never)]
fn join_lines<A: Copy>(to: &mut [A], from: &[A], starts: &[usize], init: A, join: impl Fn(A, A) -> A) {
    // Several lines at a time, so that what was joined is seldom stored.
    let mut rest = if let Some((first, rest)) = starts.split_first_chunk::<5>() {
        join_some(to, from, *first, |_| init, &join);
        rest
    } else if let Some((first, rest)) = starts.split_first_chunk::<3>() {
        join_some(to, from, *first, |_| init, &join);
        rest
    } else {
        to.fill(init);
        starts
    };
    while let Some((first, more)) = rest.split_first_chunk::<4>() {
        join_some(to, from, *first, |joined| joined, &join);
        rest = more;
    }
    while let Some((first, more)) = rest.split_first_chunk::<1>() {
        join_some(to, from, *first, |joined| joined, &join);
        rest = more;
    }
}

/// Joins `N` lines; `before` says to what, given what was joined before.
#[inline]
#[expect(clippy::indexing_slicing, reason = "lines cut to one length, so LLVM drops the checks of the indices")]
fn join_some<A: Copy, const N: usize>(
    to: &mut [A],
    from: &[A],
    starts: [usize; N],
    before: impl Fn(A) -> A,
    join: impl Fn(A, A) -> A,
) {
    let len = to.len();
    let lines = starts.map(|start| &from[start..][..len]);
    let (chunks, rest) = to.as_chunks_mut::<LANES>();
    let begin = len - rest.len();
    let mut pieces = lines.map(|line| line.as_chunks::<LANES>().0.iter());
    for joined in chunks {
        let mut lanes = *joined;
        for lane in &mut lanes {
            *lane = before(*lane);
        }
        for piece in &mut pieces {
            let Some(piece) = piece.next() else { break };
            for (lane, value) in lanes.iter_mut().zip(piece) {
                *lane = join(*lane, *value);
            }
        }
        *joined = lanes;
    }
    for (i, joined) in rest.iter_mut().enumerate() {
        *joined = lines.iter().fold(before(*joined), |joined, line| join(joined, line[begin + i]));
    }
}
