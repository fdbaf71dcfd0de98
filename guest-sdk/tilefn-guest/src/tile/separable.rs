//! Folding windows first down the columns and then along the rows, with `2 × (2 × radius + 1)` steps for a pixel.
//!
//! Each line is made ready once, and kept for as long as windows reach it.

use alloc::{vec, vec::Vec};

use num_traits::WrappingAdd;

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
        // Counts are bytes where they fit: four times as many go into a vector.
        if radius <= 7 {
            self.append_counted::<u8, A, V>(plane, check, radius, out);
        } else {
            self.append_counted::<u32, A, V>(plane, check, radius, out);
        }
    }

    /// [`Self::append`] with counts of this type, in which all pixels of a window can be counted.
    #[expect(clippy::indexing_slicing, reason = "lines cut to one length, so LLVM drops the checks of the indices")]
    fn append_counted<C, A: Copy, V: Element>(
        &self,
        plane: Plane<'_, T>,
        check: Check<T>,
        radius: usize,
        out: &mut Vec<V>,
    ) where
        C: Copy + WrappingAdd + From<bool> + Into<u32>,
        L: Fn(T) -> A,
        J: Fn(A, A) -> A,
        F: Fn(A, u32) -> V,
    {
        let (reach, side, wide) = (2 * radius, 2 * radius + 1, plane.cols());
        let cols = wide - reach;
        let full = u32::try_from(side * side).unwrap_or(u32::MAX);
        let init = (self.lift)(self.neutral);
        let none = C::from(false);
        let (mut lines, mut line_counts) = (vec![init; side * wide], vec![C::from(true); side * wide]);
        let (mut columns, mut column_counts) = (vec![init; wide], vec![none; wide]);
        let (mut values, mut counts) = (vec![init; cols], vec![none; cols]);
        // Where the lines of the window are, from top to bottom, and which of them have only valid pixels: their counts
        // are all 1.
        let mut starts: Vec<_> = (0..side).map(|slot| slot * wide).collect();
        let mut complete = vec![true; side];
        let shifts: Vec<_> = (0..side).collect();
        for (row, line) in plane.lines().enumerate() {
            starts.rotate_left(1);
            complete.rotate_left(1);
            if let (Some(start), Some(complete)) = (starts.last(), complete.last_mut()) {
                let values = lines.get_mut(*start..).unwrap_or_default();
                let counts = line_counts.get_mut(*start..*start + wide).unwrap_or_default();
                let all_valid = self.prepare(line, check, values);
                if !all_valid {
                    counts.iter_mut().zip(line).for_each(|(count, pixel)| *count = C::from(check.is_valid(*pixel)));
                } else if !*complete {
                    counts.fill(C::from(true));
                }
                *complete = all_valid;
            }
            if row < reach {
                continue;
            }
            join_lines(&mut columns, &lines, &starts, init, &self.join);
            let counts = if complete.iter().all(|complete| *complete) {
                None
            } else {
                join_lines(&mut column_counts, &line_counts, &starts, none, |a, b| a.wrapping_add(&b));
                join_lines(&mut counts, &column_counts, &shifts, none, |a, b| a.wrapping_add(&b));
                Some(&*counts)
            };
            // Joined and finished in one loop where the windows are small.
            let join = &self.join;
            let shifted = |shift: usize| &columns[shift..][..cols];
            match side {
                3 => {
                    let [a, b, c] = [0, 1, 2].map(shifted);
                    self.finish_row(cols, |i| join(join(a[i], b[i]), c[i]), counts, full, out);
                }
                5 => {
                    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(shifted);
                    let value = |i| join(join(join(join(a[i], b[i]), c[i]), d[i]), e[i]);
                    self.finish_row(cols, value, counts, full, out);
                }
                _ => {
                    join_lines(&mut values, &columns, &shifts, init, join);
                    let values = &values[..cols];
                    self.finish_row(cols, |i| values[i], counts, full, out);
                }
            }
        }
    }

    /// Lifts a line's pixels; true if they all are valid.
    #[inline]
    fn prepare<A>(&self, line: &[T], check: Check<T>, values: &mut [A]) -> bool
    where
        L: Fn(T) -> A,
    {
        let mut all_valid = true;
        for (value, pixel) in values.iter_mut().zip(line) {
            let valid = check.is_valid(*pixel);
            // The choice is made in the pixels' own type: mixed widths would not vectorise.
            *value = (self.lift)(if valid { *pixel } else { self.neutral });
            all_valid &= valid;
        }
        all_valid
    }

    /// Appends the results of a row of windows, given their values and, if they are not all full, their counts.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "cut to one length, so LLVM drops the checks of the indices")]
    fn finish_row<C: Copy + Into<u32>, A, V>(
        &self,
        cols: usize,
        value: impl Fn(usize) -> A,
        counts: Option<&[C]>,
        full: u32,
        out: &mut Vec<V>,
    ) where
        F: Fn(A, u32) -> V,
    {
        match counts {
            None => out.extend((0..cols).map(|i| (self.finish)(value(i), full))),
            Some(counts) => {
                let counts = &counts[..cols];
                out.extend((0..cols).map(|i| (self.finish)(value(i), counts[i].into())));
            }
        }
    }
}

/// Joins the lines that begin at these places of `from`, an odd number of them, as far as `to` is long.
// Not inlined: LLVM vectorises it by itself, but not always as a part of a larger function.
#[inline(never)]
fn join_lines<A: Copy>(to: &mut [A], from: &[A], starts: &[usize], init: A, join: impl Fn(A, A) -> A) {
    // Several lines at a time, so that what was joined is seldom stored.
    let mut rest = if let Some((first, rest)) = starts.split_first_chunk::<5>() {
        join_some(to, from, *first, |_, value| value, &join);
        rest
    } else if let Some((first, rest)) = starts.split_first_chunk::<3>() {
        join_some(to, from, *first, |_, value| value, &join);
        rest
    } else {
        to.fill(init);
        starts
    };
    while let Some((first, more)) = rest.split_first_chunk::<4>() {
        join_some(to, from, *first, &join, &join);
        rest = more;
    }
    while let Some((first, more)) = rest.split_first_chunk::<1>() {
        join_some(to, from, *first, &join, &join);
        rest = more;
    }
}

/// Joins `N` lines; `first` joins the first of them with what was joined before.
#[inline]
#[expect(clippy::indexing_slicing, reason = "lines cut to one length, so LLVM drops the checks of the indices")]
fn join_some<A: Copy, const N: usize>(
    to: &mut [A],
    from: &[A],
    starts: [usize; N],
    first: impl Fn(A, A) -> A,
    join: impl Fn(A, A) -> A,
) {
    let len = to.len();
    let lines = starts.map(|start| &from[start..][..len]);
    for (i, joined) in to.iter_mut().enumerate() {
        let mut all = *joined;
        for (k, line) in lines.iter().enumerate() {
            all = if k == 0 { first(all, line[i]) } else { join(all, line[i]) };
        }
        *joined = all;
    }
}
