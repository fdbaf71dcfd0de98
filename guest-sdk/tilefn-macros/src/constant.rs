//! The constants that attributes take: literals, with a sign, in lists, or NaN.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Expr, ExprLit, Lit, Result, UnOp};

/// A constant, as it was written and what it is.
#[derive(Clone, Debug)]
pub struct Constant {
    pub tokens: TokenStream,
    pub value: Value,
}

/// A constant's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Constant>),
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Constant {
    /// Reads a constant.
    pub fn parse(expr: &Expr) -> Result<Self> {
        let value = match expr {
            Expr::Lit(ExprLit { lit, .. }) => literal(lit)?,
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => match Self::parse(&unary.expr)?.value {
                Value::Int(value) => Value::Int(-value),
                Value::Float(value) => Value::Float(-value),
                _ => return Err(not_a_constant(expr)),
            },
            Expr::Array(array) => Value::List(array.elems.iter().map(Self::parse).collect::<Result<_>>()?),
            Expr::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "NAN") => {
                Value::Float(f64::NAN)
            }
            Expr::Group(group) => return Self::parse(&group.expr),
            Expr::Paren(paren) => return Self::parse(&paren.expr),
            _ => return Err(not_a_constant(expr)),
        };
        Ok(Self { tokens: expr.to_token_stream(), value })
    }

    /// A mistake about it.
    pub fn error(&self, message: impl Display) -> Error {
        Error::new_spanned(&self.tokens, message)
    }

    /// The constant as a `describe::Value`.
    pub fn to_tokens(&self) -> TokenStream {
        let value = quote!(::tilefn_guest::describe::Value);
        match &self.value {
            Value::Bool(v) => quote!(#value::Bool(#v)),
            Value::Int(v) => {
                // Checked against the parameter's type, or a nodata value that the host checks.
                let v = i64::try_from(*v).unwrap_or(if *v < 0 { i64::MIN } else { i64::MAX });
                quote!(#value::Int(#v))
            }
            Value::Float(v) if v.is_nan() => quote!(#value::Text("nan")),
            Value::Float(v) => quote!(#value::Float(#v)),
            Value::Text(v) => quote!(#value::Text(#v)),
            Value::List(items) => {
                let items = items.iter().map(Self::to_tokens);
                quote!(#value::List(&[#(#items),*]))
            }
        }
    }
}

fn literal(lit: &Lit) -> Result<Value> {
    Ok(match lit {
        Lit::Bool(lit) => Value::Bool(lit.value),
        Lit::Int(lit) => Value::Int(lit.base10_parse()?),
        Lit::Float(lit) => Value::Float(lit.base10_parse()?),
        Lit::Str(lit) => Value::Text(lit.value()),
        other => return Err(Error::new_spanned(other, "write a number, true, false, or a text in quotes")),
    })
}

fn not_a_constant(expr: &Expr) -> Error {
    Error::new_spanned(
        expr,
        "this must be a literal, such as 2, -0.5, true, \"text\" or [1, 2]: the host shows it before the function runs",
    )
}
