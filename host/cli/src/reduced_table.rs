//! The result of an accumulating function as a table: `[reduced]` of the job file.

use super::fatal::Fatal;
use super::new_file::{place, unwritten};
use super::table_file::{Format, TableFile, write_csv, write_parquet};
use serde_json::{Map, Value};
use std::fmt::Display;
use types::{Column, Table};

/// The column of a map's keys, and that of its values where these are no records.
const KEY: &str = "id";
const VALUE: &str = "value";
/// Up to here a float holds every whole number.
const EXACT: u64 = 1 << 53;

/// Why the table is not there.
pub enum Unwritten {
    /// The result is no table.
    Shape(Fatal),
    /// The file can't be written.
    File(Fatal),
}

/// Writes the result to the file that the job names.
pub fn write(result: &Value, path: &str) -> Result<(), Unwritten> {
    let wrong = |reason: &dyn Display| {
        Fatal::failed(format!("the job is done, but its result can't be written to {path} (reduced.path): {reason}"))
    };
    let file: TableFile = path.parse().map_err(|reason| Unwritten::File(wrong(&reason)))?;
    let table = table(result).map_err(|reason| Unwritten::Shape(wrong(&reason)))?;
    let written = place(&file.path, |to| {
        let written = match file.format {
            Format::Csv => write_csv(&table, to).map_err(|e| e.to_string()),
            Format::Parquet => write_parquet(&table, to).map_err(|e| e.to_string()),
            Format::GeoPackage => Err("a result has no polygons".to_owned()),
        };
        written.map_err(|e| unwritten(&file.path, e))
    });
    written.map_err(|e| Unwritten::File(wrong(&e.text)))
}

/// A row of the table: what it is called in messages, and its fields.
type Record<'a> = (String, &'a Map<String, Value>);

/// A list of records, or a map from ids to records or to single values, as a table.
fn table(result: &Value) -> Result<Table, String> {
    let no_record = |which: &dyn Display, value: &Value| format!("{which} is {}, not a record", kind(value));
    match result {
        // What a function without any tile returns.
        Value::Null => Ok(Table::default()),
        Value::Array(list) => {
            let records = list.iter().zip(1..).map(|(value, number)| match value {
                Value::Object(record) => Ok((format!("record {number}"), record)),
                value => Err(no_record(&format!("item {number} of the result"), value)),
            });
            columns(&records.collect::<Result<Vec<_>, _>>()?)
        }
        Value::Object(map) if map.values().any(Value::is_object) => {
            let records = map.iter().map(|(id, value)| match value {
                Value::Object(record) => Ok((format!("record {id:?}"), record)),
                value => Err(no_record(&format!("the value of {id:?} in the result"), value)),
            });
            let mut table = columns(&records.collect::<Result<Vec<_>, _>>()?)?;
            if table.columns.iter().any(|(name, _)| name == KEY) {
                return Err(format!(
                    "the records have a column {KEY:?}, which is that of their keys: return them as a list"
                ));
            }
            table.columns.insert(0, (KEY.to_owned(), keys(map)));
            Ok(table)
        }
        Value::Object(map) => {
            let values = map.iter().map(|(id, value)| (format!("the value of {id:?}"), value));
            let values = column(&values.collect::<Vec<_>>())?;
            Ok(Table { columns: vec![(KEY.to_owned(), keys(map)), (VALUE.to_owned(), values)] })
        }
        other => Err(format!(
            "the function returned {}; a table is made of a list of records, or of a map from ids to records or values",
            kind(other)
        )),
    }
}

/// The columns of records, in the order of the first one's.
fn columns(records: &[Record<'_>]) -> Result<Table, String> {
    let Some(((first, model), others)) = records.split_first() else { return Ok(Table::default()) };
    for (which, record) in others {
        if let Some(name) = model.keys().find(|name| !record.contains_key(*name)) {
            return Err(format!("{which} has no {name:?}, which {first} has"));
        }
        if let Some(name) = record.keys().find(|name| !model.contains_key(*name)) {
            return Err(format!("{which} has {name:?}, which {first} has not"));
        }
    }
    let columns = model.keys().map(|name| {
        let values =
            records.iter().filter_map(|(which, record)| Some((format!("{which}, {name:?}"), record.get(name)?)));
        Ok((name.clone(), column(&values.collect::<Vec<_>>())?))
    });
    Ok(Table { columns: columns.collect::<Result<_, String>>()? })
}

/// The keys of a map: numbers, if all are whole.
fn keys(map: &Map<String, Value>) -> Column {
    let number = |key: &String| key.parse::<i64>().ok().filter(|number| number.to_string() == *key);
    match map.keys().map(number).collect::<Option<Vec<_>>>() {
        Some(numbers) => Column::Integers(numbers.into_iter().map(Some).collect()),
        None => Column::Texts(map.keys().cloned().map(Some).collect()),
    }
}

/// A column of values of one kind; `null` is a value that there isn't. Each comes with what it is called in messages.
fn column(values: &[(String, &Value)]) -> Result<Column, String> {
    let there = || values.iter().filter(|(_, value)| !value.is_null());
    if let Some((which, value)) = there().find(|(_, value)| value.is_array() || value.is_object()) {
        return Err(format!("{which}: a table has no place for {}", kind(value)));
    }
    let Some((first, model)) = there().next() else { return Ok(Column::Floats(vec![None; values.len()])) };
    if let Some((which, value)) = there().find(|(_, value)| kind(value) != kind(model)) {
        return Err(format!("{which} is {}, and {first} is {}: a column has one kind", kind(value), kind(model)));
    }
    let all = || values.iter().map(|(_, value)| *value);
    Ok(match model {
        Value::Bool(_) => Column::Bools(all().map(Value::as_bool).collect()),
        Value::String(_) => Column::Texts(all().map(|value| value.as_str().map(str::to_owned)).collect()),
        _ if there().all(|(_, value)| value.is_i64()) => Column::Integers(all().map(Value::as_i64).collect()),
        _ => {
            let inexact = |value: &Value| match value.as_i64() {
                Some(number) => number.unsigned_abs() > EXACT,
                None => value.is_u64(),
            };
            if let Some((which, value)) = there().find(|(_, value)| inexact(value)) {
                return Err(format!("{which}: {value} fits neither int64 nor float64, of which a column is one"));
            }
            Column::Floats(all().map(Value::as_f64).collect())
        }
    })
}

/// What a value is, for messages.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a record",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_of_records() {
        let result = json!([{ "b": 1, "a": null, "c": "x", "d": true }, { "c": "", "a": 0.5, "b": null, "d": null }]);
        let expected = [
            ("b", Column::Integers(vec![Some(1), None])),
            ("a", Column::Floats(vec![None, Some(0.5)])),
            ("c", Column::Texts(vec![Some("x".to_owned()), Some(String::new())])),
            ("d", Column::Bools(vec![Some(true), None])),
        ];
        assert_eq!(table(&result).unwrap().columns, expected.map(|(name, column)| (name.to_owned(), column)));
        for empty in [json!([]), json!(null)] {
            assert_eq!(table(&empty).unwrap(), Table::default());
        }
        let nothing = table(&json!([{ "a": null }])).unwrap();
        assert_eq!(nothing.columns, [("a".to_owned(), Column::Floats(vec![None]))]);
    }

    #[test]
    fn tables_of_maps() {
        let of = |result| table(&result).unwrap().columns;
        let ids = ("id".to_owned(), Column::Integers(vec![Some(10), Some(-2)]));
        let ns = Column::Integers(vec![Some(1), Some(2)]);
        assert_eq!(of(json!({ "10": { "n": 1 }, "-2": { "n": 2 } })), [ids.clone(), ("n".to_owned(), ns.clone())]);
        assert_eq!(of(json!({ "10": 1, "-2": 2 })), [ids, ("value".to_owned(), ns)]);
        // Another text than the number's own is a text.
        let texts = Column::Texts(vec![Some("01".to_owned()), Some("2".to_owned())]);
        assert_eq!(of(json!({ "01": 1, "2": 2 }))[0].1, texts);
    }

    #[test]
    fn results_that_are_no_tables() {
        for (result, message) in [
            (
                json!(7),
                "the function returned a number; a table is made of a list of records, or of a map from ids to records or values",
            ),
            (json!([{ "a": 1 }, 2]), "item 2 of the result is a number, not a record"),
            (json!({ "x": { "a": 1 }, "y": [2] }), "the value of \"y\" in the result is a list, not a record"),
            (json!([{ "a": 1 }, { "a": 2 }, { "b": 2 }]), "record 3 has no \"a\", which record 1 has"),
            (json!([{ "a": 1 }, { "a": 2, "b": 2 }]), "record 2 has \"b\", which record 1 has not"),
            (
                json!([{ "a": 1 }, { "a": "x" }]),
                "record 2, \"a\" is a text, and record 1, \"a\" is a number: a column has one kind",
            ),
            (json!([{ "a": [1] }]), "record 1, \"a\": a table has no place for a list"),
            (json!({ "x": [1] }), "the value of \"x\": a table has no place for a list"),
            (
                json!({ "x": { "id": 1 } }),
                "the records have a column \"id\", which is that of their keys: return them as a list",
            ),
            (
                json!([{ "a": 0.5 }, { "a": 9_007_199_254_740_993_i64 }]),
                "record 2, \"a\": 9007199254740993 fits neither int64 nor float64, of which a column is one",
            ),
            (
                json!([{ "a": u64::MAX }]),
                "record 1, \"a\": 18446744073709551615 fits neither int64 nor float64, of which a column is one",
            ),
        ] {
            assert_eq!(table(&result).unwrap_err(), message);
        }
    }
}
