//! Values in a function's description: of parameters, and of nodata.

use serde::{Deserialize, Serialize};
use std::fmt;

use tilefn_abi::{DType, ParamKind};

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(String),
    /// Several of one kind.
    List(Vec<Self>),
}

impl Value {
    /// The single value of this kind that a JSON value is; an integer is also a float.
    pub(super) fn from_json(kind: ParamKind, json: &serde_json::Value) -> Option<Self> {
        match kind {
            ParamKind::Bool => json.as_bool().map(Self::Bool),
            ParamKind::Int => json.as_i64().map(Self::Int),
            ParamKind::Float => json.as_f64().map(Self::Float),
            ParamKind::Text => json.as_str().map(|text| Self::Text(text.to_owned())),
        }
    }

    fn kind(&self) -> Option<ParamKind> {
        match self {
            Self::Bool(_) => Some(ParamKind::Bool),
            Self::Int(_) => Some(ParamKind::Int),
            Self::Float(_) => Some(ParamKind::Float),
            Self::Text(_) => Some(ParamKind::Text),
            Self::List(_) => None,
        }
    }

    /// Whether it is a single value of this kind between these limits; the error goes on from the value's name.
    pub(super) fn check(&self, kind: ParamKind, min: Option<&Self>, max: Option<&Self>) -> Result<(), String> {
        if self.kind() != Some(kind) {
            return Err(format!("is not {}", kind_text(kind)));
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
    pub(super) fn at_least(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a >= b,
            (Self::Float(a), Self::Float(b)) => a >= b,
            _ => false,
        }
    }
}

/// What a parameter of this kind holds, with its article.
fn kind_text(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Bool => "a bool",
        ParamKind::Int => "an integer",
        ParamKind::Float => "a float",
        ParamKind::Text => "a text",
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
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

/// A pixel value of any type, exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer: of any type up to 64 bits.
    Int(i128),
    /// A float, NaN too.
    Float(f64),
}

impl Number {
    /// A JSON number, or NaN for `"nan"`.
    pub(super) fn from_json(json: &serde_json::Value) -> Option<Self> {
        if json.as_str() == Some("nan") {
            return Some(Self::Float(f64::NAN));
        }
        let integer = json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from));
        integer.map(Self::Int).or_else(|| json.as_f64().map(Self::Float))
    }

    /// The number as a pixel of this type has it; `None` when the type can't hold it. Floats are rounded to the type, integers never are.
    pub fn fit(self, dtype: DType) -> Option<Self> {
        if dtype.is_float() {
            let value = match self {
                Self::Float(value) => value,
                // Exact or, beyond 2^53, rounded as any decimal is.
                Self::Int(value) => value as f64,
            };
            if dtype == DType::Float64 {
                return Some(Self::Float(value));
            }
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what a smaller float does")]
            let rounded = value as f32;
            return (rounded.is_finite() || !value.is_finite()).then_some(Self::Float(rounded.into()));
        }
        let value = match self {
            Self::Int(value) => value,
            Self::Float(value) if value.fract() == 0.0 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "integral, and saturating beyond every type's range"
                )]
                let value = value as i128;
                value
            }
            Self::Float(_) => return None,
        };
        let bits = u32::try_from(dtype.size()).ok()?.checked_mul(8)?;
        let (min, max) = match dtype.is_signed() {
            true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
            false => (0, (1i128 << bits) - 1),
        };
        (min..=max).contains(&value).then_some(Self::Int(value))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_types_or_not() {
        let int = |n: i128| Number::Int(n);
        assert_eq!(int(255).fit(DType::UInt8), Some(int(255)));
        assert_eq!(int(256).fit(DType::UInt8), None);
        assert_eq!(int(-1).fit(DType::UInt64), None);
        assert_eq!(int(-128).fit(DType::Int8), Some(int(-128)));
        assert_eq!(int(u64::MAX.into()).fit(DType::UInt64), Some(int(u64::MAX.into())));
        assert_eq!(int(i64::MIN.into()).fit(DType::Int64), Some(int(i64::MIN.into())));
        assert_eq!(Number::Float(-9999.0).fit(DType::Int16), Some(int(-9999)));
        assert_eq!(Number::Float(0.5).fit(DType::Int16), None);
        assert_eq!(Number::Float(f64::NAN).fit(DType::Int16), None);
        assert_eq!(Number::Float(f64::INFINITY).fit(DType::Int64), None);
        assert_eq!(Number::Float(0.1).fit(DType::Float32), Some(Number::Float(0.1f32.into())));
        assert_eq!(Number::Float(1e300).fit(DType::Float32), None);
        assert_eq!(Number::Float(f64::INFINITY).fit(DType::Float32), Some(Number::Float(f64::INFINITY)));
        assert!(matches!(Number::Float(f64::NAN).fit(DType::Float32), Some(Number::Float(x)) if x.is_nan()));
        assert_eq!(int(-9999).fit(DType::Float64), Some(Number::Float(-9999.0)));
    }
}
