//! Sorting many short sequences at once: a sorting network on lanes, for medians.
//!
//! A network compares the same places whatever the values, so many pixels are sorted by the vector instructions that
//! would compare one.

use alloc::{vec, vec::Vec};

use super::{operands::Check, samples::Samples};
use crate::Element;

/// Pixels sorted at a time: enough for a step's bookkeeping to count little, few enough for the first-level cache.
const LANES: usize = 64;

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

    // Not inlined: LLVM vectorises it by itself, but not always as a part of a larger function.
    #[inline(never)]
    fn run<T: Element>(&self, values: &mut [[T; LANES]]) {
        for &(i, j) in &self.steps {
            let Some((head, tail)) = values.split_at_mut_checked(j) else { continue };
            let (Some(a), Some(b)) = (head.get_mut(i), tail.first_mut()) else { continue };
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = if *b < *a { (*b, *a) } else { (*a, *b) };
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
    /// How many values of each pixel are invalid.
    missing: [u32; LANES],
    /// The last pixels of a line that isn't a multiple of the lanes, and which of them are kept.
    last: [T; LANES],
    last_kept: [u8; LANES],
}

impl<T: Element> Medians<T> {
    /// For `n` values at each pixel.
    pub(super) fn new(n: usize) -> Self {
        // Too many are not put into lanes.
        let n = if n > MAX_NETWORK { 0 } else { n };
        Self {
            complete: Network::new(n, n.saturating_sub(1) / 2..=n / 2),
            partial: Network::new(n, 0..=n / 2),
            lanes: vec![[T::TOP; LANES]; n],
            missing: [0; LANES],
            last: [T::TOP; LANES],
            last_kept: [0; LANES],
        }
    }

    /// Appends a line of medians.
    pub(super) fn append(&mut self, samples: &Samples<'_, T>, out: &mut Vec<T::Float>) {
        if self.lanes.is_empty() {
            samples.map(|values| select_median(values), &mut super::result::Optional::new(), out);
            return;
        }
        let n = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        for start in (0..samples.len()).step_by(LANES) {
            let pixels = LANES.min(samples.len() - start);
            self.load(samples, start);
            let counts = Counts::new(n, &self.missing);
            if counts.most == 0 {
                out.extend(core::iter::repeat_n(T::Float::MARKER, pixels));
                continue;
            }
            if counts.least == n { &self.complete } else { &self.partial }.run(&mut self.lanes);
            let mut middle = [[T::BOTTOM; LANES]; 2];
            for place in counts.least.saturating_sub(1) / 2..=counts.most / 2 {
                if let Some(values) = self.lanes.get(place as usize) {
                    pick(values, place, &counts.of, &mut middle);
                }
            }
            append_halfway(&middle, &counts.of, pixels, out);
        }
    }

    /// Fills the lanes with the pixels from `start`, and counts the invalid values of each.
    fn load(&mut self, samples: &Samples<'_, T>, start: usize) {
        self.missing.fill(0);
        for (lanes, (line, check, kept)) in self.lanes.iter_mut().zip(samples.lines()) {
            let pixels = chunk(line, start, &mut self.last);
            if samples.all_valid() {
                *lanes = *pixels;
            } else if let Some(kept) = kept {
                take_kept(pixels, check, chunk(kept, start, &mut self.last_kept), lanes, &mut self.missing);
            } else {
                take_valid(pixels, check, lanes, &mut self.missing);
            }
        }
    }
}

/// Takes the valid ones of the pixels, and counts the others.
// Not inlined for the same reason as `Network::run`; the functions below neither.
#[inline(never)]
fn take_valid<T: Element>(pixels: &[T; LANES], check: Check<T>, lanes: &mut [T; LANES], missing: &mut [u32; LANES]) {
    for ((lane, missing), value) in lanes.iter_mut().zip(missing).zip(pixels) {
        let valid = check.is_valid(*value);
        *lane = if valid { *value } else { T::TOP };
        *missing = missing.wrapping_add(u32::from(!valid));
    }
}

/// As [`take_valid`], of the pixels for which `kept` isn't 0.
#[inline(never)]
fn take_kept<T: Element>(
    pixels: &[T; LANES],
    check: Check<T>,
    kept: &[u8; LANES],
    lanes: &mut [T; LANES],
    missing: &mut [u32; LANES],
) {
    // Widened first: a loop over several widths would not vectorise.
    let kept = kept.map(u32::from);
    for (((lane, missing), value), kept) in lanes.iter_mut().zip(missing).zip(pixels).zip(&kept) {
        let valid = check.is_valid(*value) & (*kept != 0);
        *lane = if valid { *value } else { T::TOP };
        *missing = missing.wrapping_add(u32::from(!valid));
    }
}

/// The values from `start`; in `last` when the line ends before them, with what was there.
fn chunk<'a, T: Copy>(line: &'a [T], start: usize, last: &'a mut [T; LANES]) -> &'a [T; LANES] {
    let line = line.get(start..).unwrap_or_default();
    line.first_chunk().unwrap_or_else(|| {
        last.iter_mut().zip(line).for_each(|(place, value)| *place = *value);
        last
    })
}

/// How many values of each pixel are valid.
struct Counts {
    of: [u32; LANES],
    least: u32,
    most: u32,
}

impl Counts {
    #[inline(never)]
    fn new(n: u32, missing: &[u32; LANES]) -> Self {
        let of = missing.map(|missing| n.saturating_sub(missing));
        let least = of.iter().fold(n, |least, count| least.min(*count));
        let most = of.iter().fold(0, |most, count| most.max(*count));
        Self { of, least, most }
    }
}

/// Picks the values in this place for those pixels whose median is between it and the next one or the one before.
#[inline(never)]
fn pick<T: Element>(values: &[T; LANES], place: u32, counts: &[u32; LANES], [low, high]: &mut [[T; LANES]; 2]) {
    let next = place.wrapping_add(1);
    for (((low, high), count), value) in low.iter_mut().zip(high).zip(counts).zip(values) {
        // Not a choice between the value and what was there: that would be one of places to read from, without vectors.
        let value_of = |wanted: bool, before: T| {
            let value = if wanted { *value } else { T::BOTTOM };
            if before < value { value } else { before }
        };
        *low = value_of(count.div_ceil(2) == next, *low);
        *high = value_of(count / 2 == place, *high);
    }
}

/// Appends the medians of the first pixels.
#[inline(never)]
fn append_halfway<T: Element>(
    [low, high]: &[[T; LANES]; 2],
    counts: &[u32; LANES],
    pixels: usize,
    out: &mut Vec<T::Float>,
) {
    out.extend(low.iter().zip(high).zip(counts).take(pixels).map(|((low, high), count)| {
        let median = halfway(*low, *high);
        if *count == 0 { T::Float::MARKER } else { median }
    }));
}

/// Halfway between the two values in the middle.
#[inline]
fn halfway<T: Element>(a: T, b: T) -> T::Float {
    let (a, b): (f64, f64) = (a.as_(), b.as_());
    // Which of two equal zeros comes first depends on the steps taken; the sum makes either the positive one.
    T::Float::from_f64((a + b) / 2.0 + 0.0)
}

/// The median of a pixel's values, none of them NaN; changes their order.
pub(super) fn select_median<T: Element>(values: &mut [T]) -> Option<T::Float> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let compare = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal);
    let even = values.len().is_multiple_of(2);
    let (below, middle_value, _) = values.select_nth_unstable_by(half, compare);
    let other = if even { below.iter().copied().max_by(compare)? } else { *middle_value };
    Some(halfway(other, *middle_value))
}
