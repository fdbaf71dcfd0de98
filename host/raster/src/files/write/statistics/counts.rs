//! How often each value of a band of 8- or 16-bit integers occurs: exact, so statistics and histogram follow from it.

use crate::files::write::statistics::moments::Moments;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tilefn_abi::DType;

/// Values whose counts lie together.
const PAGE: usize = 256;
/// Pixels that are counted at a time, so that no count of 32 bits overflows.
const PART: usize = 1 << 30;

/// The counts of a band, for pages of values of which there are any.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pages: BTreeMap<usize, Box<[u64; PAGE]>>,
}

thread_local! {
    /// One for each thread, since a job may have thousands of outputs.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Room for the counts of the tile that is being counted. A value's place is the number of smaller ones that the type has.
#[derive(Debug, Default)]
struct Scratch {
    counts: Vec<u32>,
}

/// Whether values of the type are counted one by one.
pub(crate) const fn suits(dtype: DType) -> bool {
    matches!(dtype, DType::UInt8 | DType::Int8 | DType::UInt16 | DType::Int16)
}

/// The number that is added to a value of a signed type to get its place.
const fn shift(dtype: DType) -> i64 {
    match dtype {
        DType::Int8 => 128,
        DType::Int16 => 32_768,
        _ => 0,
    }
}

impl Counts {
    /// Counts pixels in memory order. `nodata` has ABI bits.
    pub(crate) fn add(&mut self, bytes: &[u8], dtype: DType, nodata: Option<u64>) {
        SCRATCH.with_borrow_mut(|scratch| self.add_with(bytes, dtype, nodata, scratch));
    }

    fn add_with(&mut self, bytes: &[u8], dtype: DType, nodata: Option<u64>, scratch: &mut Scratch) {
        let nodata = nodata.map(|bits| {
            let [low, high, ..] = bits.to_le_bytes();
            match dtype.size() {
                1 => usize::from(flip8(low, dtype)),
                _ => usize::from(flip16(u16::from_le_bytes([low, high]), dtype)),
            }
        });
        for part in bytes.chunks(PART) {
            let places = if dtype.size() == 1 { scratch.count8(part, dtype) } else { scratch.count16(part, dtype) };
            let Some((low, high)) = places else { continue };
            let (first, last) = (low / PAGE, high / PAGE);
            for (page, counts) in scratch.counts.chunks_mut(PAGE).enumerate().take(last + 1).skip(first) {
                let in_page =
                    nodata.filter(|place| place / PAGE == page).and_then(|place| counts.get_mut(place % PAGE));
                in_page.into_iter().for_each(|count| *count = 0);
                if counts.iter().any(|count| *count > 0) {
                    let total = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE]));
                    total.iter_mut().zip(counts).for_each(|(total, count)| *total += u64::from(std::mem::take(count)));
                }
            }
        }
    }

    /// The values that occur, ascending, and how often.
    pub(crate) fn values(&self, dtype: DType) -> impl Iterator<Item = (f64, u64)> + Clone {
        let all = self.pages.iter().flat_map(move |(page, counts)| {
            let first = (page * PAGE) as i64 - shift(dtype);
            (first..).zip(counts.iter().copied())
        });
        all.filter(|(_, count)| *count > 0).map(|(value, count)| (value as f64, count))
    }

    /// The moments of all pixels.
    pub(crate) fn moments(&self, dtype: DType) -> Moments {
        let values = || self.values(dtype);
        let count: u64 = values().map(|(_, count)| count).sum();
        if count == 0 {
            return Moments::default();
        }
        #[expect(clippy::cast_possible_truncation, reason = "an integer")]
        let sum: i128 = values().map(|(value, count)| i128::from(value as i64) * i128::from(count)).sum();
        let mean = sum as f64 / count as f64;
        let squares = values().map(|(value, count)| (value - mean) * (value - mean) * count as f64).sum();
        let min = values().next().map_or(0.0, |(value, _)| value);
        let max = values().last().map_or(0.0, |(value, _)| value);
        Moments { count, infinite: 0, min, max, mean, squares }
    }
}

impl Scratch {
    /// Adds to the counts, and returns the lowest and highest place that may have changed.
    fn count8(&mut self, bytes: &[u8], dtype: DType) -> Option<(usize, usize)> {
        self.counts.resize(PAGE, 0);
        let counts = self.counts.first_chunk_mut::<PAGE>()?;
        for byte in bytes {
            if let Some(count) = counts.get_mut(usize::from(flip8(*byte, dtype))) {
                *count += 1;
            }
        }
        Some((0, PAGE - 1))
    }

    /// As [`count8`](Self::count8), for types of 16 bits.
    fn count16(&mut self, bytes: &[u8], dtype: DType) -> Option<(usize, usize)> {
        const ALL: usize = 1 << 16;
        self.counts.resize(ALL, 0);
        let counts = self.counts.first_chunk_mut::<ALL>()?;
        let places = || bytes.as_chunks::<2>().0.iter().map(|pixel| flip16(u16::from_ne_bytes(*pixel), dtype));
        let range = places().fold((u16::MAX, 0), |(low, high), place| (place.min(low), place.max(high)));
        for place in places() {
            if let Some(count) = counts.get_mut(usize::from(place)) {
                *count += 1;
            }
        }
        Some((range.0.into(), range.1.into()))
    }
}

fn flip8(byte: u8, dtype: DType) -> u8 {
    if dtype == DType::Int8 { byte ^ 0x80 } else { byte }
}

fn flip16(pixel: u16, dtype: DType) -> u16 {
    if dtype == DType::Int16 { pixel ^ 0x8000 } else { pixel }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(parts: &[&[u8]], dtype: DType, nodata: Option<u64>) -> Vec<(f64, u64)> {
        let mut counts = Counts::default();
        parts.iter().for_each(|part| counts.add(part, dtype, nodata));
        counts.values(dtype).collect()
    }

    #[test]
    fn values_are_counted_and_nodata_is_not() {
        assert_eq!(count(&[&[1, 1, 255], &[0, 255]], DType::UInt8, Some(1)), [(0.0, 1), (255.0, 2)]);
        assert_eq!(count(&[&[1, 1, 255], &[128]], DType::Int8, Some(u64::MAX)), [(-128.0, 1), (1.0, 2)]);
        let words = |values: &[i16]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<_>>();
        let (a, b) = (words(&[-32_768, 32_767, -1, -1]), words(&[-1, 300]));
        assert_eq!(count(&[&a, &b], DType::Int16, Some(300)), [(-32_768.0, 1), (-1.0, 3), (32_767.0, 1)]);
        assert_eq!(count(&[&a], DType::UInt16, None), [(32_767.0, 1), (32_768.0, 1), (65_535.0, 2)]);
    }

    #[test]
    fn moments_by_hand() {
        let mut counts = Counts::default();
        counts.add(&[2, 4, 4, 4, 5, 5, 7, 9, 200], DType::UInt8, Some(200));
        let found = counts.moments(DType::UInt8);
        assert_eq!(found, Moments { count: 8, infinite: 0, min: 2.0, max: 9.0, mean: 5.0, squares: 32.0 });
    }
}
