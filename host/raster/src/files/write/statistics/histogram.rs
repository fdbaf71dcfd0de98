//! The histogram of a band as it is stored.

use crate::files::write::statistics::counts::Counts;
use crate::files::write::statistics::spread::Spread;
use tilefn_abi::DType;

/// Most bins where not each value has one. In so many, the median's is within a five hundredth of the range.
pub(crate) const MOST_BINS: usize = 1024;
/// Equal bins of 16-bit integers that have more values.
const LINEAR_BINS: u32 = 256;
/// Most bins of a histogram with one for each class.
pub(crate) const MOST_CLASSES: u32 = 65_536;

/// Counts of equal bins.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// As stored: the lowest and highest value, or the outer edges.
    min: f64,
    max: f64,
    counts: Vec<u64>,
    /// Whether there is one bin for each value.
    direct: bool,
    integers: bool,
}

impl Histogram {
    /// Of values that were counted one by one. A thematic or 8-bit band has one bin for each class, from 0; any other band one for each
    /// value if it spans no more than 256; else 256 equal ones.
    ///
    /// Bins for each value from 0 go up to `last` at least.
    pub(crate) fn of_counts(counts: &Counts, dtype: DType, thematic: bool, last: f64) -> Option<Self> {
        let (min, max) = (counts.values(dtype).next()?.0, counts.values(dtype).last()?.0);
        let (low, direct) = is_direct(min, max, thematic || dtype == DType::UInt8);
        let max = up_to(last, max, direct && low == 0.0);
        let bins = if direct { whole(max - low).saturating_add(1) } else { LINEAR_BINS };
        let mut found = Self { min: low, max, counts: vec![0; len(bins)], direct, integers: true };
        for (value, count) in counts.values(dtype) {
            let bin = found.bin_of(value);
            if let Some(sum) = found.counts.get_mut(bin) {
                *sum += count;
            }
        }
        Some(found)
    }

    /// Of a range that was cut into bins: one for each class or value, as above, or the bins as they are, up to [`MOST_BINS`].
    pub(crate) fn of_spread(
        mut spread: Spread,
        (min, max): (f64, f64),
        integers: bool,
        thematic: bool,
        last: f64,
    ) -> Self {
        let (low, direct) = is_direct(min, max, thematic);
        if integers && direct && spread.width() == 1.0 {
            let missing = len(whole(spread.start() - low));
            let mut counts: Vec<_> = std::iter::repeat_n(0, missing).chain(spread.counts().iter().copied()).collect();
            let max = up_to(last, max, low == 0.0);
            counts.resize(counts.len().max(len(whole(max - low).saturating_add(1))), 0);
            return Self { min: low, max, counts, direct, integers };
        }
        spread.limit(MOST_BINS);
        if min == max {
            // Bins of one number may be narrower than the digits that tell their edges.
            return Self { min, max: max + 0.5, counts: spread.counts().to_vec(), direct: false, integers };
        }
        let (min, max) = (spread.start(), spread.end());
        Self { min, max, counts: spread.counts().to_vec(), direct: false, integers }
    }

    fn step(&self) -> f64 {
        if self.direct { 1.0 } else { (self.max - self.min) / self.counts.len() as f64 }
    }

    /// The bin of a value between the lowest and the highest, which belongs to the last one.
    fn bin_of(&self, value: f64) -> usize {
        let half = if self.direct { 0.5 } else { 0.0 };
        let scale = self.counts.len() as f64 / (self.max - self.min + 2.0 * half);
        let bin = len(whole((value - self.min + half) * scale));
        bin.min(self.counts.len().saturating_sub(1))
    }

    /// The value that a bin stands for.
    fn value(&self, bin: usize) -> f64 {
        let value = bin as f64 * self.step() + self.min;
        if self.integers { value.round() } else { value }
    }

    /// The value of the first bin that has half of all pixels in it or before it.
    pub(crate) fn median(&self) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let mut before = 0;
        let is_half = |count: &u64| {
            before += count;
            before * 2 >= total
        };
        self.value(self.counts.iter().position(is_half).unwrap_or_default())
    }

    /// The value of the first of the fullest bins.
    pub(crate) fn mode(&self) -> f64 {
        let most = self.counts.iter().max();
        self.value(self.counts.iter().position(|count| Some(count) == most).unwrap_or_default())
    }

    /// The keys and texts under which it is stored.
    pub(crate) fn items(&self) -> [(&'static str, String); 5] {
        let mut values = String::new();
        for count in &self.counts {
            values.push_str(&count.to_string());
            values.push('|');
        }
        [
            ("STATISTICS_HISTOMIN", self.min.to_string()),
            ("STATISTICS_HISTOMAX", self.max.to_string()),
            ("STATISTICS_HISTONUMBINS", self.counts.len().to_string()),
            ("STATISTICS_HISTOBINFUNCTION", if self.direct { "direct" } else { "linear" }.to_owned()),
            ("STATISTICS_HISTOBINVALUES", values),
        ]
    }
}

/// The lowest value of a histogram of integers with a bin for each value, and whether it is one.
fn is_direct(min: f64, max: f64, classes: bool) -> (f64, bool) {
    let classes = classes && min >= 0.0 && max < f64::from(MOST_CLASSES);
    (if classes { 0.0 } else { min }, classes || max - min < f64::from(LINEAR_BINS))
}

/// The highest value of a histogram with a bin for each value from 0 to `last` at least.
fn up_to(last: f64, max: f64, from_zero: bool) -> f64 {
    if from_zero { max.max(last) } else { max }
}

fn whole(value: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to the type's range")]
    let whole = value as u32;
    whole
}

fn len(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
