//! A function's interface as the JSON text that the host asks for.

use alloc::vec::Vec;

use serde::Serialize;
use tilefn_abi::ParamKind;

use crate::{Input, ParamValue, Returned};

/// A function's interface.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    name: &'static str,
    doc: &'static str,
    inputs: Vec<InputDescription>,
    params: Vec<ParamDescription>,
    outputs: Vec<OutputDescription>,
    halo: Halo,
    reduce: bool,
}

#[derive(Clone, Debug, Serialize)]
struct InputDescription {
    name: &'static str,
    dtype: &'static str,
    list: bool,
    optional: bool,
    doc: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct ParamDescription {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    list: bool,
    default: Option<Value>,
    min: Option<Value>,
    max: Option<Value>,
    doc: &'static str,
}

/// One output's description.
#[derive(Clone, Debug, Serialize)]
pub struct OutputDescription {
    /// The name in the job file.
    pub name: &'static str,
    /// The pixel type's name, or `"any"`.
    pub dtype: &'static str,
    /// Whether it is a list of files.
    pub list: bool,
    /// The declared nodata value of the file.
    pub nodata: Option<Value>,
    /// The doc comment.
    pub doc: &'static str,
}

/// A constant in a description.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
    List(&'static [Value]),
}

/// The halo: a number of pixels, or the name of the parameter that has it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Halo {
    Pixels(u32),
    Param(&'static str),
}

/// What a parameter's `#[param(…)]` says.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ParamBounds {
    pub default: Option<Value>,
    pub min: Option<Value>,
    pub max: Option<Value>,
}

impl Description {
    /// A function without inputs, parameters and outputs.
    pub fn new(name: &'static str, doc: &'static str, halo: Halo) -> Self {
        let (inputs, params, outputs) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, doc, inputs, params, outputs, halo, reduce: false }
    }

    /// With one more input.
    #[must_use]
    pub fn input<I: Input>(mut self, name: &'static str, doc: &'static str) -> Self {
        let dtype = I::DTYPE.map_or("any", |dtype| dtype.name());
        self.inputs.push(InputDescription { name, dtype, list: I::LIST, optional: I::OPTIONAL, doc });
        self
    }

    /// With one more parameter; its type's own range bounds it too.
    #[must_use]
    pub fn param<P: ParamValue>(mut self, name: &'static str, doc: &'static str, bounds: ParamBounds) -> Self {
        let kind = match P::KIND {
            ParamKind::Bool => "bool",
            ParamKind::Int => "int",
            ParamKind::Float => "float",
            ParamKind::Text => "text",
            ParamKind::Bytes => "bytes",
        };
        let ParamBounds { default, min, max } = bounds;
        let (lowest, highest) = P::RANGE;
        let (min, max) = (min.or(lowest.map(Value::Int)), max.or(highest.map(Value::Int)));
        self.params.push(ParamDescription { name, kind, list: P::LIST, default, min, max, doc });
        self
    }

    /// With the outputs of the type it returns.
    #[must_use]
    pub fn returns<R: Returned>(mut self, nodata: Option<Value>) -> Self {
        self.outputs = R::describe_outputs(self.name);
        self.reduce = R::REDUCES;
        if let (Some(_), [single]) = (nodata, self.outputs.as_mut_slice()) {
            single.nodata = nodata;
        }
        self
    }
}
