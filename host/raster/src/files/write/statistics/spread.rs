//! A histogram of numbers whose range isn't known before the last one has come.
//!
//! The width of its bins is a power of two, and their edges are multiples of it. It is the smallest with which the range needs no more
//! bins than there may be, so it follows from the range alone. When the range grows, neighbours are merged, which is exact: the result
//! doesn't depend on the order.

/// Bits of a double's fraction.
const FRACTION: i32 = 52;
/// Bits that a bin's number may have, so that [`floor`] is right.
const BITS: i32 = 50;
/// Exponents that the width may have, so that neither it nor its inverse is 0 or infinite.
const EXPONENTS: (i32, i32) = (-1000, 1016);

/// The bins so far.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// Bins that there may be.
    most: usize,
    /// Least exponent of the width: 0 for integers.
    least: i32,
    range: Option<(f64, f64)>,
    /// The width is two to the power of this.
    exponent: i32,
    /// The first bin's lower edge, in widths.
    first: i64,
    counts: Vec<u64>,
    /// Room for the bins of the numbers that are being added.
    bins: Vec<u32>,
}

impl Spread {
    pub(crate) const fn new(most: usize, integers: bool) -> Self {
        let least = if integers { 0 } else { EXPONENTS.0 };
        Self { most, least, range: None, exponent: EXPONENTS.0, first: 0, counts: Vec::new(), bins: Vec::new() }
    }

    /// Adds numbers from `min` to `max`. NaN is left out.
    pub(crate) fn add(&mut self, values: &[f64], min: f64, max: f64) {
        let (low, high) = self.range.map_or((min, max), |(low, high)| (low.min(min), high.max(max)));
        if self.range != Some((low, high)) {
            self.cover(low, high);
        }
        let (inverse, first) = (power(-self.exponent), self.first as f64);
        // No branch: what doesn't count goes to the lowest value's bin, and is taken out again.
        let bin = |value: f64| low_bits(floor((if value.is_nan() { min } else { value }) * inverse) - first);
        self.bins.clear();
        self.bins.extend(values.iter().map(|value| bin(*value)));
        for bin in &self.bins {
            if let Some(count) = usize::try_from(*bin).ok().and_then(|bin| self.counts.get_mut(bin)) {
                *count += 1;
            }
        }
        let others: u64 = values.iter().map(|value| u64::from(value.is_nan())).sum();
        let lowest = usize::try_from(bin(min)).unwrap_or_default();
        if let Some(count) = self.counts.get_mut(lowest) {
            *count -= others;
        }
    }

    /// Makes bins for a range that has the one before in it.
    fn cover(&mut self, low: f64, high: f64) {
        let exponent = self.exponent_for(low, high, self.most);
        if self.range.is_some() {
            self.coarsen(exponent);
        } else {
            (self.exponent, self.first) = (exponent, whole(floor(low * power(-exponent))));
        }
        self.range = Some((low, high));
        let edge = |value: f64| whole(floor(value * power(-exponent)));
        let (first, last) = (edge(low), edge(high));
        let before = usize::try_from(self.first.saturating_sub(first)).unwrap_or_default();
        self.counts.splice(0..0, std::iter::repeat_n(0, before));
        self.first = first;
        self.counts.resize(usize::try_from(last.saturating_sub(first)).unwrap_or_default() + 1, 0);
    }

    /// The smallest exponent with which the range needs at most `most` bins.
    fn exponent_for(&self, low: f64, high: f64, most: usize) -> i32 {
        let most = most as f64;
        let magnitude = exponent_of(low.abs().max(high.abs())) - BITS;
        let about = exponent_of(high / most - low / most) - 1;
        let mut exponent = magnitude.max(about).clamp(self.least, EXPONENTS.1);
        loop {
            let inverse = power(-exponent);
            let bins = floor(high * inverse) - floor(low * inverse) + 1.0;
            if bins <= most || exponent == EXPONENTS.1 {
                return exponent;
            }
            exponent += 1;
        }
    }

    /// Merges bins to this width.
    fn coarsen(&mut self, exponent: i32) {
        while self.exponent < exponent {
            let factor = (exponent - self.exponent).min(FRACTION + 1);
            let first = self.first >> factor;
            let mut merged: Vec<u64> = Vec::new();
            for (bin, count) in (self.first..).zip(&self.counts) {
                let at = usize::try_from((bin >> factor) - first).unwrap_or_default();
                merged.resize(merged.len().max(at + 1), 0);
                if let Some(sum) = merged.get_mut(at) {
                    *sum += count;
                }
            }
            (self.first, self.counts) = (first, merged);
            self.exponent += factor;
        }
    }

    /// Merges bins until there are at most so many.
    pub(crate) fn limit(&mut self, most: usize) {
        if let Some((low, high)) = self.range {
            self.coarsen(self.exponent_for(low, high, most).max(self.exponent));
        }
    }

    /// The width of a bin.
    pub(crate) fn width(&self) -> f64 {
        power(self.exponent)
    }

    /// The first bin's lower edge.
    pub(crate) fn start(&self) -> f64 {
        self.edge(0)
    }

    /// The last bin's upper edge.
    pub(crate) fn end(&self) -> f64 {
        self.edge(self.counts.len())
    }

    fn edge(&self, bin: usize) -> f64 {
        // The outermost ones may be beyond the type's range.
        ((self.first as f64 + bin as f64) * self.width()).clamp(f64::MIN, f64::MAX)
    }

    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// Two to the power of a number from −1022 to 1023.
fn power(exponent: i32) -> f64 {
    f64::from_bits(u64::from((exponent + 1023).clamp(1, 2046).unsigned_abs()) << FRACTION)
}

/// The exponent of a finite number's highest bit; lower than that of all normal numbers for the others.
fn exponent_of(value: f64) -> i32 {
    i32::try_from((value.to_bits() >> FRACTION) & 0x7ff).unwrap_or_default() - 1023
}

/// The largest whole number that isn't greater, for numbers of up to [`BITS`] bits. (`f64::floor` is a call on most processors, and a cast
/// isn't done for several at once.)
fn floor(value: f64) -> f64 {
    // So large that the sum has no fraction.
    const LARGE: f64 = 6_755_399_441_055_744.0;
    let nearest = (value + LARGE) - LARGE;
    if nearest > value { nearest - 1.0 } else { nearest }
}

/// A whole number from 0 as an integer; others become some number.
fn low_bits(value: f64) -> u32 {
    const LARGE: f64 = 4_503_599_627_370_496.0;
    #[expect(clippy::cast_possible_truncation, reason = "the number of a bin")]
    let bits = (value + LARGE).to_bits() as u32;
    bits
}

/// A whole number of up to [`BITS`] bits.
fn whole(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "it is clamped to the type's range")]
    let whole = value as i64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread(parts: &[&[f64]], most: usize, integers: bool) -> Spread {
        let mut spread = Spread::new(most, integers);
        for part in parts {
            let valid = || part.iter().copied().filter(|value| !value.is_nan());
            spread.add(part, valid().fold(f64::INFINITY, f64::min), valid().fold(f64::NEG_INFINITY, f64::max));
        }
        spread
    }

    #[test]
    fn by_hand() {
        let found = spread(&[&[0.0, 1.0, f64::NAN, 1.5], &[-3.0, 9.9]], 8, false);
        assert_eq!((found.start(), found.width(), found.counts()), (-4.0, 2.0, &[1, 0, 3, 0, 0, 0, 1][..]));
        let found = spread(&[&[7.0, 7.0], &[8.0]], 8, true);
        assert_eq!((found.start(), found.width(), found.counts()), (7.0, 1.0, &[2, 1][..]));
        let mut found = spread(&[&[-5.0, 0.0, 3.0]], 16, true);
        found.limit(4);
        assert_eq!((found.start(), found.width(), found.counts()), (-8.0, 4.0, &[1, 0, 2][..]));
    }

    #[test]
    fn the_whole_range_of_doubles() {
        for parts in [&[0.0f64, f64::MAX, f64::MIN][..], &[0.0, 5e-324, -5e-324], &[1e300, 1e300], &[5e-324, f64::MAX]]
        {
            let one_by_one: Vec<_> = parts.chunks(1).collect();
            let found = spread(&one_by_one, 512, false);
            assert_eq!(found.counts().iter().sum::<u64>(), parts.len() as u64);
            assert!(found.counts().len() <= 512 && found.start() < found.end());
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_bins_hold_what_they_say(
            mut values in prop::collection::vec(prop_oneof![-1e3..1e3f64, -1e-9..1e-9f64, -1e12..1e12f64], 1..60),
            size in 1usize..9,
        ) {
            values.push(1.0);
            let parts: Vec<_> = values.chunks(size).collect();
            let one = spread(&parts, 32, false);
            let mut reversed = parts.clone();
            reversed.reverse();
            let other = spread(&reversed, 32, false);
            prop_assert_eq!((one.start(), one.width(), one.counts()), (other.start(), other.width(), other.counts()));
            for (bin, count) in one.counts().iter().enumerate() {
                let low = one.start() + bin as f64 * one.width();
                let inside = values.iter().filter(|value| **value >= low && **value < low + one.width()).count();
                prop_assert_eq!(*count, inside as u64);
            }
            prop_assert!(one.counts().len() <= 32 && one.counts().first() != Some(&0) && one.counts().last() != Some(&0));
        }
    }
}
