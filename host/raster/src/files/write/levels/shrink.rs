//! Shrinks a tile's pixels to those of an overview level, as GDAL does.

use tilefn_abi::DType;

/// For each pixel along one side of a level: which pixel of the raster GDAL's method "nearest" takes.
#[derive(Clone, Debug)]
pub(crate) struct Nearest {
    /// Pixels along this side of the level, of the one that it is taken from, and so on, to the raster itself.
    sides: Vec<u32>,
}

impl Nearest {
    /// `sides` are the pixels along one side of the level, of the one that it is taken from, and so on, to the raster itself.
    pub(crate) const fn new(sides: Vec<u32>) -> Self {
        Self { sides }
    }

    /// The raster's pixel that the level's pixel takes its value from.
    pub(crate) fn source(&self, pixel: u32) -> u32 {
        self.sides.iter().zip(self.sides.iter().skip(1)).fold(pixel, |pixel, (level, from)| {
            let ratio = f64::from(*from) / f64::from((*level).max(1));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is clamped to the type's range"
            )]
            let source = (0.5 + f64::from(pixel) * ratio) as u32;
            source
        })
    }

    /// The level's pixels, from the first to before the last, that take theirs from the raster's pixels `from..to`.
    pub(crate) fn pixels(&self, from: u32, to: u32) -> (u32, u32) {
        (self.first_from(from), self.first_from(to))
    }

    /// The level's first pixel whose source isn't before `at`.
    fn first_from(&self, at: u32) -> u32 {
        let (mut low, mut high) = (0, self.sides.first().copied().unwrap_or_default());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.source(middle) < at { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Takes the pixels of these rows and columns of a plane that has `width` pixels in a row.
pub(crate) fn pick(
    plane: &[u8],
    width: usize,
    rows: &[usize],
    cols: &[usize],
    size: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    fn row<const SIZE: usize>(row: &[u8], cols: &[usize], out: &mut Vec<u8>) -> Option<()> {
        let pixels = row.as_chunks::<SIZE>().0;
        for col in cols {
            out.extend_from_slice(pixels.get(*col)?);
        }
        Some(())
    }
    for at in rows {
        let start = at.checked_mul(width)?.checked_mul(size)?;
        let pixels = plane.get(start..start.checked_add(width.checked_mul(size)?)?)?;
        match size {
            1 => row::<1>(pixels, cols, out)?,
            2 => row::<2>(pixels, cols, out)?,
            4 => row::<4>(pixels, cols, out)?,
            _ => row::<8>(pixels, cols, out)?,
        }
    }
    Some(())
}

/// Types whose most frequent values are known to be GDAL's, which has them as floats.
pub(crate) const fn has_modes(dtype: DType) -> bool {
    matches!(dtype, DType::UInt8 | DType::UInt16 | DType::Int16)
}

/// Takes the most frequent value of each square of `factor` × `factor` pixels of a plane that has `width` pixels in a row, of several the
/// one that is so first. `nodata` has a pixel in memory order.
pub(crate) fn modes<const SIZE: usize>(
    plane: &[u8],
    width: usize,
    factor: usize,
    nodata: Option<[u8; SIZE]>,
    out: &mut Vec<u8>,
) {
    let mut seen: Vec<([u8; SIZE], u32)> = Vec::new();
    for rows in plane.as_chunks::<SIZE>().0.chunks_exact((width * factor).max(1)) {
        for square in 0..width / factor.max(1) {
            seen.clear();
            let mut best = (nodata.unwrap_or([0; SIZE]), 0);
            let pixels =
                rows.chunks_exact(width.max(1)).filter_map(|row| row.get(square * factor..(square + 1) * factor));
            for pixel in pixels.flatten().copied() {
                if Some(pixel) == nodata {
                    continue;
                }
                let count = match seen.iter_mut().find(|(value, _)| *value == pixel) {
                    Some((_, count)) => {
                        *count += 1;
                        *count
                    }
                    None => {
                        seen.push((pixel, 1));
                        1
                    }
                };
                if count > best.1 {
                    best = (pixel, count);
                }
            }
            out.extend_from_slice(&best.0);
        }
    }
}

/// Types and nodata values whose averages are known to be GDAL's. It works with rounded numbers for some of the others, and takes numbers
/// near a float's nodata value for nodata.
pub(crate) fn averages(dtype: DType, nodata: Option<f64>) -> bool {
    match dtype {
        DType::UInt8 | DType::UInt16 | DType::Int16 => true,
        DType::Float32 => nodata.is_some_and(f64::is_nan),
        _ => false,
    }
}

/// Averages squares of `factor` × `factor` pixels of a plane that has `width` pixels in a row; both sides are multiples of `factor`.
pub(crate) fn average(plane: &[u8], width: usize, factor: usize, dtype: DType, nodata: Option<f64>, out: &mut Vec<u8>) {
    // The value for an average that is nodata by chance.
    let replace = |nodata: f64, highest: f64| if nodata == highest { nodata - 1.0 } else { nodata + 1.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "averages are within the type's range")]
    match dtype {
        DType::UInt8 => squares(plane, width, factor, u8::from_ne_bytes, nodata, out, |mean: Option<f64>| {
            let mean = mean.map(|mean| (mean + 0.5).floor());
            let mean = mean.map(|mean| if Some(mean) == nodata { replace(mean, 255.0) } else { mean });
            (mean.or(nodata).unwrap_or_default() as u8).to_ne_bytes()
        }),
        DType::UInt16 => squares(plane, width, factor, u16::from_ne_bytes, nodata, out, |mean: Option<f64>| {
            let mean = mean.map(|mean| (mean + 0.5).floor());
            let mean = mean.map(|mean| if Some(mean) == nodata { replace(mean, 65_535.0) } else { mean });
            (mean.or(nodata).unwrap_or_default() as u16).to_ne_bytes()
        }),
        DType::Int16 => squares(plane, width, factor, i16::from_ne_bytes, nodata, out, |mean: Option<f64>| {
            // GDAL compares before it rounds, and has the mean in 32 bits.
            let mean = mean.map(|mean| f64::from(mean as f32));
            let mean = mean.map(|mean| if Some(mean) == nodata { replace(mean, 32_767.0) } else { mean });
            (mean.or(nodata).unwrap_or_default().round() as i16).to_ne_bytes()
        }),
        _ => squares(plane, width, factor, f32::from_ne_bytes, nodata, out, |mean: Option<f64>| {
            mean.map_or(f32::NAN, |mean| mean as f32).to_ne_bytes()
        }),
    }
}

fn squares<const SIZE: usize, T: Copy + Into<f64>>(
    plane: &[u8],
    width: usize,
    factor: usize,
    pixel: impl Fn([u8; SIZE]) -> T,
    nodata: Option<f64>,
    out: &mut Vec<u8>,
    end: impl Fn(Option<f64>) -> [u8; SIZE],
) {
    let pixels = plane.as_chunks::<SIZE>().0;
    let mut sums = vec![(0.0, 0.0); width / factor.max(1)];
    for rows in pixels.chunks_exact((width * factor).max(1)) {
        sums.fill((0.0, 0.0));
        for row in rows.chunks_exact(width.max(1)) {
            for ((sum, count), square) in sums.iter_mut().zip(row.chunks_exact(factor.max(1))) {
                let mut line = 0.0;
                for value in square {
                    let value: f64 = pixel(*value).into();
                    let valid = !value.is_nan() && Some(value) != nodata;
                    line += if valid { value } else { 0.0 };
                    *count += f64::from(u8::from(valid));
                }
                *sum += line;
            }
        }
        for (sum, count) in &sums {
            out.extend_from_slice(&end((*count > 0.0).then(|| sum / count)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pixel_of_a_level_is_of_one_tile(
            raster in 1u32..5000, before in 1u32..9, level in 1u32..70, tile in 1u32..600,
        ) {
            let level = level.max(before);
            let side = Nearest::new(vec![raster.div_ceil(level), raster.div_ceil(before), raster]);
            let mut next = 0;
            for from in (0..raster).step_by(tile as usize) {
                let to = raster.min(from + tile);
                let (first, end) = side.pixels(from, to);
                prop_assert_eq!(first, next);
                prop_assert!((first..end).all(|pixel| (from..to).contains(&side.source(pixel))));
                next = end;
            }
            prop_assert_eq!(next, raster.div_ceil(level));
        }
    }

    #[test]
    fn modes_by_hand() {
        let of = |values: &[u8], nodata| {
            let mut out = Vec::new();
            modes::<1>(values, 4, 2, nodata, &mut out);
            out
        };
        assert_eq!(of(&[1, 2, 5, 0, 2, 1, 0, 9], None), [2, 0]);
        assert_eq!(of(&[2, 2, 5, 0, 2, 2, 0, 9], Some([2])), [2, 0]);
    }

    #[test]
    fn averages_by_hand() {
        let of = |values: &[u8], nodata| {
            let mut out = Vec::new();
            average(values, 4, 2, DType::UInt8, nodata, &mut out);
            out
        };
        assert_eq!(of(&[1, 2, 0, 0, 3, 4, 0, 9], None), [3, 2]);
        assert_eq!(of(&[1, 2, 0, 0, 3, 4, 0, 9], Some(0.0)), [3, 9]);
        // 3 by chance, and nothing valid.
        assert_eq!(of(&[2, 4, 3, 3, 2, 4, 3, 3], Some(3.0)), [4, 3]);
    }
}
