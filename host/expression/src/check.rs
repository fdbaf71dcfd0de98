//! From tree to graph: names, types, bands and files of every value.

mod calls;
mod names;

pub use names::results;

use crate::graph::{Bits, Graph, Id, Kind, Node, OfOne, OfTwo, Op, Output};
use crate::mistake::Mistake;
use crate::tree::{self, Binary, Compare, Tree, Unary, What};
use crate::{Asked, Source};
use std::collections::HashMap;
use std::ops::Range;
use tilefn_abi::DType;

/// From here on a float isn't every whole number.
const EXACT: u64 = 1 << 53;

/// Checks a tree; the graph is whole only if there are no mistakes.
pub fn check(source: &Source<'_>, tree: &Tree, mistakes: &mut Vec<Mistake>) -> Graph {
    let mut check = Check {
        source,
        tree,
        graph: Graph::default(),
        values: vec![None; tree.nodes.len()],
        names: HashMap::new(),
        used: 0,
        mistakes,
    };
    check.statements();
    check.graph
}

struct Check<'a> {
    source: &'a Source<'a>,
    tree: &'a Tree,
    graph: Graph,
    /// Of each node of the tree: its node in the graph; none after a mistake.
    values: Vec<Option<Id>>,
    /// Of each name that has been assigned.
    names: HashMap<&'a str, Option<Id>>,
    /// The inputs that are read.
    used: u64,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Check<'a> {
    fn statements(&mut self) {
        let tree = self.tree;
        let only = tree.statements.len() == 1;
        let mut alone = None;
        for statement in &tree.statements {
            for id in statement.nodes.clone() {
                if let Some(node) = tree.nodes.get(id) {
                    let value = self.value(node);
                    if let Some(place) = self.values.get_mut(id) {
                        *place = value;
                    }
                }
            }
            let value = statement.value.and_then(|id| self.of(id));
            match &statement.name {
                Some((name, _)) => {
                    self.names.insert(name, value);
                }
                None if only => alone = Some(value),
                None => self.wrong(
                    self.place(statement),
                    "this value has no name",
                    "of several statements each gives its value a name: ndvi = …",
                ),
            }
        }
        let end = self.source.text.len();
        if tree.statements.is_empty() && self.mistakes.is_empty() {
            self.wrong(end..end, "the expression is empty", "");
        }
        let outputs = self.outputs(alone);
        self.types(outputs);
    }

    /// The value of a node whose operands have theirs.
    fn value(&mut self, node: &'a tree::Node) -> Option<Id> {
        let span = node.span.clone();
        match &node.what {
            What::Number(_, Some(whole)) if whole.unsigned_abs() >= EXACT => {
                self.graph.wide = true;
                Some(self.graph.add(Op::Int(*whole)))
            }
            What::Number(value, _) => Some(self.graph.float(*value)),
            What::Name(name) => self.name(name, span),
            What::Band(base, band) => self.band(*base, *band),
            What::Unary(operator, operand) => self.unary(*operator, *operand),
            What::Binary(operator, a, b) => self.binary(*operator, *a, *b, span),
            What::Compare(first, others) => self.comparisons(*first, others),
            What::Call(name, place, arguments) => self.call(name, place.clone(), arguments, span),
        }
    }

    fn unary(&mut self, operator: Unary, operand: tree::Id) -> Option<Id> {
        let value = self.of(operand)?;
        Some(match operator {
            Unary::Plus => value,
            Unary::Minus => {
                // Beyond 2⁵³ a float isn't every whole number.
                if let Op::Int(whole) = self.graph.node(value).op
                    && let Some(negative) = whole.checked_neg()
                {
                    return Some(self.graph.add(Op::Int(negative)));
                }
                let value = self.graph.as_float(value);
                match self.graph.node(value).op {
                    Op::Float(bits) => self.graph.float(-f64::from_bits(bits)),
                    _ => self.graph.add(Op::OfOne(OfOne::Negate, value)),
                }
            }
            Unary::Not => {
                let value = self.graph.as_bool(value);
                self.graph.add(Op::Invert(value))
            }
            Unary::Invert if self.graph.node(value).kind == Kind::Bool => self.graph.add(Op::Invert(value)),
            Unary::Invert => {
                let value = self.int(operand, "~")?;
                self.graph.add(Op::Invert(value))
            }
        })
    }

    fn binary(&mut self, operator: Binary, a: tree::Id, b: tree::Id, span: Range<usize>) -> Option<Id> {
        match operator {
            Binary::And | Binary::Or => {
                let (x, y) = (self.of(a), self.of(b));
                self.logic(if operator == Binary::And { Bits::And } else { Bits::Or }, x?, y?)
            }
            Binary::BitAnd => self.bits(Bits::And, operator, a, b, span),
            Binary::BitOr => self.bits(Bits::Or, operator, a, b, span),
            Binary::BitXor => self.bits(Bits::Xor, operator, a, b, span),
            Binary::ShiftLeft | Binary::ShiftRight => self.shift(operator, a, b),
            _ => {
                let (x, y) = (self.of(a)?, self.of(b)?);
                let (x, y) = (self.graph.as_float(x), self.graph.as_float(y));
                Some(match operator {
                    Binary::Add => self.graph.add(Op::OfTwo(OfTwo::Add, x, y)),
                    Binary::Subtract => self.graph.add(Op::OfTwo(OfTwo::Subtract, x, y)),
                    Binary::Multiply => self.graph.add(Op::OfTwo(OfTwo::Multiply, x, y)),
                    Binary::Divide => self.graph.add(Op::OfTwo(OfTwo::Divide, x, y)),
                    Binary::FloorDivide => self.graph.add(Op::Call2("m_floor_divide", x, y)),
                    Binary::Remainder => self.graph.add(Op::Call2("m_remainder", x, y)),
                    _ => self.power(x, y),
                })
            }
        }
    }

    /// A power; some exponents have an operation that is quicker, as in numpy.
    fn power(&mut self, x: Id, y: Id) -> Id {
        let exponent = match self.graph.node(y).op {
            Op::Float(bits) => f64::from_bits(bits),
            _ => f64::NAN,
        };
        let mut multiply = |a, b| self.graph.add(Op::OfTwo(OfTwo::Multiply, a, b));
        if exponent == 1.0 {
            x
        } else if exponent == 2.0 {
            multiply(x, x)
        } else if exponent == 3.0 {
            let square = multiply(x, x);
            multiply(square, x)
        } else if exponent == 4.0 {
            let square = multiply(x, x);
            multiply(square, square)
        } else if exponent == 0.5 {
            self.graph.add(Op::OfOne(OfOne::SquareRoot, x))
        } else if exponent == -1.0 {
            let one = self.graph.float(1.0);
            self.graph.add(Op::OfTwo(OfTwo::Divide, one, x))
        } else {
            self.graph.add(Op::Call2("m_pow", x, y))
        }
    }

    fn logic(&mut self, operator: Bits, a: Id, b: Id) -> Option<Id> {
        let (a, b) = (self.graph.as_bool(a), self.graph.as_bool(b));
        Some(self.graph.add(Op::Bits(operator, a, b)))
    }

    fn bits(&mut self, bits: Bits, operator: Binary, a: tree::Id, b: tree::Id, span: Range<usize>) -> Option<Id> {
        let (x, y) = (self.of(a), self.of(b));
        let (x, y) = (x?, y?);
        let symbol = operator.symbol();
        let is_bool = |id| self.graph.node(id).kind == Kind::Bool;
        match (is_bool(x), is_bool(y)) {
            (true, true) => self.logic(bits, x, y),
            (false, false) => {
                let (x, y) = (self.int(a, symbol), self.int(b, symbol));
                Some(self.graph.add(Op::Bits(bits, x?, y?)))
            }
            _ => {
                self.wrong(
                    span,
                    format!(
                        "{symbol} joins two conditions, or the bits of two whole numbers, and here it has one of each"
                    ),
                    format!("{symbol} binds more tightly than comparisons: write (a > 1) {symbol} (b > 2)"),
                );
                None
            }
        }
    }

    fn shift(&mut self, operator: Binary, a: tree::Id, b: tree::Id) -> Option<Id> {
        let value = self.int(a, operator.symbol());
        let by = self.of(b)?;
        let bits = match self.graph.node(by).op {
            Op::Float(bits) => Some(f64::from_bits(bits)),
            _ => None,
        };
        let Some(bits) = bits.filter(|bits| bits.fract() == 0.0 && (0.0..64.0).contains(bits)) else {
            self.wrong(self.span(b), format!("{} is by a number from 0 to 63", operator.symbol()), "");
            return None;
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 63")]
        let bits = bits as u32;
        Some(match operator {
            Binary::ShiftLeft => {
                let shifted = self.graph.add(Op::ShiftLeft(value?, bits));
                self.graph.wide |= !self.graph.node(shifted).small();
                shifted
            }
            _ => self.graph.add(Op::ShiftRight(value?, bits)),
        })
    }

    fn comparisons(&mut self, first: tree::Id, others: &[(Compare, tree::Id)]) -> Option<Id> {
        // Python reads `a > 1 & b > 2` as `a > (1 & b) > 2`, which nobody means.
        if let [(_, middle), _, ..] = others
            && let Some(node) = self.tree.nodes.get(*middle)
            && let What::Binary(operator @ (Binary::BitAnd | Binary::BitOr | Binary::BitXor), ..) = node.what
            && !node.parentheses
        {
            let symbol = operator.symbol();
            let message = format!("{symbol} binds more tightly than comparisons, so this is compared on both sides");
            let remedy = match operator {
                Binary::BitOr => "write (a > 1) | (b > 2), or a > 1 or b > 2".to_owned(),
                Binary::BitAnd => "write (a > 1) & (b > 2), or a > 1 and b > 2".to_owned(),
                _ => format!("write (a > 1) {symbol} (b > 2)"),
            };
            let span = node.span.clone();
            // What is wrong with its parts is a consequence.
            self.mistakes.retain(|other| !(span.start <= other.span.start && other.span.end <= span.end));
            self.wrong(span, message, remedy);
            return None;
        }
        let mut before = self.of(first);
        let mut result = None;
        let mut failed = false;
        for (operator, other) in others {
            let value = self.of(*other);
            if let (Some(a), Some(b)) = (before, value) {
                let one = self.compare(*operator, a, b);
                result = Some(match result {
                    None => one,
                    Some(joined) => self.graph.add(Op::Bits(Bits::And, joined, one)),
                });
            } else {
                failed = true;
            }
            before = value;
        }
        result.filter(|_| !failed)
    }

    fn compare(&mut self, operator: Compare, a: Id, b: Id) -> Id {
        let (x, y) = (self.graph.node(a), self.graph.node(b));
        // A few bits are compared with any other number as floats, which doesn't make all of the expression wide.
        let narrow = |one: Node, other: Node| one.kind == Kind::Int && one.bits < 24 && !other.small();
        let (a, b) = if x.kind != y.kind && (narrow(x, y) || narrow(y, x)) {
            (self.graph.as_float(a), self.graph.as_float(b))
        } else {
            self.alike(a, b)
        };
        let (a, b) = match self.graph.node(a).kind {
            Kind::Bool => (self.graph.as_float(a), self.graph.as_float(b)),
            _ => (a, b),
        };
        self.graph.add(Op::Compare(operator, a, b))
    }

    /// Two values as the same kind: integers if one is and the other can be, bools if both are, else floats.
    fn alike(&mut self, a: Id, b: Id) -> (Id, Id) {
        let (x, y) = (self.graph.node(a), self.graph.node(b));
        let can = |node: Node| node.kind == Kind::Int || node.kind == Kind::Float && node.whole;
        if x.kind == Kind::Bool && y.kind == Kind::Bool {
            return (a, b);
        }
        if (x.kind == Kind::Int || y.kind == Kind::Int)
            && can(x)
            && can(y)
            && let (Some(a), Some(b)) = (self.graph.as_int(a), self.graph.as_int(b))
        {
            return (a, b);
        }
        (self.graph.as_float(a), self.graph.as_float(b))
    }

    /// The whole number of an operand of a bit operator.
    fn int(&mut self, operand: tree::Id, symbol: &str) -> Option<Id> {
        let value = self.of(operand)?;
        let found = self.graph.as_int(value);
        let node = self.graph.node(value);
        if found.is_none()
            && let Op::Load(input, _) = node.op
            && let Some(input) = self.source.inputs.get(input)
            && input.dtype == DType::UInt64
        {
            let message = format!("{symbol} takes whole numbers below 2⁶³, and `{}` is of uint64", input.name);
            self.wrong(self.span(operand), message, format!("round({}) makes larger ones 2⁶³ − 1", input.name));
        } else if found.is_none()
            && let Op::Float(bits) = node.op
            && f64::from_bits(bits).fract() == 0.0
        {
            let message = format!("{} is too large for {symbol}", f64::from_bits(bits));
            let remedy =
                "the whole numbers of bit operators end at 2⁶³ − 1, and are written without a point or an exponent";
            self.wrong(self.span(operand), message, remedy);
        } else if found.is_none() {
            let power = if symbol == "^" { "; a power is written **" } else { "" };
            let message = format!("{symbol} takes whole numbers, and this may have a fraction{power}");
            self.wrong(self.span(operand), message, "round(…) makes whole numbers; inputs of integer types are whole");
        }
        found
    }

    /// The outputs' types, and with them the precision of all.
    fn types(&mut self, outputs: Vec<(String, Id, Option<DType>)>) {
        let inputs = Graph::members(self.used).filter_map(|input| self.source.inputs.get(input));
        let wide_inputs = inputs.into_iter().any(|input| asked(input.dtype) == Asked::Float64);
        let exact = |dtype: DType| dtype.size() >= 4 && dtype != DType::Float32;
        let wide_outputs = outputs.iter().filter_map(|(_, _, dtype)| *dtype).any(exact);
        self.graph.double = wide_inputs || wide_outputs || self.graph.wide;
        let (double, wide) = (self.graph.double, self.graph.wide);
        for (name, value, dtype) in outputs {
            let usual = match self.graph.node(value).kind {
                Kind::Float if double => DType::Float64,
                Kind::Float => DType::Float32,
                Kind::Bool => DType::UInt8,
                Kind::Int if wide => DType::Int64,
                Kind::Int => DType::Int32,
            };
            let dtype = dtype.unwrap_or(usual);
            let value = if dtype.is_float() { self.graph.as_float(value) } else { value };
            self.graph.outputs.push(Output { name, value, dtype });
        }
    }

    fn of(&self, id: tree::Id) -> Option<Id> {
        self.values.get(id).copied().flatten()
    }

    /// Where a statement's value is.
    fn place(&self, statement: &tree::Statement) -> Range<usize> {
        statement.value.map(|id| self.span(id)).unwrap_or_default()
    }

    fn span(&self, id: tree::Id) -> Range<usize> {
        self.tree.nodes.get(id).map(|node| node.span.clone()).unwrap_or_default()
    }

    fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.push(Mistake { span, message: message.into(), remedy: remedy.into() });
    }
}

/// Whether a name is a number's.
pub fn is_constant(name: &str) -> bool {
    matches!(name, "pi" | "nan" | "inf" | "True" | "true" | "False" | "false")
}

/// The type that an input of this type is asked as.
pub fn asked(dtype: DType) -> Asked {
    match dtype {
        DType::UInt8 | DType::Int8 | DType::UInt16 | DType::Int16 | DType::Float32 => Asked::Float32,
        _ => Asked::Float64,
    }
}
