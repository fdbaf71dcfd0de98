//! The job's sections, with `[function]`, `[params]` and `[limits]` themselves.

use indexmap::IndexMap;

use super::{Field, Reader, Section, grid, rasters, workers};
use crate::spec::{Function, Limits, Spec, Value};
use crate::tree::{Data, Node, join};
use crate::units::{Size, Time};

/// The whole job file.
pub fn job(r: &mut Reader<'_>, tree: &Node) -> Option<Spec> {
    let mut s = Section::of(r, &Field { path: String::new(), node: tree })?;
    let function = s.need(r, "function", "[function]\n        module = \"ndvi.wasm\"", function);
    let params = s.read(r, "params", |r, f| by_name(r, f, param));
    let inputs = s.read(r, "inputs", |r, f| by_name(r, f, rasters::input));
    let outputs = s.read(r, "outputs", |r, f| by_name(r, f, rasters::output));
    if let Some(outputs) = &outputs {
        rasters::same_file_twice(r, tree, outputs);
    }
    let names: Vec<_> = match tree.entry("inputs").map(|e| &e.node.data) {
        Some(Data::Table(entries)) => entries.iter().map(|e| e.key.as_str()).collect(),
        _ => Vec::new(),
    };
    let grid = s.read(r, "grid", |r, f| grid::grid(r, f, &names));
    let limits = s.read(r, "limits", limits);
    let workers = s.read(r, "workers", workers::workers);
    s.finish(r);
    Some(Spec {
        function: function?,
        params: params.unwrap_or_default(),
        inputs: inputs.unwrap_or_default(),
        outputs: outputs.unwrap_or_default(),
        grid: grid.unwrap_or_default(),
        limits: limits.unwrap_or_default(),
        workers: workers.unwrap_or_default(),
    })
}

/// A table whose keys are names of the user's choice. `None` only if it is no table; values that are wrong are left out.
fn by_name<T>(
    r: &mut Reader<'_>,
    field: &Field<'_>,
    mut read: impl FnMut(&mut Reader<'_>, &Field<'_>) -> Option<T>,
) -> Option<IndexMap<String, T>> {
    let Data::Table(entries) = &field.node.data else {
        r.expected(field, "a table");
        return None;
    };
    let mut found = IndexMap::new();
    for entry in entries {
        let field = Field { path: join(&field.path, &entry.key), node: &entry.node };
        if let Some(value) = read(r, &field) {
            found.insert(entry.key.clone(), value);
        }
    }
    Some(found)
}

fn function(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Function> {
    let mut s = Section::of(r, field)?;
    let module = s.need(r, "module", "module = \"ndvi.wasm\"", Reader::path);
    let name = s.read(r, "name", Reader::text);
    let sha256 = s.read(r, "sha256", |r, f| {
        r.text_like(f, "a SHA-256 of 64 hexadecimal digits", |text| {
            text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
        })
    });
    s.finish(r);
    Some(Function { module: module?, name, sha256 })
}

fn param(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Value> {
    if let Data::List(items) = &field.node.data {
        let wanted = "true, false, a number or text";
        return r.items(field, items, |r, f| scalar(r, f, wanted)).map(Value::List);
    }
    scalar(r, field, "true, false, a number, text, or a list of these")
}

fn scalar(r: &mut Reader<'_>, field: &Field<'_>, wanted: &str) -> Option<Value> {
    let value = match &field.node.data {
        Data::Bool(value) => Some(Value::Bool(*value)),
        Data::Int(value) => Some(Value::Int(*value)),
        Data::Float(value) => Some(Value::Float(*value)),
        Data::Text(text) => Some(Value::Text(text.clone())),
        Data::List(_) | Data::Table(_) | Data::Other(_) => None,
    };
    r.want(field, wanted, value)
}

fn limits(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Limits> {
    let mut s = Section::of(r, field)?;
    let default = Limits::default();
    let memory = s.read(r, "memory", |r, f| r.size(f, Size::MIB..=Size(4 << 30)));
    let time = s.read(r, "time", |r, f| r.time(f, Time::millis(1)..=Time::seconds(86_400)));
    let fuel = s.read(r, "fuel", |r, f| {
        let value = match f.node.data {
            Data::Int(value) => u64::try_from(value).ok(),
            _ => None,
        };
        r.want(f, "a number of instructions, 0 for unlimited", value)
    });
    s.finish(r);
    Some(Limits {
        memory: memory.unwrap_or(default.memory),
        time: time.unwrap_or(default.time),
        fuel: fuel.unwrap_or(default.fuel),
    })
}
