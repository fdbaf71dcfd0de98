//! The job's parameters against the function's description.

use super::draft::Draft;
use sandbox::ParamInfo;
use tilefn_abi::ParamKind;
use types::Value;

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
            (Some(value), _) => match convert(value, param).and_then(|value| param.check(&value).map(|()| value)) {
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
    };
    if !param.list {
        return one.into();
    }
    let many = match param.kind {
        ParamKind::Bool => "true or false",
        ParamKind::Int => "integers",
        ParamKind::Float => "numbers",
        ParamKind::Text => "texts",
    };
    format!("a list of {many}")
}
