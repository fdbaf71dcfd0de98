//! Pixels filled with one value.

use tilefn_abi::DType;

/// The pixel of this type with these ABI bits, in memory order, in the first [`DType::size`] bytes.
pub(crate) fn pixel_bytes(bits: u64, dtype: DType) -> [u8; 8] {
    if dtype == DType::Float32 {
        let mut bytes = [0; 8];
        #[expect(clippy::cast_possible_truncation, reason = "the bits of a float32 raster hold a float32's value")]
        let value = f64::from_bits(bits) as f32;
        for (to, from) in bytes.iter_mut().zip(value.to_le_bytes()) {
            *to = from;
        }
        return bytes;
    }
    bits.to_le_bytes()
}

/// Sets every pixel of `out` to the one with these ABI bits.
pub(crate) fn fill(out: &mut [u8], bits: u64, dtype: DType) {
    let bytes = pixel_bytes(bits, dtype);
    let Some(pixel) = bytes.get(..dtype.size()) else {
        return;
    };
    match pixel {
        [one, rest @ ..] if rest.iter().all(|b| b == one) => out.fill(*one),
        _ => out.chunks_exact_mut(pixel.len()).for_each(|to| to.copy_from_slice(pixel)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Nodata;

    #[test]
    fn filling_writes_pixels() {
        let mut out = [0; 8];
        fill(&mut out, Nodata::Int(-2).as_bits_for(DType::Int16).unwrap(), DType::Int16);
        assert_eq!(out, [0xfe, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe, 0xff]);
        fill(&mut out, 0.5f64.to_bits(), DType::Float32);
        assert_eq!(out[4..], 0.5f32.to_le_bytes());
        fill(&mut out, 7, DType::UInt8);
        assert_eq!(out, [7; 8]);
    }
}
