//! Sorting many short sequences at once: a sorting network on lanes, for medians.
//!
//! A network compares the same places whatever the values, so sixteen pixels are sorted by the vector instructions that
//! would compare one.

use alloc::{vec, vec::Vec};

use super::samples::Samples;
use crate::Element;

/// Pixels sorted at a time: a whole vector even of bytes.
const LANES: usize = 16;

/// Above so many values for a pixel, selecting them one pixel at a time is faster.
const MAX_NETWORK: usize = 100;

/// The steps to the median of `n` values: places to compare, and exchange if the first is greater.
#[derive(Clone, Debug)]
struct Network {
    steps: Vec<(usize, usize)>,
}

impl Network {
    /// Puts the given places in order, as if all were sorted: Batcher's merge exchange (Knuth, volume 3, 5.2.2 M),
    /// without the steps on which those places don't depend.
    fn new(n: usize, wanted: core::ops::RangeInclusive<usize>) -> Self {
        let mut steps = Vec::new();
        let top = n.next_power_of_two() / 2;
        let mut p = top;
        while p > 0 {
            let (mut q, mut r, mut d) = (top, 0, p);
            loop {
                steps.extend((0..n.saturating_sub(d)).filter(|i| i & p == r).map(|i| (i, i + d)));
                if q == p {
                    break;
                }
                (d, q, r) = (q - p, q / 2, p);
            }
            p /= 2;
        }
        let mut needed: Vec<_> = (0..n).map(|place| wanted.contains(&place)).collect();
        let mut is_needed = |&(i, j): &(usize, usize)| {
            let step_needed = needed.get(i) == Some(&true) || needed.get(j) == Some(&true);
            if step_needed && let Ok([i, j]) = needed.get_disjoint_mut([i, j]) {
                (*i, *j) = (true, true);
            }
            step_needed
        };
        let mut steps: Vec<_> = steps.into_iter().rev().filter(|step| is_needed(step)).collect();
        steps.reverse();
        Self { steps }
    }

    #[inline]
    fn run<T: Element>(&self, values: &mut [[T; LANES]]) {
        for &(i, j) in &self.steps {
            if let Ok([a, b]) = values.get_disjoint_mut([i, j]) {
                for (a, b) in a.iter_mut().zip(b) {
                    (*a, *b) = if *b < *a { (*b, *a) } else { (*a, *b) };
                }
            }
        }
    }
}

/// Takes the median of each pixel's valid values; NaN where there is none.
pub(super) struct Medians<T> {
    /// For pixels whose values are all valid: only the middle is put in place.
    complete: Network,
    /// For the others: invalid values sort to the end, the middle of the rest is somewhere in the first half.
    partial: Network,
    lanes: Vec<[T; LANES]>,
}

impl<T: Element> Medians<T> {
    /// For `n` values at each pixel.
    pub(super) fn new(n: usize) -> Self {
        if n > MAX_NETWORK {
            let none = Network { steps: Vec::new() };
            return Self { complete: none.clone(), partial: none, lanes: Vec::new() };
        }
        Self {
            complete: Network::new(n, n.saturating_sub(1) / 2..=n / 2),
            partial: Network::new(n, 0..=n / 2),
            lanes: vec![[T::TOP; LANES]; n],
        }
    }

    /// Appends a line of medians.
    pub(super) fn append(&mut self, samples: &Samples<'_, T>, out: &mut Vec<T::Float>) {
        if self.lanes.is_empty() {
            let mut marker = super::result::Marker::new();
            samples.map(|values| select_median(values), &mut marker, out);
            return;
        }
        for start in (0..samples.len()).step_by(LANES) {
            let counts = self.load(samples, start);
            let complete = counts.iter().all(|count| *count as usize == self.lanes.len());
            if complete { &self.complete } else { &self.partial }.run(&mut self.lanes);
            let medians = counts.iter().enumerate().map(|(lane, count)| self.median(lane, *count as usize));
            out.extend(medians.take(samples.len() - start));
        }
    }

    /// Fills the lanes with the pixels from `start`; the number of valid values of each.
    fn load(&mut self, samples: &Samples<'_, T>, start: usize) -> [u32; LANES] {
        let mut counts = [0; LANES];
        let len = LANES.min(samples.len() - start);
        for (lanes, (line, check)) in self.lanes.iter_mut().zip(samples.lines()) {
            let Some(line) = line.get(start..start + len) else { continue };
            for ((lane, count), value) in lanes.iter_mut().zip(&mut counts).zip(line) {
                let valid = check.is_valid(*value);
                *lane = if valid { *value } else { T::TOP };
                *count += u32::from(valid);
            }
        }
        counts
    }

    /// The median of a lane whose first `count` values are in place.
    fn median(&self, lane: usize, count: usize) -> T::Float {
        let value = |place: usize| self.lanes.get(place).and_then(|lanes| lanes.get(lane)).copied();
        match count.checked_sub(1) {
            None => T::Float::MARKER,
            Some(last) => value(last / 2).zip(value(count / 2)).map_or(T::Float::MARKER, |(a, b)| middle(a, b)),
        }
    }
}

/// Halfway between the two values in the middle.
#[inline]
fn middle<T: Element>(a: T, b: T) -> T::Float {
    let (a, b): (f64, f64) = (a.as_(), b.as_());
    T::Float::from_f64((a + b) / 2.0)
}

/// The median of a pixel's values, none of them NaN; changes their order.
pub(super) fn select_median<T: Element>(values: &mut [T]) -> Option<T::Float> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let compare = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal);
    let even = values.len() % 2 == 0;
    let (below, middle_value, _) = values.select_nth_unstable_by(half, compare);
    let other = if even { below.iter().copied().max_by(compare)? } else { *middle_value };
    Some(middle(other, *middle_value))
}
