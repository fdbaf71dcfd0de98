//! The job's parameters against the function's description.

use super::draft::Draft;
use crate::units::Size;
use sandbox::ParamInfo;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use tilefn_abi::ParamKind;
use types::{Content, Location, ParamFile, Value};

/// The values in the description's order; mistakes for missing, unknown, mistyped and out-of-range ones.
pub fn check(draft: &mut Draft<'_>) -> Vec<Value> {
    let (given, description) = (&draft.loaded.spec.params, draft.description);
    let names: Vec<_> = description.params.iter().map(|p| p.name.as_str()).collect();
    for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
        draft.unknown("params", "parameter", name, &names);
    }
    let mut values = Vec::new();
    for param in &description.params {
        let key = format!("params.{}", param.name);
        match (given.get(&param.name), &param.default) {
            (Some(value), _) => match given_value(value, param, draft.loaded.spec.limits.memory.0) {
                Ok(value) => values.push(value),
                Err(problem) => {
                    draft.wrong(key, problem);
                }
            },
            (None, Some(default)) => values.push(default.clone()),
            (None, None) => {
                draft.wrong(key, format!("the function {} needs this parameter", description.name)).hint(format!(
                    "add `{} = …` ({}) under [params]",
                    param.name,
                    type_name(param)
                ));
            }
        }
    }
    values
}

/// A parameter's value, as the function gets it: a file is read.
fn given_value(value: &Value, param: &ParamInfo, memory: u64) -> Result<Value, String> {
    let mut value = convert(value, param)?;
    if let Value::File(file) = &mut value {
        file.content = Some(Content(read(&file.file, memory)?.into()));
    }
    param.check(&value)?;
    Ok(value)
}

/// The bytes of a parameter's file, for which the function's memory must have room.
fn read(path: &Location, memory: u64) -> Result<Vec<u8>, String> {
    if path.kind().is_elsewhere() {
        return Err(format!("{path} is not a local file: a parameter's file is read from this machine"));
    }
    let problem = |error: std::io::Error| format!("can't read {path}: {error}");
    let file = File::open(path.as_str()).map_err(problem)?;
    let found = file.metadata().map_err(problem)?;
    if !found.is_file() {
        return Err(format!("{path} is no file"));
    }
    // What is read is what counts: a file may grow.
    let mut bytes = Vec::new();
    file.take(memory).read_to_end(&mut bytes).map_err(problem)?;
    if bytes.len() as u64 >= memory {
        let (size, limit) = (Size(found.len()), Size(memory));
        return Err(format!(
            "{path} has {size}, and the function gets it in its own memory, of which limits.memory allows {limit}"
        ));
    }
    Ok(bytes)
}

/// SHA-256 of the parameters' files, by the parameters' names.
pub fn file_sha256(params: &[ParamInfo], values: &[Value]) -> BTreeMap<String, String> {
    let hash = |(param, value): (&ParamInfo, &Value)| match value {
        Value::File(ParamFile { content: Some(content), .. }) => Some((param.name.clone(), sha256(&content.0))),
        _ => None,
    };
    params.iter().zip(values).filter_map(hash).collect()
}

/// Lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value as one of the parameter's type: an integer is a float where a float is wanted, nothing else changes.
///
/// # Errors
/// What was expected, and what was found.
pub fn convert(value: &Value, param: &ParamInfo) -> Result<Value, String> {
    let fail = || format!("expected {}, found {value}", type_name(param));
    let single = |value: &Value| match param.kind {
        ParamKind::Float => value.as_f64().map(Value::Float),
        kind => (value.kind() == Some(kind)).then(|| value.clone()),
    };
    match (param.list, value) {
        (true, Value::List(items)) => items.iter().map(single).collect::<Option<_>>().map(Value::List).ok_or_else(fail),
        (true, _) | (false, Value::List(_)) => Err(fail()),
        (false, value) => single(value).ok_or_else(fail),
    }
}

/// What the parameter holds, with its article.
fn type_name(param: &ParamInfo) -> String {
    let one = match param.kind {
        ParamKind::Bool => "true or false",
        ParamKind::Int => "an integer",
        ParamKind::Float => "a number",
        ParamKind::Text => "a text",
        ParamKind::Bytes => "a file as { file = \"…\" }",
    };
    if !param.list {
        return one.into();
    }
    let many = match param.kind {
        ParamKind::Bool => "true or false",
        ParamKind::Int => "integers",
        ParamKind::Float => "numbers",
        ParamKind::Text => "texts",
        ParamKind::Bytes => "files",
    };
    format!("a list of {many}")
}
