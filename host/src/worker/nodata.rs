//! Pixels without a value: finding them in inputs, and writing them the way the output file marks them.

use bytemuck::Pod;
use tilefn_abi::DType;

/// An element type whose nodata value travels as the ABI's 64 bits.
trait Element: Pod + PartialEq {
    /// The value that these bits stand for.
    fn from_bits(bits: u64) -> Self;
    /// Whether this is NaN; never for integers.
    fn is_nan(self) -> bool;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Element for $t {
            fn from_bits(bits: u64) -> Self {
                // The ABI extends integers to 64 bits; cutting them off again is exact.
                bits.to_le_bytes().first_chunk().map_or(0, |bytes| Self::from_le_bytes(*bytes))
            }
            fn is_nan(self) -> bool {
                false
            }
        }
    )*};
}
integers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl Element for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "the ABI widens float32 to float64; narrowing again is exact")]
    fn from_bits(bits: u64) -> Self {
        f64::from_bits(bits) as Self
    }
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}

impl Element for f64 {
    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}

/// Calls a generic function for a [`DType`].
macro_rules! for_dtype {
    ($dtype:expr, $f:ident($($arg:expr),*)) => {
        match $dtype {
            DType::UInt8 => $f::<u8>($($arg),*),
            DType::Int8 => $f::<i8>($($arg),*),
            DType::UInt16 => $f::<u16>($($arg),*),
            DType::Int16 => $f::<i16>($($arg),*),
            DType::UInt32 => $f::<u32>($($arg),*),
            DType::Int32 => $f::<i32>($($arg),*),
            DType::UInt64 => $f::<u64>($($arg),*),
            DType::Int64 => $f::<i64>($($arg),*),
            DType::Float32 => $f::<f32>($($arg),*),
            DType::Float64 => $f::<f64>($($arg),*),
        }
    };
}

/// Whether any of a band's pixels has a value: is neither NaN nor the band's nodata.
pub fn any_valid(dtype: DType, band: &[u8], nodata: Option<u64>) -> bool {
    for_dtype!(dtype, any_valid_of(band, nodata))
}

fn any_valid_of<T: Element>(band: &[u8], nodata: Option<u64>) -> bool {
    let nodata = nodata.map(T::from_bits);
    // Guest memory is page aligned and the buffers in it are aligned to 16, so nothing is left at the ends.
    let (_, pixels, _) = as_pixels::<T>(band);
    match nodata {
        None => pixels.iter().any(|p| !p.is_nan()),
        Some(nodata) => pixels.iter().any(|p| !p.is_nan() && *p != nodata),
    }
}

fn as_pixels<T: Element>(bytes: &[u8]) -> (&[u8], &[T], &[u8]) {
    bytemuck::pod_align_to(bytes)
}

/// Pixels that the function marked as having no value, in a file that can't say so.
#[derive(Debug, PartialEq, Eq)]
pub struct Unmarkable;

/// Writes the pixels that the guest marked as the file marks them, and every remaining NaN with the same bits.
///
/// `marker` is the guest's own value for *no value* (NaN always is one, too), `file` is the file's nodata; both are
/// encoded as in the ABI. A float file without nodata keeps NaN.
pub fn settle(dtype: DType, pixels: &mut [u8], marker: Option<u64>, file: Option<u64>) -> Result<(), Unmarkable> {
    match dtype {
        DType::Float32 => settle_float::<f32>(pixels, marker, file, f32::from_bits(0x7fc0_0000)),
        DType::Float64 => settle_float::<f64>(pixels, marker, file, f64::from_bits(0x7ff8_0000_0000_0000)),
        _ => return for_dtype!(dtype, settle_integer(pixels, marker, file)),
    }
    Ok(())
}

fn settle_float<T: Element>(pixels: &mut [u8], marker: Option<u64>, file: Option<u64>, nan: T) {
    // A NaN's sign and payload differ between processors; the same input must give the same bytes.
    let file = file.map(T::from_bits).filter(|f| !f.is_nan()).unwrap_or(nan);
    let marker = marker.map(T::from_bits).filter(|m| !m.is_nan());
    let (_, pixels, _) = bytemuck::pod_align_to_mut::<u8, T>(pixels);
    match marker {
        None => pixels.iter_mut().for_each(|p| *p = if p.is_nan() { file } else { *p }),
        Some(marker) => {
            pixels.iter_mut().for_each(|p| *p = if p.is_nan() || *p == marker { file } else { *p });
        }
    }
}

fn settle_integer<T: Element>(pixels: &mut [u8], marker: Option<u64>, file: Option<u64>) -> Result<(), Unmarkable> {
    let Some(marker) = marker.map(T::from_bits) else { return Ok(()) };
    let (_, pixels, _) = bytemuck::pod_align_to_mut::<u8, T>(pixels);
    match file.map(T::from_bits) {
        Some(file) if file == marker => {}
        Some(file) => pixels.iter_mut().for_each(|p| *p = if *p == marker { file } else { *p }),
        None if pixels.contains(&marker) => return Err(Unmarkable),
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        settle(DType::Float32, &mut pixels, None, Some(f64::NAN.to_bits())).unwrap();
        assert_eq!(pixels, bytes(&[0x7fc0_0000_u32, 1.0_f32.to_bits(), 0x7fc0_0000]));
    }

    #[test]
    fn marked_pixels_get_the_files_nodata() {
        let mut pixels = bytes(&[f64::NAN, -1.0, 5.0]);
        settle(DType::Float64, &mut pixels, Some((-1.0_f64).to_bits()), Some((-9999.0_f64).to_bits())).unwrap();
        assert_eq!(pixels, bytes(&[-9999.0, -9999.0, 5.0]));
        let mut pixels = bytes(&[i16::MIN, 7]);
        settle(DType::Int16, &mut pixels, Some(i64::from(i16::MIN).cast_unsigned()), Some((-1_i64).cast_unsigned()))
            .unwrap();
        assert_eq!(pixels, bytes(&[-1_i16, 7]));
    }

    #[test]
    fn an_integer_file_without_nodata_refuses_marked_pixels_only() {
        let marker = Some(255);
        assert_eq!(settle(DType::UInt8, &mut [1, 255], marker, None), Err(Unmarkable));
        assert_eq!(settle(DType::UInt8, &mut [1, 254], marker, None), Ok(()));
        assert_eq!(settle(DType::UInt8, &mut [1, 255], None, None), Ok(()));
    }

    #[test]
    fn every_nan_becomes_the_same_and_nothing_else_changes() {
        let kept = [0.0, -0.0, 1.5, -2.5, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE];
        let nans = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff];
        let mut pixels: Vec<u8> = kept.iter().flat_map(|v| v.to_le_bytes()).collect();
        pixels.extend(nans.iter().flat_map(|v: &u32| v.to_le_bytes()));
        let mut expected: Vec<u8> = kept.iter().flat_map(|v| v.to_le_bytes()).collect();
        expected.extend([0x00, 0x00, 0xc0, 0x7f].repeat(nans.len()));
        settle(DType::Float32, &mut pixels, None, None).unwrap();
        assert_eq!(pixels, expected);
    }

    #[test]
    fn doubles_too() {
        let values = [1.5f64.to_bits(), f64::NEG_INFINITY.to_bits(), 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001];
        let mut pixels: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        settle(DType::Float64, &mut pixels, None, None).unwrap();
        let (numbers, nans) = pixels.split_at(16);
        assert_eq!(numbers, [1.5f64.to_le_bytes(), f64::NEG_INFINITY.to_le_bytes()].concat());
        assert_eq!(nans, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f].repeat(2));
    }

    #[test]
    fn integers_are_left_alone() {
        let mut pixels = [0xff; 8];
        settle(DType::UInt32, &mut pixels, None, None).unwrap();
        assert_eq!(pixels, [0xff; 8]);
    }
}
