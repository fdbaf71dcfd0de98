//! Signed bytes in a GDAL before 3.7, which has no type for them.

use super::Nodata;
use super::fill::pixel_bytes;
use tilefn_abi::DType;

/// Pixels of `dtype` for all 256 signed bytes, as GDAL would convert them: negative numbers become 0 in unsigned types.
pub(super) struct Widening {
    table: Vec<[u8; 8]>,
    size: usize,
}

impl Widening {
    pub(super) fn to(dtype: DType) -> Self {
        let pixel = |byte: u8| {
            let value = i128::from(byte.cast_signed());
            let value = if dtype.is_signed() { value } else { value.max(0) };
            // Every type holds what is left.
            pixel_bytes(Nodata::Int(value).as_bits_for(dtype).unwrap_or_default(), dtype)
        };
        Self { table: (0..=u8::MAX).map(pixel).collect(), size: dtype.size() }
    }

    /// Converts each byte of `from` to a pixel of `to`.
    pub(super) fn convert(&self, from: &[u8], to: &mut [u8]) {
        for (byte, pixel) in from.iter().zip(to.chunks_exact_mut(self.size)) {
            let Some(bytes) = self.table.get(usize::from(*byte)) else {
                continue;
            };
            for (to, from) in pixel.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
    }
}

/// Converts int16 pixels in memory order to signed bytes, clamped.
pub(super) fn narrow(from: &[u8], to: &mut [u8]) {
    for (pair, byte) in from.as_chunks::<2>().0.iter().zip(to) {
        let value = i16::from_le_bytes(*pair).clamp(i8::MIN.into(), i8::MAX.into());
        // The low byte of a number that fits one.
        [*byte, _] = value.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_the_value() {
        let from: Vec<u8> = vec![0, 127, 128, 255];
        let mut to = vec![0; 8];
        Widening::to(DType::Int16).convert(&from, &mut to);
        assert_eq!(to, [0i16, 127, -128, -1].map(i16::to_le_bytes).concat());
        let mut to = vec![0; 16];
        Widening::to(DType::Float32).convert(&from, &mut to);
        assert_eq!(to, [0f32, 127.0, -128.0, -1.0].map(f32::to_le_bytes).concat());
        let mut to = vec![9; 4];
        Widening::to(DType::UInt8).convert(&from, &mut to);
        assert_eq!(to, [0, 127, 0, 0]);
    }

    #[test]
    fn narrowing_clamps() {
        let mut to = [9; 5];
        narrow(&[0i16, -128, -129, 127, 300].map(i16::to_le_bytes).concat(), &mut to);
        assert_eq!(to.map(u8::cast_signed), [0, -128, -128, 127, 127]);
    }
}
