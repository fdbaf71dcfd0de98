//! An output's pixels: rounded, saturated, marked where they are invalid, and written.

use super::convert::{splat32, splat64};
use super::{Value, Writer, fixed, param};
use crate::graph::{Kind, Output};
use crate::layout::{CLASH, INVALID, PIXEL_SHIFT, UNFIT};
use tilefn_abi::DType;

/// Locals of an output's loop.
pub(super) struct Store {
    /// The value that marks invalid pixels, in each lane; none for floats.
    mark: Option<u32>,
    /// Which lanes have had an invalid pixel.
    invalid: u32,
    /// Which lanes have had a valid pixel that is the mark.
    clash: u32,
}

/// The lowest byte of each lane, and the two lowest.
const BYTES: [u8; 16] = [0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12];
const SHORTS: [u8; 16] = [0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13];

impl Writer<'_> {
    /// Before the loop.
    pub(super) fn store_head(&mut self, output: &Output) -> Store {
        let mark = (!output.dtype.is_float()).then(|| {
            self.put().local_get(param::MARK);
            if output.dtype.size() == 8 {
                self.put().i64x2_splat();
            } else {
                self.put().i32_wrap_i64().i32x4_splat();
            }
            self.keep()
        });
        let mut zero = || {
            self.put().v128_const(0);
            self.keep()
        };
        Store { mark, invalid: zero(), clash: zero() }
    }

    /// After the loop: the kernel's answer.
    pub(super) fn store_tail(&mut self, store: &Store) {
        for (local, flag) in [(store.invalid, INVALID), (store.clash, CLASH)] {
            self.put().local_get(local).v128_any_true().i64_extend_i32_u();
            self.put().i64_const(flag.cast_signed()).i64_mul();
        }
        self.put().i64_or();
    }

    pub(super) fn store(&mut self, output: &Output, value: Value, store: &Store) -> Option<()> {
        let (dtype, kind) = (output.dtype, self.kind(output.value));
        let Some(mark) = store.mark else {
            self.store_floats(value, dtype == DType::Float64);
            return Some(());
        };
        let valid = self.valid(kind, value);
        let valid = self.in_tile(valid, store.invalid);
        if self.source.strict {
            self.check_fit(dtype, kind, value, valid);
        }
        // Pixels beyond the tile are written too, as marks, where nobody looks or others follow.
        if dtype.size() == 8 {
            let parts = self.longs(dtype, kind, value);
            let masks = self.widen(valid);
            for (vector, (part, mask)) in (0..).zip(parts.into_iter().zip(masks)) {
                self.put().local_get(store.clash);
                self.put().local_get(part).local_get(mark).i64x2_eq().local_get(mask).v128_and();
                self.put().v128_or().local_set(store.clash);
                self.address(8);
                self.put().local_get(part).local_get(mark).local_get(mask).v128_bitselect();
                let at = self.at(8, vector);
                self.put().v128_store(at);
            }
        } else {
            let part = self.words(dtype, kind, value);
            self.put().local_get(store.clash);
            self.put().local_get(part).local_get(mark).i32x4_eq().local_get(valid).v128_and();
            self.put().v128_or().local_set(store.clash);
            let size = u32::try_from(dtype.size()).ok()?;
            self.address(size);
            self.put().local_get(part).local_get(mark).local_get(valid).v128_bitselect();
            let at = self.at(size, 0);
            match dtype.size() {
                1 => {
                    let part = self.keep();
                    self.put().local_get(part).local_get(part).i8x16_shuffle(BYTES).v128_store32_lane(at, 0);
                }
                2 => {
                    let part = self.keep();
                    self.put().local_get(part).local_get(part).i8x16_shuffle(SHORTS).v128_store64_lane(at, 0);
                }
                _ => _ = self.put().v128_store(at),
            }
        }
        Some(())
    }

    /// Writes floats as they are.
    pub(super) fn store_floats(&mut self, value: Value, double: bool) {
        let parts = match (self.graph.double, double) {
            (false, true) => self.promote(value.parts[0]),
            (true, false) => {
                let part = self.demote(value.parts);
                [part, part]
            }
            _ => value.parts,
        };
        let (size, vectors) = if double { (8, 2) } else { (4, 1) };
        for (vector, part) in (0..vectors).zip(parts) {
            self.address(size);
            let at = self.at(size, vector);
            self.put().local_get(part).v128_store(at);
        }
    }

    /// Puts the address of these pixels on the stack, but for what `at` adds.
    fn address(&mut self, size: u32) {
        let pixel = self.ints + fixed::PIXEL;
        let shift = i32::try_from(size.ilog2()).unwrap_or(0);
        self.put().local_get(param::OUT).local_get(pixel).i32_const(shift).i32_shl().i32_add();
    }

    /// The valid pixels, without those beyond the last one. Notes the invalid ones.
    fn in_tile(&mut self, valid: Option<u32>, invalid: u32) -> u32 {
        let pixel = self.ints + fixed::PIXEL;
        let first = self.unroll * super::LANES;
        let lanes = (0..4).rev().fold(0u128, |all, lane| all << 32 | u128::from(first + lane));
        self.put().local_get(param::PIXELS).local_get(pixel).i32_sub().i32x4_splat();
        self.put().v128_const(lanes.cast_signed()).i32x4_gt_s();
        let inside = self.keep();
        let Some(valid) = valid else { return inside };
        self.put().local_get(invalid).local_get(inside).local_get(valid).v128_andnot().v128_or().local_set(invalid);
        self.put().local_get(inside).local_get(valid).v128_and();
        self.keep()
    }

    /// A value as numbers of 32 bits in the type's range.
    fn words(&mut self, dtype: DType, kind: Kind, value: Value) -> u32 {
        let (low, high) = range(dtype);
        match kind {
            Kind::Bool => {
                self.put().local_get(value.parts[0]).v128_const(splat32(1)).v128_and();
                return self.keep();
            }
            Kind::Int if self.graph.wide => {
                for part in value.parts {
                    self.clamp_long(part, low, Some(high));
                }
                return self.low_words();
            }
            Kind::Int => _ = self.put().local_get(value.parts[0]),
            Kind::Float if self.graph.double => {
                for part in value.parts {
                    self.put().local_get(part).f64x2_nearest();
                    if dtype == DType::UInt32 {
                        self.put().i32x4_trunc_sat_f64x2_u_zero();
                    } else {
                        self.put().i32x4_trunc_sat_f64x2_s_zero();
                    }
                }
                let part = self.low_halves();
                self.put().local_get(part);
            }
            Kind::Float => {
                self.put().local_get(value.parts[0]).f32x4_nearest();
                if dtype == DType::UInt32 {
                    self.put().i32x4_trunc_sat_f32x4_u();
                } else {
                    self.put().i32x4_trunc_sat_f32x4_s();
                }
            }
        }
        let bits = |value: i64| splat32(i32::try_from(value).unwrap_or_default().cast_unsigned());
        match dtype {
            DType::Int32 => {}
            DType::UInt32 if kind == Kind::Float => {}
            DType::UInt32 => _ = self.put().v128_const(0).i32x4_max_s(),
            _ => _ = self.put().v128_const(bits(low)).i32x4_max_s().v128_const(bits(high)).i32x4_min_s(),
        }
        self.keep()
    }

    /// A value as numbers of 64 bits in the type's range.
    fn longs(&mut self, dtype: DType, kind: Kind, value: Value) -> [u32; 2] {
        let signed = dtype == DType::Int64;
        match kind {
            Kind::Float => {
                let rounded = self.each(Kind::Float, value, |this, part| {
                    let double = this.graph.double;
                    let mut put = this.put();
                    put.local_get(part);
                    if double {
                        put.f64x2_nearest()
                    } else {
                        put.f32x4_nearest()
                    };
                });
                self.longs_of(rounded, self.graph.double, signed)
            }
            Kind::Bool => {
                self.put().local_get(value.parts[0]).v128_const(splat32(1)).v128_and();
                let part = self.keep();
                self.widen(part)
            }
            Kind::Int => {
                let parts = if self.graph.wide { value.parts } else { self.widen(value.parts[0]) };
                if signed {
                    return parts;
                }
                parts.map(|part| {
                    self.clamp_long(part, 0, None);
                    self.keep()
                })
            }
        }
    }

    /// Puts the numbers of 64 bits on the stack, none below or above these.
    fn clamp_long(&mut self, part: u32, low: i64, high: Option<i64>) {
        let low = splat64(low.cast_unsigned());
        self.put().local_get(part).v128_const(low);
        self.put().local_get(part).v128_const(low).i64x2_gt_s().v128_bitselect();
        if let Some(high) = high {
            let part = self.keep();
            let high = splat64(high.cast_unsigned());
            self.put().local_get(part).v128_const(high);
            self.put().local_get(part).v128_const(high).i64x2_lt_s().v128_bitselect();
        }
    }

    /// Ends the kernel if a valid pixel isn't a whole number of the type's range.
    fn check_fit(&mut self, dtype: DType, kind: Kind, value: Value, valid: u32) {
        let (low, high) = range(dtype);
        match kind {
            Kind::Bool => return,
            Kind::Int if self.graph.wide => {
                for part in value.parts {
                    self.put().local_get(part).v128_const(splat64(low.cast_unsigned())).i64x2_lt_s();
                    if dtype != DType::UInt64 {
                        self.put().local_get(part).v128_const(splat64(high.cast_unsigned())).i64x2_gt_s().v128_or();
                    }
                }
                let part = self.low_words();
                self.put().local_get(part);
            }
            Kind::Int => {
                let clamp = |value: i64| {
                    splat32(i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX }).cast_unsigned())
                };
                let part = value.parts[0];
                self.put().local_get(part).v128_const(clamp(low)).i32x4_lt_s();
                self.put().local_get(part).v128_const(clamp(high)).i32x4_gt_s().v128_or();
            }
            Kind::Float => {
                let double = self.graph.double;
                let (low, beyond) = float_range(dtype);
                #[expect(clippy::cast_possible_truncation, reason = "powers of two")]
                let bits =
                    |value: f64| if double { splat64(value.to_bits()) } else { splat32((value as f32).to_bits()) };
                let parts = self.each(Kind::Float, value, |this, part| {
                    let mut put = this.put();
                    put.local_get(part).local_get(part);
                    if double {
                        put.f64x2_nearest().f64x2_ne()
                    } else {
                        put.f32x4_nearest().f32x4_ne()
                    };
                    put.local_get(part).v128_const(bits(low));
                    if double {
                        put.f64x2_lt()
                    } else {
                        put.f32x4_lt()
                    };
                    put.local_get(part).v128_const(bits(beyond));
                    if double {
                        put.f64x2_ge()
                    } else {
                        put.f32x4_ge()
                    };
                    put.v128_or().v128_or();
                });
                self.put().local_get(parts[0]);
                if double {
                    self.put().local_get(parts[1]);
                    let part = self.low_words();
                    self.put().local_get(part);
                }
            }
        }
        self.put().local_get(valid).v128_and();
        let unfit = self.keep();
        let pixel = self.ints + fixed::PIXEL;
        let first = i64::from(self.unroll * super::LANES);
        self.put().local_get(unfit).v128_any_true().if_(wasm_encoder::BlockType::Empty);
        self.put().local_get(pixel).i64_extend_i32_u().i64_const(first).i64_add();
        self.put().local_get(unfit).i32x4_bitmask().i32_ctz().i64_extend_i32_u().i64_add();
        self.put().i64_const(PIXEL_SHIFT.into()).i64_shl().i64_const(UNFIT.cast_signed()).i64_or();
        self.put().return_().end();
    }
}

/// The smallest and largest number of a type that a 64-bit integer with a sign holds.
fn range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::UInt8 => (0, u8::MAX.into()),
        DType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DType::UInt16 => (0, u16::MAX.into()),
        DType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DType::UInt32 => (0, u32::MAX.into()),
        DType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DType::UInt64 => (0, i64::MAX),
        _ => (i64::MIN, i64::MAX),
    }
}

/// The smallest number of an integer type, and the first beyond its largest: both are powers of two, which floats hold.
fn float_range(dtype: DType) -> (f64, f64) {
    let bits = i32::try_from(8 * dtype.size()).unwrap_or(64);
    if dtype.is_signed() { (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1)) } else { (0.0, 2f64.powi(bits)) }
}
