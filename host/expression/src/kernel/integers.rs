//! Operations on whole numbers and on conditions.

use super::convert::ONES;
use super::{Value, Writer};
use crate::graph::{Bits, Id, Kind};
use crate::tree::Compare;

impl Writer<'_> {
    /// Does something with each vector of a value.
    pub(super) fn each(&mut self, kind: Kind, value: Value, mut write: impl FnMut(&mut Self, u32)) -> [u32; 2] {
        write(self, value.parts[0]);
        let first = self.keep();
        if !self.is_pair(kind) {
            return [first, first];
        }
        write(self, value.parts[1]);
        [first, self.keep()]
    }

    /// Does something with the vectors of two values of a kind.
    pub(super) fn zip(&mut self, kind: Kind, a: Value, b: Value, mut write: impl FnMut(&mut Self)) -> [u32; 2] {
        self.put().local_get(a.parts[0]).local_get(b.parts[0]);
        write(self);
        let first = self.keep();
        if !self.is_pair(kind) {
            return [first, first];
        }
        self.put().local_get(a.parts[1]).local_get(b.parts[1]);
        write(self);
        [first, self.keep()]
    }

    pub(super) fn bits(&mut self, bits: Bits, kind: Kind, a: Value, b: Value) -> Value {
        let parts = self.zip(kind, a, b, |this| {
            match bits {
                Bits::And => this.put().v128_and(),
                Bits::Or => this.put().v128_or(),
                Bits::Xor => this.put().v128_xor(),
            };
        });
        Value { parts, valid: self.both(a.valid, b.valid) }
    }

    pub(super) fn invert(&mut self, kind: Kind, value: Value) -> Value {
        let parts = self.each(kind, value, |this, part| {
            this.put().local_get(part).v128_not();
        });
        Value { parts, valid: value.valid }
    }

    /// Shifts to the left are wide, see check.rs.
    pub(super) fn shift(&mut self, left: bool, value: Value, by: u32) -> Value {
        let wide = self.graph.wide;
        let by = i32::try_from(by.min(if wide { 63 } else { 31 })).unwrap_or(0);
        let parts = self.each(Kind::Int, value, |this, part| {
            this.put().local_get(part).i32_const(by);
            match (left, wide) {
                (true, true) => this.put().i64x2_shl(),
                (true, false) => this.put().i32x4_shl(),
                (false, true) => this.put().i64x2_shr_s(),
                (false, false) => this.put().i32x4_shr_s(),
            };
        });
        Value { parts, valid: value.valid }
    }

    pub(super) fn compare(&mut self, compare: Compare, a: Id, b: Id, x: Value, y: Value) -> Value {
        let kind = self.kind(a);
        let (vx, vy) = (self.valid(kind, x), self.valid(self.kind(b), y));
        let valid = self.both(vx, vy);
        let pair = self.is_pair(kind);
        let parts = self.zip(kind, x, y, |this| {
            let mut put = this.put();
            match (kind, pair, compare) {
                (Kind::Float, false, Compare::Less) => put.f32x4_lt(),
                (Kind::Float, false, Compare::LessEqual) => put.f32x4_le(),
                (Kind::Float, false, Compare::Greater) => put.f32x4_gt(),
                (Kind::Float, false, Compare::GreaterEqual) => put.f32x4_ge(),
                (Kind::Float, false, Compare::Equal) => put.f32x4_eq(),
                (Kind::Float, false, Compare::NotEqual) => put.f32x4_ne(),
                (Kind::Float, true, Compare::Less) => put.f64x2_lt(),
                (Kind::Float, true, Compare::LessEqual) => put.f64x2_le(),
                (Kind::Float, true, Compare::Greater) => put.f64x2_gt(),
                (Kind::Float, true, Compare::GreaterEqual) => put.f64x2_ge(),
                (Kind::Float, true, Compare::Equal) => put.f64x2_eq(),
                (Kind::Float, true, Compare::NotEqual) => put.f64x2_ne(),
                (_, false, Compare::Less) => put.i32x4_lt_s(),
                (_, false, Compare::LessEqual) => put.i32x4_le_s(),
                (_, false, Compare::Greater) => put.i32x4_gt_s(),
                (_, false, Compare::GreaterEqual) => put.i32x4_ge_s(),
                (_, false, Compare::Equal) => put.i32x4_eq(),
                (_, false, Compare::NotEqual) => put.i32x4_ne(),
                (_, true, Compare::Less) => put.i64x2_lt_s(),
                (_, true, Compare::LessEqual) => put.i64x2_le_s(),
                (_, true, Compare::Greater) => put.i64x2_gt_s(),
                (_, true, Compare::GreaterEqual) => put.i64x2_ge_s(),
                (_, true, Compare::Equal) => put.i64x2_eq(),
                (_, true, Compare::NotEqual) => put.i64x2_ne(),
            };
        });
        let part = if pair {
            self.put().local_get(parts[0]).local_get(parts[1]);
            self.low_words()
        } else {
            parts[0]
        };
        Value { parts: [part, part], valid }
    }

    /// One of two values of a kind, as a condition says.
    pub(super) fn choose(&mut self, kind: Kind, condition: u32, a: Value, b: Value) -> [u32; 2] {
        let masks = if self.is_pair(kind) { self.widen(condition) } else { [condition, condition] };
        let mut which = masks.into_iter();
        self.zip(kind, a, b, |this| {
            let mask = which.next().unwrap_or(condition);
            this.put().local_get(mask).v128_bitselect();
        })
    }

    pub(super) fn where_(&mut self, kind: Kind, condition: Value, a: Value, b: Value) -> Value {
        let parts = self.choose(kind, condition.parts[0], a, b);
        if kind == Kind::Float {
            let parts = self.with_invalid(parts, condition.valid, self.graph.double);
            return Value { parts, valid: None };
        }
        let chosen = match (a.valid, b.valid) {
            (None, None) => None,
            (x, y) => {
                let (x, y) = (self.or_all(x), self.or_all(y));
                self.put().local_get(x).local_get(y).local_get(condition.parts[0]).v128_bitselect();
                Some(self.keep())
            }
        };
        Value { parts, valid: self.both(chosen, condition.valid) }
    }

    pub(super) fn fill(&mut self, kind: Kind, value: Value, instead: Value) -> Value {
        let Some(valid) = self.valid(kind, value) else { return value };
        let parts = self.choose(kind, valid, value, instead);
        let valid = match instead.valid {
            Some(other) if kind != Kind::Float => {
                self.put().local_get(valid).local_get(other).v128_or();
                Some(self.keep())
            }
            _ => None,
        };
        Value { parts, valid }
    }

    /// A mask, or that of all pixels.
    pub(super) fn or_all(&mut self, mask: Option<u32>) -> u32 {
        match mask {
            Some(mask) => mask,
            None => {
                self.put().v128_const(ONES);
                self.keep()
            }
        }
    }
}
