//! `tilefn build --expression`: an expression's module as a file.

use super::fatal::Fatal;
use clap::Args;
use expression::{Input, Param, Source};
use serde_json::Value;
use tilefn_abi::{DType, ParamKind};

#[derive(Debug, Args)]
#[group(skip)]
pub struct Arguments {
    /// Compile an expression, e.g. "(nir - red) / (nir + red)", instead of a crate
    #[arg(long, value_name = "TEXT", conflicts_with = "folder")]
    expression: Option<String>,
    /// The type of an input's files, with [] if it is a list, e.g. qa:uint16 or dates:uint16[]; default: float32
    #[arg(short, long = "input", value_name = "NAME:TYPE", requires = "expression", value_parser = input)]
    input: Vec<(String, DType, bool)>,
    /// A name that is a parameter, and its default, e.g. k=2.5; that of one with fractions has a point, also k=2.0
    #[arg(long, value_name = "NAME=VALUE", requires = "expression", value_parser = param)]
    param: Vec<(String, Value)>,
    /// The outputs' element type; default: the expression's
    #[arg(long = "type", value_name = "TYPE", requires = "expression", value_parser = dtype)]
    dtype: Option<DType>,
    /// A value that an output's integer type doesn't hold fails the job, instead of being rounded and saturated
    #[arg(long, requires = "expression")]
    strict: bool,
}

impl Arguments {
    /// The module of the expression, if there is one.
    pub fn module(&self) -> Result<Option<Vec<u8>>, Fatal> {
        let Some(text) = &self.expression else { return Ok(None) };
        let names = expression::names(text);
        let given = |name: &String| self.param.iter().any(|(param, _)| param == name);
        let unused = self.input.iter().map(|(name, ..)| name).chain(self.param.iter().map(|(name, _)| name));
        if let Some(name) = unused.into_iter().find(|name| !names.contains(name)) {
            return Err(Fatal::usage(format!(
                "the expression has no name {name}; its names are: {}",
                names.join(", ")
            )));
        }
        let inputs = names.iter().filter(|name| !given(name)).map(|name| {
            let typed = self.input.iter().find(|(other, ..)| other == name);
            let (dtype, list) = typed.map_or((DType::Float32, false), |(_, dtype, list)| (*dtype, *list));
            Input { name: name.clone(), dtype, list, files: None, bands: None }
        });
        let params = self.param.iter().map(|(name, value)| {
            let kind = match value {
                Value::Bool(_) => ParamKind::Bool,
                value if value.is_i64() => ParamKind::Int,
                _ => ParamKind::Float,
            };
            Param { name: name.clone(), kind, default: Some(value.clone()) }
        });
        let source = Source {
            text,
            inputs: inputs.collect(),
            params: params.collect(),
            outputs: Vec::new(),
            dtype: self.dtype,
            strict: self.strict,
        };
        expression::compile(&source).map(|compiled| Some(compiled.module)).map_err(Fatal::usage)
    }
}

fn input(text: &str) -> Result<(String, DType, bool), String> {
    let (name, dtype_name) = text.split_once(':').ok_or("it is written NAME:TYPE")?;
    let list = dtype_name.strip_suffix("[]");
    Ok((name.to_owned(), dtype(list.unwrap_or(dtype_name))?, list.is_some()))
}

fn param(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    let value = serde_json::from_str(value).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
    Ok((name.to_owned(), value.ok_or("expected a number, or true or false")?))
}

/// An element type by its name.
pub fn dtype(text: &str) -> Result<DType, String> {
    DType::from_name(text).ok_or_else(|| {
        let names: Vec<_> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// Why a compiled expression is no module that can run.
pub fn in_expression(error: &sandbox::Error) -> Fatal {
    match error {
        sandbox::Error::TooComplex { .. } | sandbox::Error::TooBig { .. } => {
            Fatal::usage("the expression is too large: compute fewer outputs at a time")
        }
        error => Fatal::usage(format!("the expression: {error}")),
    }
}
