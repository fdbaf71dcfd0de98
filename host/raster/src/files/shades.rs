//! Colours of a small picture's pixels: a band from dark to bright, or three bands as red, green and blue.

use crate::files::colors::ColorRamp;

/// Share of the valid pixels that the stretch leaves out at each end.
const CLIP: f64 = 0.02;

/// A band at the picture's size; invalid pixels are NaN.
#[derive(Clone, Debug)]
pub(crate) struct Plane(pub(crate) Vec<f64>);

/// Rows and columns of a raster's picture whose longer side has at most `size` pixels. A smaller raster is not enlarged.
pub(crate) fn fit(rows: u32, cols: u32, size: u32) -> (u32, u32) {
    let longest = rows.max(cols).max(1);
    if longest <= size {
        return (rows, cols);
    }
    let scaled = |side: u32| {
        let (side, size, longest) = (u64::from(side), u64::from(size), u64::from(longest));
        // Rounded; never above `size`, which is a u32.
        u32::try_from((side * size + longest / 2) / longest).unwrap_or(u32::MAX).max(1)
    };
    (scaled(rows), scaled(cols))
}

impl Plane {
    /// The values between which colours vary: percentiles of the finite pixels, linear between neighbours.
    pub(crate) fn stretch(&self) -> (f64, f64) {
        let mut values: Vec<f64> = self.0.iter().copied().filter(|v| v.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        (percentile(&values, CLIP), percentile(&values, 1.0 - CLIP))
    }

    /// The picture of a single band.
    pub(crate) fn ramp(&self, ramp: ColorRamp, range: (f64, f64)) -> Vec<u8> {
        let colors: Vec<_> = (0..=usize::from(u8::MAX)).map(|i| ramp.color(i, 256)).collect();
        let color = |v: &f64| match level(*v, range).and_then(|i| colors.get(usize::from(i))) {
            Some([r, g, b]) => [*r, *g, *b, u8::MAX],
            None => [0; 4],
        };
        self.0.iter().flat_map(color).collect()
    }
}

/// The picture of three bands: transparent where one of them isn't valid.
pub(crate) fn rgb([red, green, blue]: [&Plane; 3], [r, g, b]: [(f64, f64); 3]) -> Vec<u8> {
    let pixels = red.0.iter().zip(&green.0).zip(&blue.0);
    let color = |((red, green), blue): ((&f64, &f64), &f64)| {
        let levels = (level(*red, r), level(*green, g), level(*blue, b));
        if let (Some(r), Some(g), Some(b)) = levels { [r, g, b, u8::MAX] } else { [0; 4] }
    };
    pixels.flat_map(color).collect()
}

/// Where in `0..=255` a value lies within a range; `None` for NaN.
fn level(value: f64, (low, high): (f64, f64)) -> Option<u8> {
    if value.is_nan() {
        return None;
    }
    let share = if value <= low {
        0.0
    } else if value >= high {
        1.0
    } else {
        (value - low) / (high - low)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 255 is in 0..=255")]
    let level = (share * 255.0).round() as u8;
    Some(level)
}

/// The value below which this share of the sorted values lies; 0 when there are none.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a picture has fewer pixels than 2^53")]
    let position = sorted.len().saturating_sub(1) as f64 * share;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let index = position.floor() as usize;
    let at = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or(0.0);
    at(index) + (at(index + 1) - at(index)) * position.fract()
}
