//! The module of a job's function: read from a file, packed from a Python program's files, or compiled from an expression.

use super::bundle;
use super::fatal::Fatal;
use super::prepare::sha256;
use super::s3;
use expression::{Compiled, Input, Param, Source};
use job::spec::{Burn, Cast, Code, RasterFiles};
use job::{Loaded, Survey};
use std::path::{Path, PathBuf};
use tilefn_abi::{DType, ParamKind};
use types::Value;
use types::location::Kind;

/// Bytes of a module that comes from S3.
const MAX_MODULE: u64 = 1 << 30;

/// The function as messages and the report show it: the module's path, or the expression.
pub fn shown(loaded: &Loaded) -> String {
    match &loaded.spec.function.code {
        Code::Module(path) => path.to_string(),
        Code::Expression(text) => text.trim().to_owned(),
    }
}

/// The bytes of the job's module file, or of its Python program with the files that it may read.
pub fn read_module(loaded: &Loaded) -> Result<Vec<u8>, Fatal> {
    let function = &loaded.spec.function;
    let Some(path) = function.module() else { return Err(Fatal::failed("the function isn't a module")) };
    let is_python = bundle::is_python(Path::new(path.as_str()));
    if !function.include.is_empty() && !is_python {
        return Err(Fatal::usage(format!(
            "function.include: only a Python function can read files; {path} is a module, which gets a file's bytes as \
             a parameter: `NAME = {{ file = \"…\" }}` under [params]"
        )));
    }
    let bytes = match path.kind() {
        Kind::Url { .. } if is_python => {
            return Err(Fatal::usage(format!(
                "function.module: {path} is not a local file: a Python function is read from this machine, with the files that \
                 it includes"
            )));
        }
        Kind::Url { scheme: "s3" } => s3::read(path, MAX_MODULE)?,
        Kind::Url { .. } => {
            return Err(Fatal::usage(format!("function.module: {path} is not a local file, which tilefn run needs")));
        }
        _ if is_python => {
            let include: Vec<_> = function.include.iter().map(|path| PathBuf::from(path.as_str())).collect();
            bundle::python(Path::new(path.as_str()), &include)
                .map_err(|(key, text)| Fatal::usage(format!("function.{key}: {text}")))?
        }
        _ => std::fs::read(path.as_str()).map_err(|e| {
            let build =
                if e.kind() == std::io::ErrorKind::NotFound { "; is it built? tilefn build makes it" } else { "" };
            Fatal::usage(format!("function.module: can't read {path}: {e}{build}"))
        })?,
    };
    if let Some(wanted) = &function.sha256 {
        let found = sha256(&bytes);
        if !wanted.eq_ignore_ascii_case(&found) {
            return Err(Fatal::usage(format!(
                "function.sha256: {path} has sha256 {found}, the job file wants {wanted}"
            )));
        }
    }
    Ok(bytes)
}

/// Compiles the job's expression, with the types and bands that its input files have. `made`: whether a command has made the job,
/// so that no place in a file would tell anybody anything.
pub fn expression(loaded: &Loaded, text: &str, survey: &Survey, made: bool) -> Result<Compiled, Fatal> {
    let spec = &loaded.spec;
    let wrong = |name: &str, kind: &str| {
        Fatal::usage(format!("params.{name}: an expression takes numbers and true or false, not {kind}"))
    };
    let params = spec.params.iter().map(|(name, value)| {
        let kind = match value {
            Value::Bool(_) => ParamKind::Bool,
            Value::Int(_) => ParamKind::Int,
            Value::Float(_) => ParamKind::Float,
            Value::Text(_) => return Err(wrong(name, "texts")),
            Value::List(_) => return Err(wrong(name, "lists")),
            Value::File(_) => return Err(wrong(name, "files")),
        };
        // Without the value, so that another one needs no other module.
        Ok(Param { name: name.clone(), kind, default: None })
    });
    let source = Source {
        text,
        inputs: spec.inputs.iter().map(|(name, input)| known(name, input, survey)).collect(),
        params: params.collect::<Result<_, Fatal>>()?,
        outputs: spec.outputs.iter().map(|(name, output)| (name.clone(), output.dtype)).collect(),
        dtype: None,
        strict: spec.function.cast == Some(Cast::Strict),
    };
    expression::compile(&source).map_err(|mistakes| {
        let place = loaded.position("function.expression");
        let place = if made { String::new() } else { format!("{place}: function.expression: ") };
        let detail = mistakes.all.iter().map(|mistake| {
            serde_json::json!({
                "start": mistake.span.start, "end": mistake.span.end, "message": mistake.message, "hint": mistake.remedy,
            })
        });
        let detail = serde_json::json!({ "expression": text, "mistakes": detail.collect::<Vec<_>>() });
        Fatal { code: 2, text: format!("{place}{mistakes}"), detail: Some(detail) }
    })
}

/// Whether the job's function is an expression.
pub fn is_expression(loaded: &Loaded) -> bool {
    matches!(loaded.spec.function.code, Code::Expression(_))
}

/// What is known of an input. A file that can't be opened is a mistake of the plan's.
fn known(name: &str, input: &job::spec::Input, survey: &Survey) -> Input {
    let name = name.to_owned();
    let raster = match input {
        job::spec::Input::Vector(vector) => {
            let bands = match vector.burn() {
                _ if !vector.coverage => Some(1),
                // All polygons have the same value.
                Burn::Value(_) => Some(2),
                // Planning counts them, when it knows the grid.
                Burn::Attribute(_) => None,
            };
            return Input { name, dtype: vector.dtype, list: false, files: None, bands };
        }
        job::spec::Input::Raster(raster) => raster,
    };
    let list = raster.files.is_list() && raster.mosaic.is_none();
    let mut types = Vec::new();
    let mut counts = Vec::new();
    for file in raster.each() {
        let Ok(info) = survey.info(file.path) else { continue };
        let number = |band: &u32| usize::try_from(*band).unwrap_or(0);
        let bands: Vec<_> = match file.bands {
            Some(bands) => bands.iter().map(number).collect(),
            None => (1..=info.bands.len()).collect(),
        };
        types.extend(info.dtypes_of(&bands).unwrap_or_default());
        counts.push(u32::try_from(bands.len()).unwrap_or(u32::MAX));
    }
    let dtype = match raster.unscale {
        // Scaled numbers have fractions.
        Some(true) if types.iter().all(|dtype| dtype.size() <= 2) => DType::Float32,
        Some(true) => DType::Float64,
        _ => common(&types),
    };
    let bands = counts.first().copied().filter(|first| counts.iter().all(|count| count == first));
    let files = match &raster.files {
        RasterFiles::List(files) if list => u32::try_from(files.len()).ok(),
        _ => None,
    };
    Input { name, dtype, list, files, bands }
}

/// A type that holds the pixels of all of these; float32 where nothing is known.
fn common(types: &[DType]) -> DType {
    let Some(first) = types.first() else { return DType::Float32 };
    if types.iter().all(|dtype| dtype == first) {
        return *first;
    }
    let small = |dtype: &DType| dtype.size() <= 2;
    let single = |dtype: &DType| small(dtype) || *dtype == DType::Float32;
    match (types.iter().any(|dtype| dtype.is_float()), types.iter().all(single)) {
        (true, true) => DType::Float32,
        (true, false) => DType::Float64,
        // One of those that float32 holds exactly.
        (false, true) => DType::UInt16,
        (false, false) => DType::Int64,
    }
}
