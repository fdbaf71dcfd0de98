//! One bit pattern for NaN, so that outputs are the same bytes on every processor.

use tilefn_abi::DType;

/// Turns every NaN of a raster into the positive quiet NaN without payload (`0x7fc00000`, `0x7ff8000000000000`).
///
/// WebAssembly leaves a NaN's sign and payload to the processor: 0/0 has the sign set on x86-64 but not on ARM64.
/// `pixels` are little-endian and need no alignment; integers stay as they are.
pub fn canonicalise_nan(dtype: DType, pixels: &mut [u8]) {
    // Without branches, so that the compiler makes vector instructions of both loops.
    match dtype {
        DType::Float32 => {
            for pixel in pixels.as_chunks_mut().0 {
                let bits = u32::from_le_bytes(*pixel);
                let nan = bits & !(1 << 31) > f32::INFINITY.to_bits();
                *pixel = if nan { 0x7fc0_0000 } else { bits }.to_le_bytes();
            }
        }
        DType::Float64 => {
            for pixel in pixels.as_chunks_mut().0 {
                let bits = u64::from_le_bytes(*pixel);
                let nan = bits & !(1 << 63) > f64::INFINITY.to_bits();
                *pixel = if nan { 0x7ff8_0000_0000_0000 } else { bits }.to_le_bytes();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nan_becomes_the_same_and_nothing_else_changes() {
        let kept = [0.0, -0.0, 1.5, -2.5, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE];
        let nans = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff];
        let mut pixels: Vec<u8> = kept.iter().flat_map(|v| v.to_le_bytes()).collect();
        pixels.extend(nans.iter().flat_map(|v: &u32| v.to_le_bytes()));
        let mut expected: Vec<u8> = kept.iter().flat_map(|v| v.to_le_bytes()).collect();
        expected.extend([0x00, 0x00, 0xc0, 0x7f].repeat(nans.len()));
        canonicalise_nan(DType::Float32, &mut pixels);
        assert_eq!(pixels, expected);
    }

    #[test]
    fn doubles_too() {
        let values = [1.5f64.to_bits(), f64::NEG_INFINITY.to_bits(), 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001];
        let mut pixels: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        canonicalise_nan(DType::Float64, &mut pixels);
        let (numbers, nans) = pixels.split_at(16);
        assert_eq!(numbers, [1.5f64.to_le_bytes(), f64::NEG_INFINITY.to_le_bytes()].concat());
        assert_eq!(nans, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f].repeat(2));
    }

    #[test]
    fn integers_are_left_alone() {
        let mut pixels = [0xff; 8];
        canonicalise_nan(DType::UInt32, &mut pixels);
        assert_eq!(pixels, [0xff; 8]);
    }
}
