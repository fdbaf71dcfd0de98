//! Pixels without a value: finding them in inputs, and writing them the way the output file marks them.

use tilefn_abi::DType;
use types::{Pixel, for_dtype};

/// Whether any of a band's pixels has a value: is neither NaN nor the band's nodata.
pub fn any_valid(dtype: DType, band: &[u8], nodata: Option<u64>) -> bool {
    for_dtype!(dtype, any_valid_of(band, nodata))
}

fn any_valid_of<T: Pixel>(band: &[u8], nodata: Option<u64>) -> bool {
    let nodata = nodata.map(T::from_bits);
    // Guest memory is page aligned and the buffers in it are aligned to 16, so nothing is left at the ends.
    let (_, pixels, _) = as_pixels::<T>(band);
    match nodata {
        None => pixels.iter().any(|p| !p.is_nan()),
        Some(nodata) => pixels.iter().any(|p| !p.is_nan() && *p != nodata),
    }
}

fn as_pixels<T: Pixel>(bytes: &[u8]) -> (&[u8], &[T], &[u8]) {
    bytemuck::pod_align_to(bytes)
}

/// The function marked pixels as having no value, and the output file has no way to mark them.
#[derive(Debug, PartialEq, Eq)]
pub struct Unmarkable;

/// Numbers of valid pixels that the output file can't represent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Pixels equal to the file's nodata value, or so near that GDAL takes them for it.
    pub nodata: u64,
    /// Pixels above the largest number that the file's bits hold.
    pub clamped: u64,
}

/// Replaces the guest's marks of invalid pixels by the file's, and gives every remaining NaN the same bits.
///
/// `marker` is the guest's own value for *no value* (NaN always is one, too), `file` is the file's nodata; both are
/// encoded as in the ABI. A float file without nodata keeps NaN. If `marker` and `file` are the same, a valid pixel with that
/// value can't be told from an invalid one. `most` is the largest value that the file's bits hold, where these are fewer than the type's.
pub fn settle(
    dtype: DType,
    pixels: &mut [u8],
    marker: Option<u64>,
    file: Option<u64>,
    most: Option<f64>,
) -> Result<Lost, Unmarkable> {
    let clamped = most.map_or(0, |most| for_dtype!(dtype, above(pixels, marker, most)));
    let nodata = match dtype {
        DType::Float32 => settle_float::<f32>(pixels, marker, file, f32::from_bits(0x7fc0_0000)),
        DType::Float64 => settle_float::<f64>(pixels, marker, file, f64::from_bits(0x7ff8_0000_0000_0000)),
        _ => for_dtype!(dtype, settle_integer(pixels, marker, file))?,
    };
    Ok(Lost { nodata, clamped })
}

/// How many valid pixels are larger than `most`.
fn above<T: Pixel>(pixels: &[u8], marker: Option<u64>, most: f64) -> u64 {
    let marker = marker.map(T::from_bits);
    let (_, pixels, _) = as_pixels::<T>(pixels);
    count(pixels, |p| Some(*p) != marker && p.number().as_float().abs() > most)
}

/// Counts pixels, in a form that the compiler turns into vector instructions.
fn count<T>(pixels: &[T], counts: impl Fn(&T) -> bool) -> u64 {
    pixels.chunks(1 << 16).map(|some| u64::from(some.iter().map(|p| u32::from(counts(p))).sum::<u32>())).sum()
}

fn settle_float<T: Pixel>(pixels: &mut [u8], marker: Option<u64>, file: Option<u64>, nan: T) -> u64 {
    // A NaN's sign and payload differ between processors; the same input must give the same bytes.
    let nodata = file.map(T::from_bits).filter(|f| !f.is_nan());
    let file = nodata.unwrap_or(nan);
    let marker = marker.map(T::from_bits).filter(|m| !m.is_nan());
    let (_, pixels, _) = bytemuck::pod_align_to_mut::<u8, T>(pixels);
    let lost = nodata.map_or(0, |nodata| count(pixels, |p| p.is_nodata(nodata) && Some(*p) != marker));
    match marker {
        None => pixels.iter_mut().for_each(|p| *p = if p.is_nan() { file } else { *p }),
        Some(marker) => {
            pixels.iter_mut().for_each(|p| *p = if p.is_nan() || *p == marker { file } else { *p });
        }
    }
    lost
}

fn settle_integer<T: Pixel>(pixels: &mut [u8], marker: Option<u64>, file: Option<u64>) -> Result<u64, Unmarkable> {
    let marker = marker.map(T::from_bits);
    let (_, pixels, _) = bytemuck::pod_align_to_mut::<u8, T>(pixels);
    match (marker, file.map(T::from_bits)) {
        (Some(marker), Some(file)) if file == marker => Ok(0),
        (marker, Some(file)) => {
            let lost = count(pixels, |p| *p == file);
            if let Some(marker) = marker {
                pixels.iter_mut().for_each(|p| *p = if *p == marker { file } else { *p });
            }
            Ok(lost)
        }
        (Some(marker), None) if pixels.contains(&marker) => Err(Unmarkable),
        (_, None) => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Pod;

    fn bytes<T: Pod>(pixels: &[T]) -> Vec<u8> {
        bytemuck::cast_slice(pixels).to_vec()
    }

    #[test]
    fn nan_and_nodata_are_both_invalid() {
        let nodata = Some((-9999.0_f64).to_bits());
        assert!(!any_valid(DType::Float32, &bytes(&[f32::NAN, -9999.0]), nodata));
        assert!(any_valid(DType::Float32, &bytes(&[f32::NAN, -9999.0, 0.0]), nodata));
        assert!(any_valid(DType::Float32, &bytes(&[-9999.0_f32]), None));
        assert!(!any_valid(DType::Int16, &bytes(&[-3_i16, -3]), Some((-3_i64).cast_unsigned())));
        assert!(any_valid(DType::UInt8, &bytes(&[0_u8]), None));
    }

    #[test]
    fn every_nan_gets_the_same_bits() {
        let mut pixels = bytes(&[f32::from_bits(0xffc0_0001), 1.0, f32::from_bits(0x7f80_0001)]);
        settle(DType::Float32, &mut pixels, None, Some(f64::NAN.to_bits()), None).unwrap();
        assert_eq!(pixels, bytes(&[0x7fc0_0000_u32, 1.0_f32.to_bits(), 0x7fc0_0000]));
    }

    #[test]
    fn marked_pixels_get_the_files_nodata() {
        let mut pixels = bytes(&[f64::NAN, -1.0, 5.0]);
        settle(DType::Float64, &mut pixels, Some((-1.0_f64).to_bits()), Some((-9999.0_f64).to_bits()), None).unwrap();
        assert_eq!(pixels, bytes(&[-9999.0, -9999.0, 5.0]));
        let mut pixels = bytes(&[i16::MIN, 7]);
        settle(
            DType::Int16,
            &mut pixels,
            Some(i64::from(i16::MIN).cast_unsigned()),
            Some((-1_i64).cast_unsigned()),
            None,
        )
        .unwrap();
        assert_eq!(pixels, bytes(&[-1_i16, 7]));
    }

    #[test]
    fn an_integer_file_without_nodata_refuses_marked_pixels_only() {
        let marker = Some(255);
        assert_eq!(settle(DType::UInt8, &mut [1, 255], marker, None, None), Err(Unmarkable));
        assert_eq!(settle(DType::UInt8, &mut [1, 254], marker, None, None), Ok(Lost::default()));
        assert_eq!(settle(DType::UInt8, &mut [1, 255], None, None, None), Ok(Lost::default()));
    }

    #[test]
    fn every_nan_becomes_the_same_and_nothing_else_changes() {
        let kept = [0.0, -0.0, 1.5, -2.5, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE];
        let nans = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff];
        let mut pixels: Vec<u8> = kept.iter().flat_map(|v| v.to_le_bytes()).collect();
        pixels.extend(nans.iter().flat_map(|v: &u32| v.to_le_bytes()));
        let mut expected: Vec<u8> = kept.iter().flat_map(|v| v.to_le_bytes()).collect();
        expected.extend([0x00, 0x00, 0xc0, 0x7f].repeat(nans.len()));
        settle(DType::Float32, &mut pixels, None, None, None).unwrap();
        assert_eq!(pixels, expected);
    }

    #[test]
    fn doubles_too() {
        let values = [1.5f64.to_bits(), f64::NEG_INFINITY.to_bits(), 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001];
        let mut pixels: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        settle(DType::Float64, &mut pixels, None, None, None).unwrap();
        let (numbers, nans) = pixels.split_at(16);
        assert_eq!(numbers, [1.5f64.to_le_bytes(), f64::NEG_INFINITY.to_le_bytes()].concat());
        assert_eq!(nans, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f].repeat(2));
    }

    #[test]
    fn integers_are_left_alone() {
        let mut pixels = [0xff; 8];
        settle(DType::UInt32, &mut pixels, None, None, None).unwrap();
        assert_eq!(pixels, [0xff; 8]);
    }

    #[test]
    fn valid_pixels_that_the_file_takes_for_nodata_are_counted() {
        let int = |v: i64| Some(v.cast_unsigned());
        let mut pixels = bytes(&[-9999i16, -1, 7, -9999]);
        let lost = settle(DType::Int16, &mut pixels, int(-1), int(-9999), None).unwrap();
        assert_eq!((lost.nodata, pixels), (2, bytes(&[-9999i16, -9999, 7, -9999])));
        assert_eq!(settle(DType::Int16, &mut bytes(&[5i16, -1]), None, int(5), None).unwrap().nodata, 1);
        // What the function marked with the same value can't be told from a valid pixel.
        assert_eq!(settle(DType::Int16, &mut bytes(&[5i16, -1]), int(5), int(5), None).unwrap().nodata, 0);
        // GDAL takes the third for nodata too, and a function's own mark is none that is lost.
        let mut pixels = bytes(&[-9999.0f32, f32::NAN, -9999.001, 5.0, -1.0]);
        let nodata = Some((-9999.0f64).to_bits());
        assert_eq!(settle(DType::Float32, &mut pixels.clone(), None, nodata, None).unwrap().nodata, 2);
        let lost = settle(DType::Float32, &mut pixels, Some((-1.0f64).to_bits()), nodata, None).unwrap();
        assert_eq!((lost.nodata, pixels), (2, bytes(&[-9999.0f32, -9999.0, -9999.001, 5.0, -9999.0])));
    }

    #[test]
    fn valid_pixels_that_the_files_bits_do_not_hold_are_counted() {
        let lost = settle(DType::UInt8, &mut [3, 4, 15, 255], Some(255), Some(0), Some(3.0)).unwrap();
        assert_eq!(lost, Lost { nodata: 0, clamped: 2 });
    }
}
