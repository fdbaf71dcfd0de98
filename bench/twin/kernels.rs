//! The functions, on plain slices. 0 is nodata in the inputs, NaN in the result.

const NODATA: f32 = 0.0;

/// Normalised difference of each pixel.
pub fn ndvi(red: &[f32], nir: &[f32], result: &mut [f32]) {
    for ((&r, &n), out) in red.iter().zip(nir).zip(result) {
        let value = (n - r) / (n + r);
        *out = if r == NODATA || n == NODATA {
            f32::NAN
        } else {
            value
        };
    }
}

/// Mean of the valid pixels within `R` rows and columns. `pixels` has a halo of `R`, `result` rows of `cols`.
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
        for (col, out) in out.iter_mut().enumerate() {
            let sum: f32 = sums[col..=col + 2 * R].iter().sum();
            let count: f32 = counts[col..=col + 2 * R].iter().sum();
            *out = sum / count; // 0 / 0 is NaN
        }
    }
}

/// Median over the dates of the pixels that are valid and whose mask is 0.
pub fn masked_median(series: &[(&[f32], &[u8])], result: &mut [f32]) {
    let mut values = Vec::with_capacity(series.len());
    for (pixel, out) in result.iter_mut().enumerate() {
        values.clear();
        for (date, mask) in series {
            if date[pixel] != NODATA && mask[pixel] == 0 {
                values.push(date[pixel]);
            }
        }
        *out = median(&mut values);
    }
}

/// Median of the valid pixels within `R` rows and columns. `pixels` has a halo of `R`, `result` rows of `cols`.
pub fn focal_median<const R: usize>(pixels: &[f32], cols: usize, result: &mut [f32]) {
    let wide = cols + 2 * R;
    let mut values = Vec::with_capacity((2 * R + 1) * (2 * R + 1));
    for (row, out) in result.chunks_exact_mut(cols).enumerate() {
        for (col, out) in out.iter_mut().enumerate() {
            values.clear();
            for line in row..=row + 2 * R {
                let start = line * wide + col;
                values.extend(
                    pixels[start..=start + 2 * R]
                        .iter()
                        .filter(|v| **v != NODATA),
                );
            }
            *out = median(&mut values);
        }
    }
}

/// The middle value, or the mean of the middle two; NaN of none.
fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return f32::NAN;
    }
    let half = values.len() / 2;
    let even = values.len() % 2 == 0;
    let (below, &mut middle, _) = values.select_nth_unstable_by(half, f32::total_cmp);
    match below.iter().copied().max_by(f32::total_cmp) {
        Some(other) if even => (other + middle) / 2.0,
        _ => middle,
    }
}
