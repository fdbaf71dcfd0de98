//! From one kind of value to another.

use super::{Value, Writer};
use crate::graph::Kind;

/// The lower 32 bits of each of four 64-bit numbers in two vectors.
const LOW_WORDS: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
/// The lower halves of two vectors.
const LOW_HALVES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
/// The upper half of a vector in the lower.
const UPPER_HALF: [u8; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

/// A vector of zeros or ones.
pub(super) const ONES: i128 = -1;

impl Writer<'_> {
    /// A mask of 32 bits for each pixel as two of 64 bits.
    pub(super) fn widen(&mut self, mask: u32) -> [u32; 2] {
        self.put().local_get(mask).i64x2_extend_low_i32x4_s();
        let low = self.keep();
        self.put().local_get(mask).i64x2_extend_high_i32x4_s();
        [low, self.keep()]
    }

    /// Of the two vectors of 64-bit numbers on the stack, the lower 32 bits of each.
    pub(super) fn low_words(&mut self) -> u32 {
        self.put().i8x16_shuffle(LOW_WORDS);
        self.keep()
    }

    /// Of the two vectors on the stack, the lower halves.
    pub(super) fn low_halves(&mut self) -> u32 {
        self.put().i8x16_shuffle(LOW_HALVES);
        self.keep()
    }

    /// Puts the upper half of a local's vector into the lower half of one on the stack.
    pub(super) fn upper_half(&mut self, local: u32) {
        self.put().local_get(local).local_get(local).i8x16_shuffle(UPPER_HALF);
    }

    /// Four floats of 32 bits as two vectors of 64 bits.
    pub(super) fn promote(&mut self, local: u32) -> [u32; 2] {
        self.put().local_get(local).f64x2_promote_low_f32x4();
        let low = self.keep();
        self.upper_half(local);
        self.put().f64x2_promote_low_f32x4();
        [low, self.keep()]
    }

    /// Two vectors of floats of 64 bits as one of 32 bits.
    pub(super) fn demote(&mut self, parts: [u32; 2]) -> u32 {
        for part in parts {
            self.put().local_get(part).f32x4_demote_f64x2_zero();
        }
        self.low_halves()
    }

    /// The local where a float isn't valid: NaN.
    pub(super) fn with_invalid(&mut self, parts: [u32; 2], valid: Option<u32>, double: bool) -> [u32; 2] {
        let Some(valid) = valid else { return parts };
        if !double {
            self.put().local_get(parts[0]).local_get(valid).v128_not().v128_or();
            let local = self.keep();
            return [local, local];
        }
        let masks = self.widen(valid);
        let mut local = |part: u32, mask: u32| {
            self.put().local_get(part).local_get(mask).v128_not().v128_or();
            self.keep()
        };
        [local(parts[0], masks[0]), local(parts[1], masks[1])]
    }

    /// Which pixels of a value are valid; none when all are.
    pub(super) fn valid(&mut self, kind: Kind, value: Value) -> Option<u32> {
        if kind != Kind::Float || value.valid.is_some() {
            return value.valid;
        }
        if self.graph.double {
            for part in value.parts {
                self.put().local_get(part).local_get(part).f64x2_eq();
            }
            return Some(self.low_words());
        }
        let part = value.parts[0];
        self.put().local_get(part).local_get(part).f32x4_eq();
        Some(self.keep())
    }

    /// Both, where there are two.
    pub(super) fn both(&mut self, a: Option<u32>, b: Option<u32>) -> Option<u32> {
        match (a, b) {
            (Some(a), Some(b)) if a != b => {
                self.put().local_get(a).local_get(b).v128_and();
                Some(self.keep())
            }
            (a, b) => a.or(b),
        }
    }

    pub(super) fn float_of(&mut self, kind: Kind, value: Value) -> Value {
        let double = self.graph.double;
        let parts = match kind {
            Kind::Float => return value,
            Kind::Bool if double => {
                let masks = self.widen(value.parts[0]);
                let mut part = |mask: u32| {
                    self.put().local_get(mask).v128_const(splat64(1f64.to_bits())).v128_and();
                    self.keep()
                };
                [part(masks[0]), part(masks[1])]
            }
            Kind::Bool => {
                self.put().local_get(value.parts[0]).v128_const(splat32(1f32.to_bits())).v128_and();
                let part = self.keep();
                [part, part]
            }
            // Wide integers come with floats of 64 bits, see `types` in check.rs.
            Kind::Int if self.graph.wide => {
                let mut part = |part: u32| {
                    self.put().local_get(part).i64x2_extract_lane(0).f64_convert_i64_s().f64x2_splat();
                    self.put().local_get(part).i64x2_extract_lane(1).f64_convert_i64_s().f64x2_replace_lane(1);
                    self.keep()
                };
                [part(value.parts[0]), part(value.parts[1])]
            }
            Kind::Int if double => {
                let part = value.parts[0];
                self.put().local_get(part).f64x2_convert_low_i32x4_s();
                let low = self.keep();
                self.upper_half(part);
                self.put().f64x2_convert_low_i32x4_s();
                [low, self.keep()]
            }
            Kind::Int => {
                self.put().local_get(value.parts[0]).f32x4_convert_i32x4_s();
                let part = self.keep();
                [part, part]
            }
        };
        Value { parts: self.with_invalid(parts, value.valid, double), valid: None }
    }

    pub(super) fn int_of(&mut self, kind: Kind, value: Value) -> Value {
        let valid = self.valid(kind, value);
        let (double, wide) = (self.graph.double, self.graph.wide);
        let parts = match kind {
            Kind::Int => return value,
            Kind::Bool => {
                self.put().local_get(value.parts[0]).v128_const(splat32(1)).v128_and();
                let part = self.keep();
                if wide { self.widen(part) } else { [part, part] }
            }
            Kind::Float if wide => self.longs_of(value.parts, double, true),
            Kind::Float if double => {
                for part in value.parts {
                    self.put().local_get(part).i32x4_trunc_sat_f64x2_s_zero();
                }
                let part = self.low_halves();
                [part, part]
            }
            Kind::Float => {
                self.put().local_get(value.parts[0]).i32x4_trunc_sat_f32x4_s();
                let part = self.keep();
                [part, part]
            }
        };
        Value { parts, valid }
    }

    /// Floats as 64-bit integers, which vectors have no instruction for.
    pub(super) fn longs_of(&mut self, parts: [u32; 2], double: bool, signed: bool) -> [u32; 2] {
        let parts = if double { parts } else { self.promote(parts[0]) };
        let mut part = |part: u32| {
            for lane in 0..2 {
                self.put().local_get(part).f64x2_extract_lane(lane);
                if signed {
                    self.put().i64_trunc_sat_f64_s();
                } else {
                    self.put().i64_trunc_sat_f64_u();
                }
                if lane == 0 {
                    self.put().i64x2_splat();
                } else {
                    self.put().i64x2_replace_lane(1);
                }
            }
            self.keep()
        };
        [part(parts[0]), part(parts[1])]
    }

    pub(super) fn bool_of(&mut self, kind: Kind, value: Value) -> Value {
        let valid = self.valid(kind, value);
        let part = match kind {
            Kind::Bool => return value,
            Kind::Float if self.graph.double => {
                for part in value.parts {
                    self.put().local_get(part).v128_const(0).f64x2_ne();
                }
                self.low_words()
            }
            Kind::Float => {
                self.put().local_get(value.parts[0]).v128_const(0).f32x4_ne();
                self.keep()
            }
            Kind::Int if self.graph.wide => {
                for part in value.parts {
                    self.put().local_get(part).v128_const(0).i64x2_ne();
                }
                self.low_words()
            }
            Kind::Int => {
                self.put().local_get(value.parts[0]).v128_const(0).i32x4_ne();
                self.keep()
            }
        };
        Value { parts: [part, part], valid }
    }
}

/// Four numbers of 32 bits.
pub(super) fn splat32(bits: u32) -> i128 {
    splat64(u64::from(bits) << 32 | u64::from(bits))
}

/// Two of 64 bits.
pub(super) fn splat64(bits: u64) -> i128 {
    (u128::from(bits) << 64 | u128::from(bits)).cast_signed()
}
