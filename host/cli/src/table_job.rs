//! A job with `[table]`: a function over the rows of attribute tables.
//!
//! Columns become rasters of one column in a temporary folder, an ordinary job runs over them, and what it has made becomes columns
//! again. So a function, a kind of workers and a limit can't tell rows from pixels.

use super::console::Console;
use super::fatal::Fatal;
use super::prepare::{self, JobArguments, RunArguments};
use super::run;
use super::table_file::quoted;
use grid::{Crs, GeoTransform, Grid, Window};
use job::spec::{Input, Spec};
use job::{Loaded, Mistakes, did_you_mean};
use raster::{Column, ColumnType, Import, Source, SourceBand, SourceSpec, Target, TargetSpec, Values, Way, import_columns, read_table, table_info};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use tilefn_abi::DType;
use types::{Edge, for_dtype, Pixel};

/// The band whose table it is.
const BAND: usize = 1;

/// Runs the job; puts its columns into the tables once all rows are done.
pub fn run_table(arguments: &RunArguments, loaded: &Loaded, console: &Console) -> Result<(), Fatal> {
    let rows = check(loaded, arguments.job.overwrite)?;
    let folder = tempfile::tempdir().map_err(|e| Fatal::failed(format!("no temporary folder: {e}")))?;
    if !arguments.dry_run {
        columns_to_rasters(&loaded.spec, rows, folder.path())?;
    } else {
        empty_rasters(&loaded.spec, rows, folder.path())?;
    }
    let job = inner(&loaded.spec, folder.path())?;
    let mut inner = arguments.clone();
    inner.job = JobArguments::made("table", |key| Some(key.to_owned()), None);
    let text = format!("{job:#}");
    let load = || job::load_text("table", text, folder.path(), &[]).map_err(|found| inner.job.mistakes(found));
    run::run_made(&inner, load, console)?;
    if arguments.dry_run {
        return Ok(());
    }
    rasters_to_columns(&loaded.spec, rows, folder.path(), arguments.job.overwrite, console)
}

/// Everything that can be known before the first row. Returns the number of rows.
fn check(loaded: &Loaded, overwrite: bool) -> Result<u32, Fatal> {
    let mut mistakes = Mistakes::new();
    let mut tables = BTreeMap::new();
    let mut first: Option<(String, usize)> = None;
    for (name, input) in &loaded.spec.inputs {
        let key = format!("inputs.{name}");
        let Input::Raster(input) = input else {
            mistakes.add(loaded.position(&key), key, "a vector file has no attribute table of classes");
            continue;
        };
        let path = input.files.as_slice().first().map(ToString::to_string).unwrap_or_default();
        let wanted = input.column.as_deref().unwrap_or(name);
        let info = match tables.entry(path.clone()).or_insert_with(|| table_info(&path, BAND)) {
            Ok(Some(info)) => info,
            Ok(None) => {
                mistakes.add(loaded.position(&key), key, format!("{path} has no attribute table"));
                continue;
            }
            Err(error) => {
                mistakes.add(loaded.position(&key), key, error.to_string());
                continue;
            }
        };
        let key = if input.column.is_some() { format!("{key}.column") } else { key };
        match info.columns.iter().find(|column| column.name == wanted) {
            None => {
                let names: Vec<_> = info.columns.iter().map(|column| column.name.as_str()).collect();
                let hint = match did_you_mean(wanted, names.iter().copied()) {
                    Some(known) => format!("did you mean {known:?}?"),
                    None => format!("it has: {}", names.join(", ")),
                };
                let message = format!("the attribute table of {path} has no column {wanted:?}");
                mistakes.add(loaded.position(&key), key, message).hint(hint);
            }
            Some(Column { kind: ColumnType::String, .. }) => {
                let message = format!("the column {wanted:?} of {path} has texts, and functions get numbers");
                mistakes.add(loaded.position(&key), key, message);
            }
            Some(_) => match &first {
                Some((other, rows)) if *rows != info.rows => {
                    let message = format!("the table of {path} has {} rows, that of {other} {rows}", info.rows);
                    mistakes.add(loaded.position(&key), key, message);
                }
                Some(_) => {}
                None => first = Some((path, info.rows)),
            },
        }
    }
    for (name, output) in &loaded.spec.outputs {
        let path = output.files.as_slice().first().map(ToString::to_string).unwrap_or_default();
        let column = output.column.as_deref().unwrap_or(name);
        let key = format!("outputs.{name}");
        match tables.entry(path.clone()).or_insert_with(|| table_info(&path, BAND)) {
            Err(error) => _ = mistakes.add(loaded.position(&key), key, error.to_string()),
            Ok(Some(info)) if !overwrite && info.columns.iter().any(|other| other.name == column) => {
                let message = format!("the attribute table of {path} has a column {column:?}");
                mistakes.add(loaded.position(&key), key, message).hint("choose another name, or --overwrite");
            }
            Ok(_) => {}
        }
    }
    if loaded.spec.inputs.is_empty() {
        mistakes.add(loaded.position("table"), "table", "a job over rows needs an input, whose table has them");
    }
    let rows = first.map_or(0, |(_, rows)| rows);
    let rows = mistakes.into_result(rows).map_err(prepare::mistakes)?;
    let rows = u32::try_from(rows).map_err(|_| Fatal::usage(format!("tables of {rows} rows are too long")))?;
    if rows == 0 {
        return Err(Fatal::usage("the attribute table has no rows"));
    }
    Ok(rows)
}

/// The job over the rasters of columns.
fn inner(spec: &Spec, folder: &Path) -> Result<Value, Fatal> {
    let whole = serde_json::to_value(spec).map_err(Fatal::failed)?;
    let mut job = Map::new();
    for section in ["function", "params", "limits", "workers"] {
        if let Some(value) = whole.get(section) {
            job.insert(section.to_owned(), value.clone());
        }
    }
    let inputs: Map<_, _> = spec.inputs.keys().map(|name| (name.clone(), json!({ "path": input_path(folder, name) }))).collect();
    let rows = spec.table.as_ref().map_or(1, |table| table.rows);
    let options = json!(["TILED=NO", format!("BLOCKYSIZE={rows}"), "COMPRESS=NONE"]);
    let outputs = spec.outputs.iter().map(|(name, output)| {
        let mut value = Map::from_iter([
            ("path".to_owned(), json!(output_path(folder, name))),
            ("options".to_owned(), options.clone()),
        ]);
        if let Some(dtype) = output.dtype {
            value.insert("dtype".to_owned(), json!(dtype.name()));
        }
        (name.clone(), value.into())
    });
    job.insert("outputs".to_owned(), outputs.collect::<Map<_, _>>().into());
    job.insert("inputs".to_owned(), inputs.into());
    job.insert("grid".to_owned(), json!({ "tile": [1, rows], "skip_empty": false }));
    Ok(job.into())
}

fn input_path(folder: &Path, name: &str) -> String {
    folder.join(format!("in-{name}.tif")).display().to_string()
}

fn output_path(folder: &Path, name: &str) -> String {
    folder.join(format!("out-{name}.tif")).display().to_string()
}
