//! Several values for each pixel of a line: the pixels of a window, or the same pixel of a list of tiles.
//!
//! Whole lines are taken at a time, so the inner loops run along a line and vectorise.

use alloc::{vec, vec::Vec};

use super::{operands::Check, result::Optional};
use crate::Element;

/// For each pixel of a line the values that belong to it: one from each of these lines, all of the same length.
pub(super) struct Samples<'a, T> {
    lines: Vec<(&'a [T], Check<T>)>,
    len: usize,
    all_valid: bool,
    /// Line by line 1 for each pixel that is kept; empty when all are.
    kept: Vec<u8>,
}

/// Pixels taken at a time where values are gathered per pixel: few enough to stay in the first-level cache.
const CHUNK: usize = 64;

impl<'a, T: Element> Samples<'a, T> {
    /// Without a line yet; `all_valid` promises that no line will have an invalid pixel.
    pub(super) fn new(len: usize, all_valid: bool) -> Self {
        Self { lines: Vec::new(), len, all_valid, kept: Vec::new() }
    }

    /// Replaces the lines; each has at least as many pixels as are wanted.
    pub(super) fn set_lines(&mut self, lines: impl Iterator<Item = (&'a [T], Check<T>)>) {
        let len = self.len;
        self.lines.clear();
        self.lines.extend(lines.map(|(line, check)| (line.get(..len).unwrap_or_default(), check)));
    }

    /// Lets `mark` put 1 where a pixel of these lines is kept; the others don't count. It gets the line's number.
    pub(super) fn mark_kept(&mut self, mark: impl Fn(usize, &mut [u8])) {
        self.kept.clear();
        self.kept.resize(self.lines.len() * self.len, 0);
        self.kept.chunks_exact_mut(self.len.max(1)).enumerate().for_each(|(line, kept)| mark(line, kept));
    }

    /// The lines, each with what tells its valid pixels, and which are kept if not all are.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'a [T], Check<T>, Option<&[u8]>)> {
        let lines = self.lines.iter().enumerate();
        lines.map(|(n, (line, check))| (*line, *check, self.kept.get(n * self.len..).and_then(|k| k.get(..self.len))))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn all_valid(&self) -> bool {
        self.all_valid
    }

    /// Folds each pixel's valid values in order; `finish` gets their number too.
    pub(super) fn fold<A: Copy, V: Element>(
        &self,
        init: A,
        mut step: impl FnMut(A, T) -> A,
        mut finish: impl FnMut(A, usize) -> Option<V>,
        results: &mut Optional<V>,
        out: &mut Vec<V>,
    ) {
        let mut sums = vec![init; self.len];
        if self.all_valid {
            for (line, _) in &self.lines {
                for (sum, value) in sums.iter_mut().zip(*line) {
                    *sum = step(*sum, *value);
                }
            }
            let count = self.lines.len();
            results.append(sums.into_iter().map(|sum| finish(sum, count)), out);
            return;
        }
        let mut counts = vec![0u32; self.len];
        for (line, check, kept) in self.lines() {
            let places = sums.iter_mut().zip(&mut counts).zip(line);
            let mut take = |sum: &mut A, count: &mut u32, value: T, valid: bool| {
                *sum = if valid { step(*sum, value) } else { *sum };
                *count = count.wrapping_add(u32::from(valid));
            };
            match kept {
                None => places.for_each(|((sum, count), v)| take(sum, count, *v, check.is_valid(*v))),
                Some(kept) => places
                    .zip(kept)
                    .for_each(|(((sum, count), v), kept)| take(sum, count, *v, check.is_valid(*v) & (*kept != 0))),
            }
        }
        results.append(sums.into_iter().zip(counts).map(|(sum, count)| finish(sum, count as usize)), out);
    }

    /// `f` of each pixel's valid values, in order, in memory that it may change.
    #[expect(clippy::indexing_slicing, reason = "each place has room for a value of every line")]
    pub(super) fn map<V: Element>(
        &self,
        mut f: impl FnMut(&mut [T]) -> Option<V>,
        results: &mut Optional<V>,
        out: &mut Vec<V>,
    ) {
        let room = self.lines.len();
        let mut values = vec![T::MARKER; CHUNK * room];
        let mut counts = [0; CHUNK];
        for start in (0..self.len).step_by(CHUNK) {
            let chunk = CHUNK.min(self.len - start);
            counts.fill(0);
            for at in 0..chunk {
                let values = &mut values[at * room..][..room];
                let mut count = 0;
                for (line, check, kept) in self.lines() {
                    // Written whether valid or not: the next one overwrites an invalid one, without a branch.
                    values[count] = line[start + at];
                    let kept = kept.is_none_or(|kept| kept[start + at] != 0);
                    count += usize::from(check.is_valid(line[start + at]) & kept);
                }
                counts[at] = count;
            }
            let places = values.chunks_exact_mut(room).zip(counts).take(chunk);
            results.append(places.map(|(values, count)| f(&mut values[..count])), out);
        }
    }
}
