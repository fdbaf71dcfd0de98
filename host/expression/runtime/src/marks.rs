//! The value that marks invalid pixels of an integer output: one that no valid pixel has.

use crate::memory::{alloc, items_mut};
use tilefn_abi::DType;

/// The first that is tried, extended to 64 bits: the end of the type's range.
pub const fn first(dtype: DType) -> u64 {
    match dtype {
        DType::UInt8 => u8::MAX as u64,
        DType::Int8 => i8::MIN as i64 as u64,
        DType::UInt16 => u16::MAX as u64,
        DType::Int16 => i16::MIN as i64 as u64,
        DType::UInt32 => u32::MAX as u64,
        DType::Int32 => i32::MIN as i64 as u64,
        DType::Int64 => i64::MIN as u64,
        DType::UInt64 => u64::MAX,
        DType::Float32 | DType::Float64 => 0,
    }
}

/// A value that none of the `pixels` at `data` has; `None` if there is none, or no memory to find out.
pub fn free(dtype: DType, data: u32, pixels: u32) -> Option<u64> {
    let values = if dtype.size() >= 4 { u64::MAX } else { 1 << (8 * dtype.size()) };
    // Of one value more than there are pixels one is free, unless the type has fewer.
    let len = u32::try_from(values.min(u64::from(pixels) + 1)).ok()?;
    let taken = items_mut::<u8>(alloc(len.into(), 1)?, len);
    taken.fill(0);
    let size = dtype.size() as u32;
    for pixel in 0..pixels {
        let bytes = items_mut::<u8>(data + pixel * size, size);
        let mut value = 0;
        for byte in bytes.iter().rev() {
            value = value << 8 | u64::from(*byte);
        }
        let distance = distance(dtype, value);
        if let Some(taken) = usize::try_from(distance).ok().and_then(|distance| taken.get_mut(distance)) {
            *taken = 1;
        }
    }
    let distance = taken.iter().position(|taken| *taken == 0)? as u64;
    Some(if dtype.is_signed() { first(dtype).wrapping_add(distance) } else { first(dtype) - distance })
}

/// How far from the first a value is, of which `bits` has as many as the type.
fn distance(dtype: DType, bits: u64) -> u64 {
    let mask = if dtype.size() == 8 { u64::MAX } else { (1 << (8 * dtype.size())) - 1 };
    if dtype.is_signed() { bits.wrapping_sub(first(dtype)) & mask } else { first(dtype).wrapping_sub(bits) & mask }
}
