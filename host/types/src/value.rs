//! A parameter's value, as the job file has it and as the function gets it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use tilefn_abi::ParamKind;

use super::param_file::ParamFile;

/// A parameter's value as written; it is checked against the function's description when the job is planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
// The `x-…` words are for the reader of the job file.
#[schemars(extend("x-format" = "parameter", "x-expected" = "true, false, a number, text, a list of these, or { file = \"…\" }"))]
#[schemars(extend("x-list" = { "items": { "x-format": "scalar" }, "x-item": "true, false, a number or text" }))]
pub enum Value {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number. NaN and the infinities travel as the texts "nan", "inf" and "-inf".
    Float(#[serde(serialize_with = "float")] f64),
    /// A text.
    Text(String),
    /// A list of values, none of them a list.
    List(Vec<Value>),
    /// A file, whose bytes are the value.
    File(ParamFile),
}

impl Value {
    /// The value as a floating-point number: an integer is one too, and so are the texts "nan", "inf" and "-inf".
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a parameter of a float type asks for the nearest float")]
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => match text.as_str() {
                "nan" => Some(f64::NAN),
                "inf" => Some(f64::INFINITY),
                "-inf" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            Self::Bool(_) | Self::List(_) | Self::File(_) => None,
        }
    }

    /// The kind of a single value.
    pub fn kind(&self) -> Option<ParamKind> {
        match self {
            Self::Bool(_) => Some(ParamKind::Bool),
            Self::Int(_) => Some(ParamKind::Int),
            Self::Float(_) => Some(ParamKind::Float),
            Self::Text(_) => Some(ParamKind::Text),
            Self::File(_) => Some(ParamKind::Bytes),
            Self::List(_) => None,
        }
    }

    /// Whether it is a single value of this kind between these limits; the error goes on from the value's name.
    pub fn check(&self, kind: ParamKind, min: Option<&Self>, max: Option<&Self>) -> Result<(), String> {
        if self.kind() != Some(kind) {
            return Err(format!("is not {}", kind_text(kind)));
        }
        if let Self::File(ParamFile { file, content: None }) = self {
            return Err(format!("is the file {file}, which wasn't read"));
        }
        if let Some(min) = min.filter(|min| !self.at_least(min)) {
            return Err(format!("is {self}, below the minimum {min}"));
        }
        if let Some(max) = max.filter(|max| !max.at_least(self)) {
            return Err(format!("is {self}, above the maximum {max}"));
        }
        Ok(())
    }

    /// `self >= other`, of two integers or two floats; false for NaN.
    pub fn at_least(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a >= b,
            (Self::Float(a), Self::Float(b)) => a >= b,
            _ => false,
        }
    }
}

/// JSON has no NaN and no infinities.
fn float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else if value.is_nan() {
        serializer.serialize_str("nan")
    } else {
        serializer.collect_str(value)
    }
}

/// The name of a kind, with its article.
fn kind_text(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Bool => "a bool",
        ParamKind::Int => "an integer",
        ParamKind::Float => "a float",
        ParamKind::Text => "a text",
        ParamKind::Bytes => "a file",
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::File(file) => write!(f, "the file {}", file.file),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}
