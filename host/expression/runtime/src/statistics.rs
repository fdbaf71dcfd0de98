//! Statistics of each pixel over planes, invalid pixels left out. They are computed in double precision.

use crate::layout::{CHUNK, statistic};

/// Pixels that are sorted side by side: what vectors hold, and the cache many planes of.
const SIDE: usize = 16;
const LONG: usize = CHUNK as usize;

/// A number that pixels are.
pub trait Float: bytemuck::Pod + PartialOrd {
    fn widen(self) -> f64;
    fn narrow(value: f64) -> Self;
}

impl Float for f32 {
    fn widen(self) -> f64 {
        self.into()
    }
    fn narrow(value: f64) -> Self {
        value as Self
    }
}

impl Float for f64 {
    fn widen(self) -> f64 {
        self
    }
    fn narrow(value: f64) -> Self {
        value
    }
}

/// The pixels of one plane, and the value of invalid ones beside NaN.
#[derive(Clone, Copy)]
pub struct Plane<T: 'static> {
    pub pixels: &'static [T],
    pub mark: f64,
}

impl<T: Float> Plane<T> {
    /// Each pixel with whether it is valid.
    fn each(self) -> impl Iterator<Item = (f64, bool)> {
        let mark = self.mark;
        // `x == x` is false for NaN.
        #[expect(clippy::eq_op, reason = "NaN")]
        self.pixels.iter().map(move |pixel| {
            let x = pixel.widen();
            (x, x == x && x != mark)
        })
    }
}

/// Writes the statistic into `out`. `planes` gives each plane, from 0 to `count`; `sorting` has room for `count` × [`SIDE`] numbers.
pub fn compute<T: Float>(
    which: u32,
    percent: f64,
    count: u32,
    planes: &dyn Fn(u32) -> Plane<T>,
    sorting: &mut [f64],
    out: &mut [T],
) {
    if which == statistic::PERCENTILE {
        return percentiles(percent / 100.0, count, planes, sorting, out);
    }
    let start = match which {
        statistic::MIN => f64::INFINITY,
        statistic::MAX => f64::NEG_INFINITY,
        _ => 0.0,
    };
    let (mut sums, mut counts) = ([start; LONG], [0f64; LONG]);
    for k in 0..count {
        let places = sums.iter_mut().zip(&mut counts);
        let pixels = planes(k).each();
        match which {
            statistic::MIN => places.zip(pixels).for_each(|((s, n), (x, valid))| {
                *s = if valid && x < *s { x } else { *s };
                *n += f64::from(valid);
            }),
            statistic::MAX => places.zip(pixels).for_each(|((s, n), (x, valid))| {
                *s = if valid && x > *s { x } else { *s };
                *n += f64::from(valid);
            }),
            _ => places.zip(pixels).for_each(|((s, n), (x, valid))| {
                *s += if valid { x } else { 0.0 };
                *n += f64::from(valid);
            }),
        }
    }
    match which {
        statistic::COUNT => out.iter_mut().zip(&counts).for_each(|(out, n)| *out = T::narrow(*n)),
        // 0 / 0 is NaN.
        statistic::MEAN => {
            out.iter_mut().zip(sums.iter().zip(&counts)).for_each(|(out, (s, n))| *out = T::narrow(*s / *n));
        }
        statistic::STD => {
            let mut squares = [0f64; LONG];
            sums.iter_mut().zip(&counts).for_each(|(s, n)| *s /= *n);
            for k in 0..count {
                for ((square, mean), (x, valid)) in squares.iter_mut().zip(&sums).zip(planes(k).each()) {
                    *square += if valid { (x - *mean) * (x - *mean) } else { 0.0 };
                }
            }
            out.iter_mut()
                .zip(squares.iter().zip(&counts))
                .for_each(|(out, (square, n))| *out = T::narrow(sqrt(*square / *n)));
        }
        _ => {
            let results = sums.iter().zip(&counts);
            out.iter_mut()
                .zip(results)
                .for_each(|(out, (s, n))| *out = T::narrow(if *n > 0.0 { *s } else { f64::NAN }));
        }
    }
}

fn sqrt(x: f64) -> f64 {
    use core::arch::wasm32::{f64x2_extract_lane, f64x2_splat, f64x2_sqrt};
    f64x2_extract_lane::<0>(f64x2_sqrt(f64x2_splat(x)))
}

/// numpy's percentile: between the two nearest numbers in proportion.
fn percentiles<T: Float>(part: f64, count: u32, planes: &dyn Fn(u32) -> Plane<T>, sorting: &mut [f64], out: &mut [T]) {
    for (group, out) in out.chunks_mut(SIDE).enumerate() {
        let mut counts = [0f64; SIDE];
        let mut rows = sorting.chunks_exact_mut(SIDE);
        for (k, row) in (0..count).zip(&mut rows) {
            let plane = planes(k);
            let pixels = Plane { pixels: plane.pixels.get(group * SIDE..).unwrap_or_default(), ..plane };
            // Invalid ones become the largest of all, behind which nobody looks.
            row.fill(f64::INFINITY);
            for ((place, n), (x, valid)) in row.iter_mut().zip(&mut counts).zip(pixels.each()) {
                *place = if valid { x } else { f64::INFINITY };
                *n += f64::from(valid);
            }
        }
        sort(sorting, count as usize);
        for (lane, (out, n)) in out.iter_mut().zip(counts).enumerate() {
            let at = |row: f64| sorting.get(row as usize * SIDE + lane).copied().unwrap_or(f64::NAN);
            let place = part * (n - 1.0);
            *out = T::narrow(if n == 0.0 {
                f64::NAN
            } else {
                let below = place as u32 as f64;
                let above = if below + 1.0 < n { below + 1.0 } else { n - 1.0 };
                let (a, b, share) = (at(below), at(above), place - below);
                if a == b || share == 0.0 { a } else { a + (b - a) * share }
            });
        }
    }
}

/// Sorts each column of `count` rows by Batcher's network, which has the same steps whatever the numbers are.
fn sort(rows: &mut [f64], count: usize) {
    let mut p = 1;
    while p < count {
        let mut k = p;
        while k >= 1 {
            let mut j = k % p;
            while j + k < count {
                for i in j..(j + k).min(count - k) {
                    if i / (2 * p) == (i + k) / (2 * p) {
                        exchange(rows, i, i + k);
                    }
                }
                j += 2 * k;
            }
            k /= 2;
        }
        p *= 2;
    }
}

/// Puts the smaller number of each column into row `a`, the larger into row `b`, which is below it.
fn exchange(rows: &mut [f64], a: usize, b: usize) {
    let Some((above, below)) = rows.split_at_mut_checked(b * SIDE) else { return };
    let (Some(a), Some(b)) = (above.get_mut(a * SIDE..(a + 1) * SIDE), below.get_mut(..SIDE)) else { return };
    for (a, b) in a.iter_mut().zip(b) {
        let (x, y) = (*a, *b);
        *a = if y < x { y } else { x };
        *b = if y < x { x } else { y };
    }
}

/// Numbers that `sorting` must have room for.
pub const fn sorting_len(count: u32) -> u64 {
    count as u64 * SIDE as u64
}
