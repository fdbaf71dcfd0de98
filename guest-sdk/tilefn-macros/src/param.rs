//! `#[param(default = …, min = …, max = …)]`: reading it and checking it against the argument's type.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, Meta, Result, Type};

use crate::{
    constant::{Constant, Value},
    options,
    types::{ParamType, Scalar},
};

/// A parameter's type, and what its attribute says.
pub struct Param {
    pub ty: ParamType,
    pub default: Option<Constant>,
    pub min: Option<Constant>,
    pub max: Option<Constant>,
}

impl Param {
    pub fn parse(attribute: &Attribute, ty: &Type) -> Result<Self> {
        let param_type = ParamType::of(ty).ok_or_else(|| {
            Error::new_spanned(
                ty,
                "a parameter is a bool, an integer up to 64 bits, f32, f64, String, a Vec of one of them, or Bytes",
            )
        })?;
        let tokens = match &attribute.meta {
            Meta::Path(_) => TokenStream::new(),
            meta => meta.require_list()?.tokens.clone(),
        };
        let mut param = Self { ty: param_type, default: None, min: None, max: None };
        for option in options::parse(tokens, &["default", "min", "max"])? {
            let constant = Some(Constant::parse(&option.value)?);
            match option.key.to_string().as_str() {
                "default" => param.default = constant,
                "min" => param.min = constant,
                _ => param.max = constant,
            }
        }
        param.check()?;
        Ok(param)
    }

    fn check(&mut self) -> Result<()> {
        let ParamType { scalar, list } = self.ty;
        for bound in [&mut self.min, &mut self.max].into_iter().flatten() {
            if !matches!(scalar, Scalar::Int(..) | Scalar::Float) {
                let message = format!("only numbers have bounds, this is {}", scalar.word());
                return Err(bound.error(message));
            }
            convert(bound, scalar)?;
        }
        if let (Some(min), Some(max)) = (&self.min, &self.max)
            && number(min) > number(max)
        {
            return Err(max.error("max is below min"));
        }
        let Some(default) = &mut self.default else {
            return Ok(());
        };
        if scalar == Scalar::Bytes {
            return Err(default.error("a file has no default: the job names it"));
        }
        let values = match (&mut default.value, list) {
            (Value::List(items), true) => items.as_mut_slice(),
            (Value::List(_), false) => return Err(default.error("the parameter isn't a list: write one value")),
            (_, true) => return Err(default.error("the parameter is a list: write [ ] around its values")),
            (_, false) => core::slice::from_mut(default),
        };
        for value in values {
            convert(value, scalar)?;
            if let Some(min) = self.min.as_ref().filter(|min| number(value) < number(min)) {
                return Err(value.error(format!("the default is below min = {}", show(min))));
            }
            if let Some(max) = self.max.as_ref().filter(|max| number(value) > number(max)) {
                return Err(value.error(format!("the default is above max = {}", show(max))));
            }
        }
        Ok(())
    }

    /// The attribute as a `describe::ParamBounds`.
    pub fn to_tokens(&self) -> TokenStream {
        let option = |constant: &Option<Constant>| match constant {
            Some(constant) => {
                let value = constant.to_tokens();
                quote!(::core::option::Option::Some(#value))
            }
            None => quote!(::core::option::Option::None),
        };
        let (default, min, max) = (option(&self.default), option(&self.min), option(&self.max));
        quote!(::tilefn_guest::describe::ParamBounds { default: #default, min: #min, max: #max })
    }
}

/// Makes a constant one of the parameter's type, or says why it can't be.
fn convert(constant: &mut Constant, scalar: Scalar) -> Result<()> {
    let converted = match (&constant.value, scalar) {
        (Value::Bool(_), Scalar::Bool) | (Value::Text(_), Scalar::Text) => None,
        (Value::Float(value), Scalar::Float) if value.is_finite() => None,
        (Value::Int(value), Scalar::Int(min, max)) => {
            if !(min..=max).contains(value) {
                let message = format!("{value} is outside the parameter's type, which holds {min} to {max}");
                return Err(constant.error(message));
            }
            None
        }
        #[expect(clippy::cast_precision_loss, reason = "as Rust reads `2` where a float is meant")]
        (Value::Int(value), Scalar::Float) => Some(Value::Float(*value as f64)),
        _ => {
            let message = format!("the parameter is {}, this value isn't", scalar.word());
            return Err(constant.error(message));
        }
    };
    if let Some(value) = converted {
        constant.value = value;
    }
    Ok(())
}

/// A number to compare: an integer exactly, a float as it is. None for other values.
fn number(constant: &Constant) -> Option<Number> {
    match constant.value {
        Value::Int(value) => Some(Number::Int(value)),
        Value::Float(value) => Some(Number::Float(value)),
        _ => None,
    }
}

/// A number that compares with others of its kind.
#[derive(PartialEq, PartialOrd)]
enum Number {
    Int(i128),
    Float(f64),
}

fn show(constant: &Constant) -> String {
    match constant.value {
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        _ => String::new(),
    }
}
