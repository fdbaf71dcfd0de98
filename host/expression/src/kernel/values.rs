//! One node of the graph for four pixels.

use super::convert::{splat32, splat64};
use super::{Value, Writer, param};
use crate::graph::{Id, Kind, OfOne, OfTwo, Op, Rounding};
use tilefn_abi::ParamKind;
use wasm_encoder::MemArg;

impl Writer<'_> {
    /// Computes a node whose operands are computed. `stream` is the number of the next stream to be read.
    pub(super) fn value(&mut self, id: Id, stream: &mut usize) -> Option<Value> {
        let node = self.graph.node(id);
        let of = |this: &Self, id: Id| this.values.get(&id).copied();
        Some(match node.op {
            Op::Float(bits) => self.float(f64::from_bits(bits)),
            Op::Int(value) => self.int(value),
            Op::Bool(value) => {
                self.put().v128_const(if value { -1 } else { 0 });
                self.single(None)
            }
            Op::Param(number) => self.param(number)?,
            Op::Load(input, _) => {
                let number = *stream;
                *stream = stream.saturating_add(1);
                let double = self.is_double(input);
                self.load(number, double, true)?
            }
            Op::Statistic(_) => {
                let number = *stream;
                *stream = stream.saturating_add(1);
                self.load(number, self.graph.double, false)?
            }
            Op::ToFloat(a) => self.float_of(self.kind(a), of(self, a)?),
            Op::ToInt(a) => match self.graph.node(a).op {
                // Beyond 2⁵³ a float isn't exact.
                Op::Param(number) if self.graph.wide && self.param_kind(number) == Some(ParamKind::Int) => {
                    self.put().local_get(param::PARAMS).v128_load64_splat(param_at(number)?);
                    let part = self.keep();
                    Value { parts: [part, part], valid: None }
                }
                _ => self.int_of(self.kind(a), of(self, a)?),
            },
            Op::ToBool(a) => self.bool_of(self.kind(a), of(self, a)?),
            Op::OfOne(operation, a) => self.of_one(operation, of(self, a)?),
            Op::OfTwo(operation, a, b) => {
                let constant = matches!(self.graph.node(b).op, Op::Float(bits) if !f64::from_bits(bits).is_nan());
                self.of_two(operation, of(self, a)?, of(self, b)?, constant)
            }
            Op::Call1(export, a) => self.call(export, of(self, a)?, None)?,
            Op::Call2(export, a, b) => self.call(export, of(self, a)?, of(self, b))?,
            Op::Compare(compare, a, b) => self.compare(compare, a, b, of(self, a)?, of(self, b)?),
            Op::Bits(bits, a, b) => self.bits(bits, node.kind, of(self, a)?, of(self, b)?),
            Op::Invert(a) => self.invert(node.kind, of(self, a)?),
            Op::ShiftLeft(a, by) => self.shift(true, of(self, a)?, by),
            Op::ShiftRight(a, by) => self.shift(false, of(self, a)?, by),
            Op::Where(condition, a, b) => self.where_(node.kind, of(self, condition)?, of(self, a)?, of(self, b)?),
            Op::IsValid(a) => {
                let valid = self.valid(self.kind(a), of(self, a)?);
                let part = self.or_all(valid);
                Value { parts: [part, part], valid: None }
            }
            Op::Fill(a, b) => self.fill(node.kind, of(self, a)?, of(self, b)?),
        })
    }

    /// A value of the one vector on the stack.
    fn single(&mut self, valid: Option<u32>) -> Value {
        let part = self.keep();
        Value { parts: [part, part], valid }
    }

    fn float(&mut self, value: f64) -> Value {
        #[expect(clippy::cast_possible_truncation, reason = "as numpy's numbers beside float32 arrays")]
        let bits = if self.graph.double { splat64(value.to_bits()) } else { splat32((value as f32).to_bits()) };
        self.put().v128_const(bits);
        self.single(None)
    }

    fn int(&mut self, value: i64) -> Value {
        #[expect(clippy::cast_possible_truncation, reason = "others are wide")]
        let bits =
            if self.graph.wide { splat64(value.cast_unsigned()) } else { splat32((value as i32).cast_unsigned()) };
        self.put().v128_const(bits);
        self.single(None)
    }

    fn param_kind(&self, number: usize) -> Option<ParamKind> {
        self.source.params.get(number).map(|param| param.kind)
    }

    fn param(&mut self, number: usize) -> Option<Value> {
        let at = param_at(number)?;
        self.put().local_get(param::PARAMS);
        match self.param_kind(number)? {
            ParamKind::Bool => {
                self.put().i64_load(at).i64_const(0).i64_ne().i32x4_splat().v128_const(0).i32x4_ne();
                return Some(self.single(None));
            }
            ParamKind::Int => self.put().i64_load(at).f64_convert_i64_s(),
            _ => self.put().f64_load(at),
        };
        if self.graph.double {
            self.put().f64x2_splat();
        } else {
            self.put().f32_demote_f64().f32x4_splat();
        }
        Some(self.single(None))
    }

    /// Reads pixels. Of an input, those that have its mark become NaN.
    fn load(&mut self, stream: usize, double: bool, input: bool) -> Option<Value> {
        let base = self.base(stream)?;
        let mark = if input { self.marks.get(&stream).copied() } else { None };
        let (size, vectors) = if double { (8, 2) } else { (4, 1) };
        let offset = self.ints + if double { super::fixed::OFFSET8 } else { super::fixed::OFFSET4 };
        let mut parts = [0; 2];
        for (vector, part) in (0..vectors).zip(&mut parts) {
            let at = self.at(size, vector);
            self.put().local_get(base).local_get(offset).i32_add().v128_load(at);
            *part = self.keep();
            if let Some(mark) = mark {
                let read = *part;
                self.put().local_get(read).local_get(read).local_get(mark);
                // A mask of ones is NaN.
                if double {
                    self.put().f64x2_eq().v128_or();
                } else {
                    self.put().f32x4_eq().v128_or();
                }
                *part = self.keep();
            }
        }
        let parts = match (double, self.graph.double) {
            (true, _) => parts,
            (false, false) => [parts[0], parts[0]],
            (false, true) => self.promote(parts[0]),
        };
        Some(Value { parts, valid: None })
    }

    fn of_one(&mut self, operation: OfOne, value: Value) -> Value {
        let double = self.graph.double;
        let parts = self.each(Kind::Float, value, |this, part| {
            let mut put = this.put();
            put.local_get(part);
            match (operation, double) {
                (OfOne::Negate, false) => put.f32x4_neg(),
                (OfOne::Absolute, false) => put.f32x4_abs(),
                (OfOne::SquareRoot, false) => put.f32x4_sqrt(),
                (OfOne::Round(Rounding::Floor), false) => put.f32x4_floor(),
                (OfOne::Round(Rounding::Ceil), false) => put.f32x4_ceil(),
                (OfOne::Round(Rounding::Nearest), false) => put.f32x4_nearest(),
                (OfOne::Round(Rounding::Truncate), false) => put.f32x4_trunc(),
                (OfOne::Negate, true) => put.f64x2_neg(),
                (OfOne::Absolute, true) => put.f64x2_abs(),
                (OfOne::SquareRoot, true) => put.f64x2_sqrt(),
                (OfOne::Round(Rounding::Floor), true) => put.f64x2_floor(),
                (OfOne::Round(Rounding::Ceil), true) => put.f64x2_ceil(),
                (OfOne::Round(Rounding::Nearest), true) => put.f64x2_nearest(),
                (OfOne::Round(Rounding::Truncate), true) => put.f64x2_trunc(),
            };
        });
        Value { parts, valid: None }
    }

    /// `constant`: the second is a number, not NaN, which allows a quicker smallest and largest.
    fn of_two(&mut self, operation: OfTwo, a: Value, b: Value, constant: bool) -> Value {
        let double = self.graph.double;
        let parts = self.zip(Kind::Float, a, b, |this| {
            let mut put = this.put();
            match (operation, double, constant) {
                (OfTwo::Add, false, _) => put.f32x4_add(),
                (OfTwo::Subtract, false, _) => put.f32x4_sub(),
                (OfTwo::Multiply, false, _) => put.f32x4_mul(),
                (OfTwo::Divide, false, _) => put.f32x4_div(),
                // The first, NaN or not, unless the second is smaller.
                (OfTwo::Min, false, true) => put.f32x4_pmin(),
                (OfTwo::Max, false, true) => put.f32x4_pmax(),
                (OfTwo::Min, false, false) => put.f32x4_min(),
                (OfTwo::Max, false, false) => put.f32x4_max(),
                (OfTwo::Add, true, _) => put.f64x2_add(),
                (OfTwo::Subtract, true, _) => put.f64x2_sub(),
                (OfTwo::Multiply, true, _) => put.f64x2_mul(),
                (OfTwo::Divide, true, _) => put.f64x2_div(),
                (OfTwo::Min, true, true) => put.f64x2_pmin(),
                (OfTwo::Max, true, true) => put.f64x2_pmax(),
                (OfTwo::Min, true, false) => put.f64x2_min(),
                (OfTwo::Max, true, false) => put.f64x2_max(),
            };
        });
        Value { parts, valid: None }
    }

    /// Calls a function of the runtime for each pixel. It computes in double precision.
    fn call(&mut self, export: &str, a: Value, b: Option<Value>) -> Option<Value> {
        let function = (self.runtime)(export)?;
        let double = self.graph.double;
        let lanes = if double { 2 } else { 4 };
        let mut parts = [0; 2];
        for (number, part) in parts.iter_mut().enumerate().take(if double { 2 } else { 1 }) {
            for lane in 0..lanes {
                if lane > 0 {
                    // The vector into which the result goes.
                    self.put().local_get(*part);
                }
                for value in [Some(a), b].into_iter().flatten() {
                    let local = *value.parts.get(number)?;
                    if double {
                        self.put().local_get(local).f64x2_extract_lane(lane);
                    } else {
                        self.put().local_get(local).f32x4_extract_lane(lane).f64_promote_f32();
                    }
                }
                self.put().call(function);
                match (double, lane) {
                    (true, 0) => self.put().f64x2_splat(),
                    (true, _) => self.put().f64x2_replace_lane(lane),
                    (false, 0) => self.put().f32_demote_f64().f32x4_splat(),
                    (false, _) => self.put().f32_demote_f64().f32x4_replace_lane(lane),
                };
                *part = self.keep();
            }
        }
        if !double {
            parts[1] = parts[0];
        }
        Some(Value { parts, valid: None })
    }
}

/// Where a parameter's bits are.
fn param_at(number: usize) -> Option<MemArg> {
    Some(MemArg { offset: u64::try_from(number.checked_mul(8)?).ok()?, align: 3, memory_index: 0 })
}
