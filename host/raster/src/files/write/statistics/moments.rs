//! Count, range, mean and spread of numbers, in parts that are merged without losing digits.

/// Numbers that are summed at a time: sums of so few lose nothing that matters.
pub(crate) const CHUNK: usize = 4096;
/// Sums that are made side by side, for the processor's vectors. Part of the result: another number would change its last bits.
const LANES: usize = 8;

/// What is known of a set of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    /// Valid and finite numbers; the rest is about them.
    pub(crate) count: u64,
    /// Valid ones that are not finite.
    pub(crate) infinite: u64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    /// Sum of the squares of the distances from the mean.
    pub(crate) squares: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, infinite: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, squares: 0.0 }
    }
}

impl Moments {
    /// Those of at most [`CHUNK`] numbers, of which none is infinite; NaN stands for a pixel that doesn't count.
    pub(crate) fn of(values: &[f64]) -> Self {
        let (mut count, mut sum) = ([0.0; LANES], [0.0; LANES]);
        let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        each(values, |values| {
            let lanes = count.iter_mut().zip(&mut sum).zip(min.iter_mut().zip(&mut max));
            for (((count, sum), (min, max)), value) in lanes.zip(values) {
                *count += if value.is_nan() { 0.0 } else { 1.0 };
                *sum += if value.is_nan() { 0.0 } else { value };
                *min = if value < *min { value } else { *min };
                *max = if value > *max { value } else { *max };
            }
        });
        let count: f64 = count.iter().sum();
        if count == 0.0 {
            return Self::default();
        }
        let mean = sum.iter().sum::<f64>() / count;
        let mut squares = [0.0; LANES];
        each(values, |values| {
            for (squares, value) in squares.iter_mut().zip(values) {
                let distance = if value.is_nan() { 0.0 } else { value - mean };
                *squares += distance * distance;
            }
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of a chunk")]
        let count = count as u64;
        let (min, max) =
            (min.into_iter().fold(f64::INFINITY, f64::min), max.into_iter().fold(f64::NEG_INFINITY, f64::max));
        Self { count, infinite: 0, min, max, mean, squares: squares.iter().sum() }
    }

    /// Adds those of another set: Chan, Golub and LeVeque's formula.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.infinite += other.infinite;
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = Self { infinite: self.infinite, ..*other };
            return;
        }
        let (own, more) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        self.mean += distance * more / (own + more);
        self.squares += other.squares + distance * distance * own * more / (own + more);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Calls `each` with the numbers, one for each lane; NaN fills the last ones up.
fn each(values: &[f64], mut each: impl FnMut([f64; LANES])) {
    let (whole, rest) = values.as_chunks::<LANES>();
    whole.iter().for_each(|values| each(*values));
    if !rest.is_empty() {
        let mut values = [f64::NAN; LANES];
        values.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        each(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_parts_are_those_of_all() {
        let values: Vec<f64> = (0..10_000u32).map(|n| 1e9 + f64::from(n % 7)).collect();
        let mut all = Moments::default();
        values.chunks(333).for_each(|part| all.merge(&Moments::of(part)));
        all.merge(&Moments::of(&[f64::NAN; 20]));
        all.merge(&Moments { infinite: 2, ..Moments::default() });
        let offsets = || (0..10_000u32).map(|n| f64::from(n % 7));
        let mean = offsets().sum::<f64>() / 10_000.0;
        let squares = offsets().map(|v| (v - mean).powi(2)).sum::<f64>();
        assert_eq!((all.count, all.infinite, all.min, all.max), (10_000, 2, 1e9, 1e9 + 6.0));
        assert!((all.mean - 1e9 - mean).abs() < 1e-6 && (all.squares / squares - 1.0).abs() < 1e-9);
    }
}
