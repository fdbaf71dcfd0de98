//! A function's description of itself: its inputs, parameters, outputs and halo, checked.

use serde::Deserialize;
use tilefn_abi::{DType, ParamKind};
use types::{Nodata, Value};

use super::text::sanitise;
use super::value::{fit, nodata_from_json, value_from_json};

/// The rule of [`is_name`], as the end of a sentence.
pub(super) const NAME_RULE: &str = "a name has 1 to 64 letters A-Z a-z, digits, `_` or `-`, and no digit or `-` first";
const NAME_BYTES: usize = 64;
/// Most inputs, most parameters and most outputs.
const MAX_ITEMS: usize = 64;
/// Largest halo that can be meant: tiles are smaller.
const MAX_HALO: u32 = 16_384;
/// Longest part of a wrong description that is quoted, in bytes.
const QUOTE_BYTES: usize = 200;

/// A function's interface. Order matters: the call block lists inputs, parameters and outputs in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Its name in job files and exports.
    pub name: String,
    /// The first paragraph of its documentation.
    pub doc: String,
    /// Inputs.
    pub inputs: Vec<InputInfo>,
    /// Parameters.
    pub params: Vec<ParamInfo>,
    /// Outputs; only an accumulating function may have none.
    pub outputs: Vec<OutputInfo>,
    /// Extra pixels that it wants around each input tile.
    pub halo: Halo,
    /// Whether it accumulates a state over all tiles.
    pub reduce: bool,
}

/// A named input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputInfo {
    /// Its name in the job file.
    pub name: String,
    /// The type it is read as; `None`: the file's own.
    pub dtype: Option<DType>,
    /// Whether it takes a list of files.
    pub list: bool,
    /// Whether the job may leave it out.
    pub optional: bool,
    /// Documentation.
    pub doc: String,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInfo {
    /// Its name in the job file.
    pub name: String,
    /// The type of the value, or of each item of the list.
    pub kind: ParamKind,
    /// Whether it is a list.
    pub list: bool,
    /// Its value when the job file has none; `None`: the job file must have one.
    pub default: Option<Value>,
    /// Smallest value allowed, of each item of a list; only integers and floats have one.
    pub min: Option<Value>,
    /// Largest value allowed.
    pub max: Option<Value>,
    /// Documentation.
    pub doc: String,
}

/// A named output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputInfo {
    /// Its name in the job file.
    pub name: String,
    /// Its type; `None`: that of the first input without a type.
    pub dtype: Option<DType>,
    /// Whether it makes a list of files.
    pub list: bool,
    /// The nodata value that it asks for in the file; fits `dtype`.
    pub nodata: Option<Nodata>,
    /// Documentation.
    pub doc: String,
}

/// Extra pixels on each of the four sides of every input tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halo {
    /// Always as many.
    Fixed(u32),
    /// As many as the value of this integer parameter.
    Param(String),
}

/// Whether `name` can name a function, input, parameter or output.
pub(super) fn is_name(name: &str) -> bool {
    let (first, rest) = match name.as_bytes() {
        [first, rest @ ..] if rest.len() < NAME_BYTES => (first, rest),
        _ => return false,
    };
    (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Pointer and length from what `describe:NAME` returns.
pub(super) fn unpack(packed: i64) -> (u32, u32) {
    let [p0, p1, p2, p3, l0, l1, l2, l3] = packed.to_be_bytes();
    (u32::from_be_bytes([p0, p1, p2, p3]), u32::from_be_bytes([l0, l1, l2, l3]))
}

impl Description {
    /// Parses and checks the JSON text of the function exported as `name`; `reduce` says whether it has `merge` and
    /// `finish`. An error is the end of a sentence, safe to show.
    pub(super) fn parse(name: &str, json: &[u8], reduce: bool) -> Result<Self, String> {
        // Recursion is bounded by serde_json, the size by the caller.
        let raw: RawDescription = serde_json::from_slice(json).map_err(|e| quoted(&e.to_string()))?;
        let RawDescription { name: described, doc, inputs, params, outputs, halo, reduce: described_reduce } = raw;
        if described != name {
            return Err(format!("it names itself `{}`", quoted(&described)));
        }
        if described_reduce != reduce {
            let (says, has) = (if described_reduce { "true" } else { "false" }, if reduce { "has" } else { "has no" });
            return Err(format!("\"reduce\" is {says}, but the module {has} `merge:{name}` and `finish:{name}`"));
        }
        let this = Self {
            name: described,
            doc: shown_doc(&doc),
            inputs: checked("input", inputs, |i| &i.name, input)?,
            params: checked("parameter", params, |p| &p.name, param)?,
            outputs: checked("output", outputs, |o| &o.name, output)?,
            halo: match halo {
                RawHalo::Fixed(pixels) => u32::try_from(pixels)
                    .ok()
                    .filter(|pixels| *pixels <= MAX_HALO)
                    .map(Halo::Fixed)
                    .ok_or_else(|| format!("the halo of {pixels} isn't between 0 and {MAX_HALO}"))?,
                RawHalo::Param(name) => Halo::Param(name),
            },
            reduce,
        };
        this.check_relations()?;
        Ok(this)
    }

    /// What one part demands of another.
    fn check_relations(&self) -> Result<(), String> {
        if self.outputs.is_empty() && !self.reduce {
            return Err("it has neither outputs nor \"reduce\"".to_owned());
        }
        if let Halo::Param(name) = &self.halo {
            match self.params.iter().find(|p| p.name == *name) {
                Some(param) if param.kind == ParamKind::Int && !param.list => {}
                _ => {
                    return Err(format!("the halo `{}` isn't the name of an integer parameter", quoted(name)));
                }
            }
        }
        let any_input = self.inputs.iter().any(|i| i.dtype.is_none());
        match self.outputs.iter().find(|o| o.dtype.is_none()) {
            Some(output) if !any_input => {
                Err(format!("the type of output `{}` is \"any\", but no input has this type", output.name))
            }
            _ => Ok(()),
        }
    }
}

fn input(raw: RawInput) -> Result<InputInfo, String> {
    let RawInput { name, dtype: type_name, list, optional, doc } = raw;
    let dtype = dtype("input", &name, &type_name)?;
    Ok(InputInfo { dtype, list, optional, doc: shown_doc(&doc), name })
}

fn param(raw: RawParam) -> Result<ParamInfo, String> {
    let RawParam { name, kind, list, default, min, max, doc } = raw;
    let kind = match kind.as_str() {
        "bool" => ParamKind::Bool,
        "int" => ParamKind::Int,
        "float" => ParamKind::Float,
        "text" => ParamKind::Text,
        "bytes" if list => {
            return Err(format!(
                "parameter `{name}` is a list of bytes, which can't be: take one parameter for each file"
            ));
        }
        "bytes" if default.is_some() => {
            return Err(format!(
                "parameter `{name}` is bytes and has a default, which can't be: the job names its file"
            ));
        }
        "bytes" => ParamKind::Bytes,
        other => {
            let other = quoted(other);
            return Err(format!(
                "parameter `{name}` has the unknown type \"{other}\" (bool, int, float, text or bytes)"
            ));
        }
    };
    let bound = |bound: Option<serde_json::Value>, which: &str| match bound {
        None => Ok(None),
        Some(_) if !matches!(kind, ParamKind::Int | ParamKind::Float) => {
            Err(format!("parameter `{name}` has a {which}imum, but isn't a number"))
        }
        Some(json) => match value_from_json(kind, &json) {
            None => Err(format!("the {which}imum of parameter `{name}` is of another type than the parameter")),
            bound => Ok(bound),
        },
    };
    let (min, max) = (bound(min, "min")?, bound(max, "max")?);
    if min.as_ref().zip(max.as_ref()).is_some_and(|(min, max)| !max.at_least(min)) {
        return Err(format!("the minimum of parameter `{name}` is above its maximum"));
    }
    let mut param = ParamInfo { list, kind, default: None, min, max, doc: shown_doc(&doc), name };
    if let Some(default) = default {
        let value = match (&default, list) {
            (serde_json::Value::Array(items), true) => {
                items.iter().map(|item| value_from_json(kind, item)).collect::<Option<Vec<_>>>().map(Value::List)
            }
            (_, true) => None,
            (default, false) => value_from_json(kind, default),
        };
        let name = &param.name;
        let value =
            value.ok_or_else(|| format!("the default of parameter `{name}` is of another type than the parameter"))?;
        param.check(&value).map_err(|problem| format!("the default of parameter `{name}` {problem}"))?;
        param.default = Some(value);
    }
    Ok(param)
}

impl ParamInfo {
    /// Whether the parameter can have this value: its type, its limits.
    ///
    /// # Errors
    /// The mistake, as the end of a sentence that begins with the parameter.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let check = |value: &Value| value.check(self.kind, self.min.as_ref(), self.max.as_ref());
        match (value, self.list) {
            (Value::List(items), true) => items.iter().try_for_each(check),
            (_, true) => Err("is not a list".to_owned()),
            (value, false) => check(value),
        }
    }
}

fn output(raw: RawOutput) -> Result<OutputInfo, String> {
    let RawOutput { name, dtype: type_name, list, nodata, doc } = raw;
    let dtype = dtype("output", &name, &type_name)?;
    let nodata = match nodata {
        None => None,
        Some(json) => {
            let number = nodata_from_json(&json);
            let number =
                number.ok_or_else(|| format!("the nodata of output `{name}` is neither a number nor \"nan\""))?;
            let fitting = dtype.map_or(Some(number), |dtype| fit(number, dtype));
            // NaN keeps the spelling that it has had in this text.
            let shown = match number {
                Nodata::Int(value) => value.to_string(),
                Nodata::Float(value) => value.to_string(),
            };
            Some(
                fitting
                    .ok_or_else(|| format!("the nodata {shown} of output `{name}` doesn't fit its type {type_name}"))?,
            )
        }
    };
    Ok(OutputInfo { dtype, list, nodata, doc: shown_doc(&doc), name })
}

/// Converts the items of one kind, having checked their number and names.
fn checked<R, T>(
    what: &str,
    raw: Vec<R>,
    name: impl Fn(&R) -> &String,
    convert: impl Fn(R) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    if raw.len() > MAX_ITEMS {
        return Err(format!("it has {} {what}s, the limit is {MAX_ITEMS}", raw.len()));
    }
    let mut names: Vec<_> = raw.iter().map(&name).collect();
    if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
        let wrong = quoted(wrong);
        return Err(format!("\"{wrong}\" can't be the name of any {what}: {NAME_RULE}"));
    }
    names.sort_unstable();
    if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
        return Err(format!("the {what} `{name}` is there twice"));
    }
    raw.into_iter().map(convert).collect()
}

fn dtype(what: &str, name: &str, type_name: &str) -> Result<Option<DType>, String> {
    match DType::from_name(type_name) {
        None if type_name == "any" => Ok(None),
        None => {
            Err(format!("{what} `{name}` has the unknown type \"{}\" (uint8 … float64, or any)", quoted(type_name)))
        }
        dtype => Ok(dtype),
    }
}

/// A documentation text that is safe to show: its lines stay, anything else that a terminal obeys goes.
fn shown_doc(doc: &str) -> String {
    doc.split('\n').map(|line| sanitise(line.as_bytes(), usize::MAX)).collect::<Vec<_>>().join("\n")
}

fn quoted(text: &str) -> String {
    sanitise(text.as_bytes(), QUOTE_BYTES)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a description as a JSON object")]
struct RawDescription {
    name: String,
    #[serde(default)]
    doc: String,
    #[serde(default)]
    inputs: Vec<RawInput>,
    #[serde(default)]
    params: Vec<RawParam>,
    #[serde(default)]
    outputs: Vec<RawOutput>,
    #[serde(default)]
    halo: RawHalo,
    #[serde(default)]
    reduce: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an input as a JSON object")]
struct RawInput {
    name: String,
    dtype: String,
    #[serde(default)]
    list: bool,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a parameter as a JSON object")]
struct RawParam {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    list: bool,
    default: Option<serde_json::Value>,
    min: Option<serde_json::Value>,
    max: Option<serde_json::Value>,
    #[serde(default)]
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an output as a JSON object")]
struct RawOutput {
    name: String,
    dtype: String,
    #[serde(default)]
    list: bool,
    nodata: Option<serde_json::Value>,
    #[serde(default)]
    doc: String,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "the halo must be a number of pixels or the name of a parameter")]
enum RawHalo {
    Fixed(i64),
    Param(String),
}

impl Default for RawHalo {
    fn default() -> Self {
        Self::Fixed(0)
    }
}
