//! The functions, on plain slices. 0 is nodata in the inputs, NaN in the result.

use crate::median::{LANES, Medians};

const NODATA: f32 = 0.0;

/// No function: only marks what is invalid.
pub fn copy(pixels: &[f32], result: &mut [f32]) {
    for (&v, out) in pixels.iter().zip(result) {
        *out = if v == NODATA { f32::NAN } else { v };
    }
}

/// Normalised difference of each pixel.
pub fn ndvi(red: &[f32], nir: &[f32], result: &mut [f32]) {
    for ((&r, &n), out) in red.iter().zip(nir).zip(result) {
        let value = (n - r) / (n + r);
        *out = if r == NODATA || n == NODATA { f32::NAN } else { value };
    }
}

/// Mean of the valid pixels within `R` rows and columns of each valid one. `pixels` has a halo of `R`, `result` rows of
/// `cols`.
///
/// Columns are summed first, then each sum is used for all the pixels that it is near to.
pub fn focal_mean<const R: usize>(pixels: &[f32], cols: usize, result: &mut [f32]) {
    let wide = cols + 2 * R;
    let (mut sums, mut counts) = (vec![0.0; wide], vec![0.0; wide]);
    for (row, out) in result.chunks_exact_mut(cols).enumerate() {
        sums.fill(0.0);
        counts.fill(0.0);
        for line in pixels[row * wide..].chunks_exact(wide).take(2 * R + 1) {
            for ((&v, sum), count) in line.iter().zip(&mut sums).zip(&mut counts) {
                let valid = v != NODATA;
                *sum += if valid { v } else { 0.0 };
                *count += if valid { 1.0 } else { 0.0 };
            }
        }
        let centres = &pixels[(row + R) * wide + R..][..cols];
        for (col, (out, &centre)) in out.iter_mut().zip(centres).enumerate() {
            let sum: f32 = sums[col..=col + 2 * R].iter().sum();
            let count: f32 = counts[col..=col + 2 * R].iter().sum();
            *out = if centre == NODATA { f32::NAN } else { sum / count };
        }
    }
}

/// Median over the dates of the pixels that are valid and whose mask is 0.
pub fn masked_median(series: &[(&[f32], &[u8])], result: &mut [f32]) {
    let mut medians = Medians::new(series.len());
    for (chunk, out) in result.chunks_mut(LANES).enumerate() {
        let start = chunk * LANES;
        medians.counts.fill(0);
        for (lanes, (date, mask)) in medians.lanes.iter_mut().zip(series) {
            let pixels = date[start..].iter().zip(&mask[start..]);
            for ((lane, count), (&v, &m)) in lanes.iter_mut().zip(&mut medians.counts).zip(pixels) {
                let valid = v != NODATA && m == 0;
                *lane = if valid { v } else { f32::INFINITY };
                *count += u32::from(valid);
            }
        }
        medians.write(out);
    }
}

/// Median of the valid pixels within `R` rows and columns. `pixels` has a halo of `R`, `result` rows of `cols`.
pub fn focal_median<const R: usize>(pixels: &[f32], cols: usize, result: &mut [f32]) {
    let wide = cols + 2 * R;
    let side = 2 * R + 1;
    let mut medians = Medians::new(side * side);
    for (row, out) in result.chunks_exact_mut(cols).enumerate() {
        for (chunk, out) in out.chunks_mut(LANES).enumerate() {
            let start = row * wide + chunk * LANES;
            medians.counts.fill(0);
            for (place, lanes) in medians.lanes.iter_mut().enumerate() {
                let line = &pixels[start + place / side * wide + place % side..];
                for ((lane, count), &v) in lanes.iter_mut().zip(&mut medians.counts).zip(line) {
                    let valid = v != NODATA;
                    *lane = if valid { v } else { f32::INFINITY };
                    *count += u32::from(valid);
                }
            }
            medians.write(out);
        }
    }
}
