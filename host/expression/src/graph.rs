//! A checked expression: operations on values of known types, each only once however often it was written.

use crate::tree::Compare;
use std::collections::HashMap;
use tilefn_abi::DType;

/// A node's number.
pub type Id = usize;

/// What a value is for each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A float, NaN where it is invalid.
    Float,
    /// A 64-bit integer of bit operators.
    Int,
    Bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    Floor,
    Ceil,
    Nearest,
    Truncate,
}

/// Operations of one float that WebAssembly has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfOne {
    Negate,
    Absolute,
    SquareRoot,
    Round(Rounding),
}

/// Operations of two floats that WebAssembly has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfTwo {
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
}

/// Operations of two integers or bools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bits {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A float's bits.
    Float(u64),
    Int(i64),
    Bool(bool),
    /// A parameter's number.
    Param(usize),
    /// An input's number, and the band from 1; none: as the loop over bands goes.
    Load(usize, Option<u32>),
    /// A statistic's number.
    Statistic(usize),
    ToFloat(Id),
    ToInt(Id),
    ToBool(Id),
    OfOne(OfOne, Id),
    OfTwo(OfTwo, Id, Id),
    /// A function of the runtime.
    Call1(&'static str, Id),
    Call2(&'static str, Id, Id),
    Compare(Compare, Id, Id),
    Bits(Bits, Id, Id),
    Invert(Id),
    ShiftLeft(Id, u32),
    ShiftRight(Id, u32),
    /// Condition, then, otherwise.
    Where(Id, Id, Id),
    IsValid(Id),
    /// A value, and what it is where that is invalid.
    Fill(Id, Id),
}

impl Op {
    pub fn operands(&self) -> impl Iterator<Item = Id> {
        let (a, b, c) = match *self {
            Self::Float(_) | Self::Int(_) | Self::Bool(_) | Self::Param(_) | Self::Load(..) | Self::Statistic(_) => {
                (None, None, None)
            }
            Self::ToFloat(a)
            | Self::ToInt(a)
            | Self::ToBool(a)
            | Self::OfOne(_, a)
            | Self::Call1(_, a)
            | Self::Invert(a)
            | Self::ShiftLeft(a, _)
            | Self::ShiftRight(a, _)
            | Self::IsValid(a) => (Some(a), None, None),
            Self::OfTwo(_, a, b)
            | Self::Call2(_, a, b)
            | Self::Compare(_, a, b)
            | Self::Bits(_, a, b)
            | Self::Fill(a, b) => (Some(a), Some(b), None),
            Self::Where(a, b, c) => (Some(a), Some(b), Some(c)),
        };
        a.into_iter().chain(b).chain(c)
    }
}

/// An operation and what is known of its value.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub op: Op,
    pub kind: Kind,
    /// Whether a float has no fraction.
    pub whole: bool,
    /// As many bits as a whole value surely has at most, the sign not counted: it is from −2ⁿ to 2ⁿ − 1.
    pub bits: u32,
    /// The list inputs over whose files it goes: bit `n` is input `n`.
    pub lists: u64,
    /// The inputs over whose bands it goes.
    pub moving: u64,
}

/// Bits of a whole value of which nothing is known.
pub const ANY: u32 = 63;
/// A float of 32 bits holds every whole number of as many bits.
const SMALL: u32 = 24;

impl Node {
    /// Whether a float of 32 bits surely holds a whole value.
    pub const fn small(&self) -> bool {
        self.bits <= SMALL
    }
}

/// Bits of a whole number, the sign not counted.
const fn bits(value: i64) -> u32 {
    64 - (if value < 0 { !value } else { value }).leading_zeros()
}

/// Where the percentile comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Percent {
    Constant(f64),
    /// A parameter's number.
    Param(usize),
}

/// A statistic over files or bands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistic {
    /// A constant of [`layout::statistic`](crate::layout::statistic).
    pub which: u32,
    pub percent: Percent,
    pub argument: Id,
    /// Of its argument. Without any the statistic goes over bands.
    pub lists: u64,
    /// Of its argument.
    pub moving: u64,
}

/// An output.
#[derive(Clone, Debug)]
pub struct Output {
    pub name: String,
    pub value: Id,
    pub dtype: DType,
}

/// The whole expression. Operands come before what is made of them.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub statistics: Vec<Statistic>,
    pub outputs: Vec<Output>,
    /// Whether floats have 64 bits.
    pub double: bool,
    /// Whether integers need 64 bits.
    pub wide: bool,
    known: HashMap<Op, Id>,
}

impl Graph {
    pub fn node(&self, id: Id) -> Node {
        const NONE: Node = Node { op: Op::Bool(false), kind: Kind::Bool, whole: false, bits: ANY, lists: 0, moving: 0 };
        self.nodes.get(id).copied().unwrap_or(NONE)
    }

    /// The node of an operation on nodes that are there.
    pub fn add(&mut self, op: Op) -> Id {
        if let Some(id) = self.known.get(&op) {
            return *id;
        }
        let of = |id: Id| self.node(id);
        let all = |test: fn(Node) -> bool| op.operands().all(|id| test(of(id)));
        let first = op.operands().next().map(of);
        let kind = match op {
            Op::Int(_) | Op::ToInt(_) | Op::ShiftLeft(..) | Op::ShiftRight(..) => Kind::Int,
            Op::Bool(_) | Op::ToBool(_) | Op::Compare(..) | Op::IsValid(_) => Kind::Bool,
            Op::Bits(..) | Op::Invert(_) | Op::Fill(..) => first.map_or(Kind::Float, |node| node.kind),
            Op::Where(_, then, _) => of(then).kind,
            _ => Kind::Float,
        };
        let most = op.operands().map(|id| of(id).bits).max().unwrap_or(ANY);
        let (whole, bits) = match op {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2⁵³")]
            Op::Float(value) => match f64::from_bits(value) {
                value if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => (true, bits(value as i64)),
                _ => (false, ANY),
            },
            Op::Int(value) => (true, bits(value)),
            Op::OfOne(OfOne::Round(_), _) => (true, ANY),
            // −(−2ⁿ) is 2ⁿ.
            Op::OfOne(OfOne::Negate | OfOne::Absolute, _) => (all(|node| node.whole), most.saturating_add(1).min(ANY)),
            Op::OfTwo(OfTwo::Min | OfTwo::Max, ..)
            | Op::ToInt(_)
            | Op::ToFloat(_)
            | Op::Bits(..)
            | Op::Invert(_)
            | Op::Fill(..) => (all(|node| node.whole), most),
            Op::ShiftRight(_, by) => (true, most.saturating_sub(by)),
            Op::ShiftLeft(_, by) => (true, most.saturating_add(by).min(ANY)),
            Op::Where(_, a, b) => (of(a).whole && of(b).whole, of(a).bits.max(of(b).bits)),
            _ if kind == Kind::Bool => (true, 1),
            _ => (false, ANY),
        };
        let (mut lists, mut moving) = (0, 0);
        for id in op.operands() {
            let node = of(id);
            lists |= node.lists;
            moving |= node.moving;
        }
        self.push(Node { op, kind, whole, bits, lists, moving })
    }

    /// A node about which more is known than its operation says.
    pub fn push(&mut self, node: Node) -> Id {
        if let Some(id) = self.known.get(&node.op) {
            return *id;
        }
        let id = self.nodes.len();
        self.known.insert(node.op, id);
        self.nodes.push(node);
        id
    }

    pub fn float(&mut self, value: f64) -> Id {
        self.add(Op::Float(value.to_bits()))
    }

    /// The value as a float.
    pub fn as_float(&mut self, id: Id) -> Id {
        if self.node(id).kind == Kind::Float { id } else { self.add(Op::ToFloat(id)) }
    }

    /// The value as true or false: whether it isn't 0.
    pub fn as_bool(&mut self, id: Id) -> Id {
        if self.node(id).kind == Kind::Bool { id } else { self.add(Op::ToBool(id)) }
    }

    /// The value as an integer, if it has no fraction.
    pub fn as_int(&mut self, id: Id) -> Option<Id> {
        let node = self.node(id);
        if node.kind == Kind::Int {
            return Some(id);
        }
        if !node.whole {
            return None;
        }
        self.wide |= !node.small();
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2⁵³")]
        Some(match node.op {
            Op::Float(bits) => self.add(Op::Int(f64::from_bits(bits) as i64)),
            _ => self.add(Op::ToInt(id)),
        })
    }

    /// Numbers of the bits in a set of inputs.
    pub fn members(set: u64) -> impl Iterator<Item = usize> {
        (0..64).filter(move |bit| set >> bit & 1 == 1)
    }
}
