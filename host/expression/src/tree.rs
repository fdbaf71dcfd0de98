//! An expression as it was written.
//!
//! Nodes lie in one list, operands before what is made of them, so that nothing has to go down a tree by recursion.

use std::ops::Range;

/// A node's number.
pub type Id = usize;

/// A part of the expression.
#[derive(Clone, Debug)]
pub struct Node {
    pub what: What,
    /// Where it is, in bytes of the text.
    pub span: Range<usize>,
    /// Whether it has parentheses of its own.
    pub parentheses: bool,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A number, and the same as an integer if it was written as one.
    Number(f64, Option<i64>),
    Name(String),
    /// `base[band]`
    Band(Id, Id),
    Unary(Unary, Id),
    Binary(Binary, Id, Id),
    /// `a < b <= c`: the first, then each with the operator before it.
    Compare(Id, Vec<(Compare, Id)>),
    /// The function's name and its place; its arguments.
    Call(String, Range<usize>, Vec<Id>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    Minus,
    Plus,
    Invert,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    And,
    Or,
}

impl Binary {
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
            Self::And => "and",
            Self::Or => "or",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

/// `name = value`, or a value alone.
#[derive(Clone, Debug)]
pub struct Statement {
    pub name: Option<(String, Range<usize>)>,
    /// None after a mistake.
    pub value: Option<Id>,
    /// The nodes of this statement; none after a mistake.
    pub nodes: Range<Id>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub nodes: Vec<Node>,
    pub statements: Vec<Statement>,
}
