//! A job with `[table]`: a function over the rows of attribute tables.
//!
//! Columns become rasters of one column in a temporary folder, an ordinary job runs over them, and what it has made becomes columns
//! again. So a function, a kind of workers and a limit can't tell rows from pixels.

use super::console::Console;
use super::fatal::Fatal;
use super::prepare::{self, JobArguments, RunArguments};
use super::report;
use super::run;
use super::table_file::quoted;
use controller::Plan;
use grid::{Crs, GeoTransform, Grid, Offset, Placement, Turn, Window};
use job::spec::{Input, Output, RasterInput, Spec, Workers};
use job::{Loaded, Mistakes, did_you_mean};
use raster::{
    Column, ColumnType, Import, Source, SourceBand, SourceSpec, Target, TargetSpec, Values, Way, import_columns,
    read_table, table_info,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;
use tilefn_abi::DType;
use types::{Edge, Number, Pixel, for_dtype};

/// Runs the job; puts its columns into the tables once all rows are done.
pub fn run_table(arguments: &RunArguments, loaded: &Loaded, console: &Console) -> Result<(), Fatal> {
    if arguments.job.resume {
        return Err(Fatal::usage("--resume: a job over an attribute table's rows can't be gone on with; leave it out"));
    }
    let report = arguments.report.as_deref().filter(|_| !arguments.dry_run);
    if let Some(path) = report {
        report::check_place(path)?;
    }
    let started = Instant::now();
    let ran = columns(arguments, loaded, console);
    let Some(path) = report else { return ran.map(drop) };
    match ran {
        Ok(report) => report::write(path, &report)
            .map_err(|e| Fatal::failed(format!("the job is done, but its report can't be written to {e}"))),
        Err(fatal) => {
            let fatal = Fatal { text: console.named(&fatal.text), ..fatal };
            if let Err(e) = report::write(path, &report::early(&arguments.job.job, &fatal, started.elapsed())) {
                console.warn(&format!("the report can't be written to {e}"));
            }
            Err(fatal)
        }
    }
}

/// Makes the columns, or says which there would be. Returns the report.
fn columns(arguments: &RunArguments, loaded: &Loaded, console: &Console) -> Result<Value, Fatal> {
    let rows = check(loaded, arguments.job.overwrite)?;
    let folder = tempfile::tempdir().map_err(|e| Fatal::failed(format!("no temporary folder: {e}")))?;
    console.rename(names(&loaded.spec, folder.path()));
    columns_to_rasters(&loaded.spec, rows, folder.path())?;
    let text = format!("{:#}", inner(&loaded.spec, folder.path())?);
    let made = RunArguments {
        job: JobArguments::made("table", |key| Some(key.to_owned()), None),
        dry_run: arguments.dry_run,
        report: None,
        dashboard: arguments.dashboard.clone(),
    };
    let load = || job::load_text("table", text, folder.path(), &[]).map_err(|found| made.job.mistakes(found));
    let describe = |plan: &Plan, _: &Workers, _: bool| described(plan, &loaded.spec);
    let Some(mut report) = run::made(&made, load, console, &describe)? else { return Ok(Value::Null) };
    report.outputs.clear();
    report.job.path.clone_from(&arguments.job.job);
    report.job.sha256 = prepare::sha256(serde_json::to_string(&loaded.spec).map_err(Fatal::failed)?.as_bytes());
    rasters_to_columns(&loaded.spec, rows, folder.path(), arguments.job.overwrite, console)?;
    let mut report = serde_json::to_value(&report).map_err(Fatal::failed)?;
    console.named_in(&mut report);
    Ok(report)
}

/// A column of an input or output.
struct Place<'a> {
    path: &'a str,
    band: u32,
    column: &'a str,
}

impl<'a> Place<'a> {
    fn of_input(name: &'a str, input: &'a RasterInput) -> Self {
        let path = input.files.paths().next().map_or("", |path| path.as_str());
        Self { path, band: input.band.unwrap_or(1), column: input.column.as_deref().unwrap_or(name) }
    }

    fn of_output(name: &'a str, output: &'a Output) -> Self {
        let path = output.files.as_slice().first().map_or("", |path| path.as_str());
        Self { path, band: output.band.unwrap_or(1), column: output.column.as_deref().unwrap_or(name) }
    }

    /// The table, as the functions about tables take it.
    fn table(&self) -> (String, usize) {
        (self.path.to_owned(), usize::try_from(self.band).unwrap_or(usize::MAX))
    }
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.path)?;
        if self.band != 1 {
            write!(f, "band {}, ", self.band)?;
        }
        write!(f, "column {:?}", self.column)
    }
}

/// The columns of all inputs, or of all outputs.
fn inputs(spec: &Spec) -> impl Iterator<Item = (&str, Place<'_>)> {
    spec.inputs.iter().filter_map(|(name, input)| match input {
        Input::Raster(input) => Some((name.as_str(), Place::of_input(name, input))),
        Input::Vector(_) => None,
    })
}

fn outputs(spec: &Spec) -> impl Iterator<Item = (&str, Place<'_>)> {
    spec.outputs.iter().map(|(name, output)| (name.as_str(), Place::of_output(name, output)))
}

/// What to call the temporary files.
fn names(spec: &Spec, folder: &Path) -> Vec<(String, String)> {
    let inputs = inputs(spec).map(|(name, place)| (input_path(folder, name), place.to_string()));
    let outputs = outputs(spec).map(|(name, place)| (output_path(folder, name), place.to_string()));
    inputs.chain(outputs).collect()
}

/// The plan for people and for programs.
fn described(plan: &Plan, spec: &Spec) -> (String, Value) {
    let task = &plan.task;
    let (rows, blocks) = (task.grid.rows, task.tiling.count());
    let several = if blocks == 1 { "" } else { "s" };
    let block = spec.table.as_ref().map_or(1, |table| table.rows).min(rows);
    let mut text = format!("{}: {rows} rows in {blocks} block{several} of {block}", task.function);
    let dtype_in = |name: &str| task.inputs.iter().find(|input| input.name == name)?.rasters.first().map(|r| r.dtype);
    let dtype_out = |name: &str| task.outputs.iter().find(|output| output.name == name).map(|output| output.dtype);
    let mut columns = |name: &str, arrow: &str, place: &Place<'_>, dtype: Option<DType>| {
        let dtype = dtype.map_or("", DType::name);
        text.push_str(&format!("\n  {name:<12} {arrow} {place} ({dtype})"));
        json!({ "name": name, "path": place.path, "band": place.band, "column": place.column, "dtype": dtype })
    };
    let read: Vec<_> = inputs(spec).map(|(name, place)| columns(name, "<-", &place, dtype_in(name))).collect();
    let made: Vec<_> = outputs(spec).map(|(name, place)| columns(name, "->", &place, dtype_out(name))).collect();
    let json = json!({
        "function": task.function, "rows": rows, "block": block, "blocks": blocks, "threads": plan.threads,
        "inputs": read, "outputs": made, "warnings": plan.warnings,
    });
    (text, json)
}

/// Everything that can be known before the first row. Returns the number of rows.
fn check(loaded: &Loaded, overwrite: bool) -> Result<u32, Fatal> {
    let mut mistakes = Mistakes::new();
    let mut tables = BTreeMap::new();
    let look = |(path, band): &(String, usize)| table_info(path, *band);
    let mut first: Option<(String, usize)> = None;
    for (name, input) in &loaded.spec.inputs {
        let key = format!("inputs.{name}");
        let Input::Raster(input) = input else {
            mistakes.add(loaded.position(&key), key, "a vector file has no attribute table of classes");
            continue;
        };
        let place = Place::of_input(name, input);
        let (path, wanted) = (place.path, place.column);
        let info = match tables.entry(place.table()).or_insert_with_key(look) {
            Ok(Some(info)) => info,
            Ok(None) => {
                let message = format!("{path}, band {}, has no attribute table", place.band);
                mistakes.add(loaded.position(&key), key, message);
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
                None => first = Some((path.to_owned(), info.rows)),
            },
        }
    }
    for (name, output) in &loaded.spec.outputs {
        let place = Place::of_output(name, output);
        let (path, column) = (place.path, place.column);
        let key = format!("outputs.{name}");
        match tables.entry(place.table()).or_insert_with_key(look) {
            Err(error) => _ = mistakes.add(loaded.position(&key), key, error.to_string()),
            Ok(Some(info)) if !overwrite && info.column(column).is_some() => {
                let found = info.column(column).map_or(column, |found| &found.name);
                let message = format!("the attribute table of {path} has a column {found:?}");
                mistakes.add(loaded.position(&key), key, message).hint("choose another name, or --overwrite");
            }
            Ok(_) => {}
        }
    }
    if loaded.spec.outputs.is_empty() {
        mistakes.add(loaded.position("table"), "table", "a job over rows needs an output, which is a column");
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
    let inputs: Map<_, _> =
        spec.inputs.keys().map(|name| (name.clone(), json!({ "path": input_path(folder, name) }))).collect();
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

/// Reads each input's column into a raster, a row for each of its rows.
fn columns_to_rasters(spec: &Spec, rows: u32, folder: &Path) -> Result<(), Fatal> {
    let block = spec.table.as_ref().map_or(1, |table| table.rows);
    for (name, place) in inputs(spec) {
        let ((path, band), wanted) = (place.table(), place.column);
        let info = table_info(&path, band).map_err(Fatal::failed)?.unwrap_or_default();
        let found = info.columns.iter().enumerate().find(|(_, column)| column.name == wanted);
        let Some((number, column)) = found else {
            return Err(Fatal::failed(format!("{path}: the column {wanted:?} is gone")));
        };
        let dtype = if column.kind == ColumnType::Integer { DType::Int32 } else { DType::Float64 };
        let options = vec!["TILED=NO".to_owned(), format!("BLOCKYSIZE={block}"), "COMPRESS=NONE".to_owned()];
        let plain = TargetSpec::plain(input_path(folder, name), one_column(rows), dtype);
        let spec =
            TargetSpec { driver: Some("GTiff".to_owned()), options, tile: (block, 1), georeferenced: false, ..plain };
        let mut target = Target::create(spec).map_err(Fatal::failed)?;
        let mut row = 0;
        read_table(&path, band, &mut |values| {
            let bytes: Vec<u8> = match values.get(number) {
                Some(Values::Integers(values)) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
                Some(Values::Reals(values)) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
                Some(Values::Texts(_)) | None => return Err(format!("the column {wanted:?} has no numbers")),
            };
            let count = u32::try_from(bytes.len() / dtype.size()).map_err(|e| e.to_string())?;
            target.write(Window { row, col: 0, rows: count, cols: 1 }, &bytes).map_err(|e| e.to_string())?;
            row += i64::from(count);
            Ok(())
        })
        .map_err(Fatal::failed)?;
        let complete = target.complete(&mut |_| true).map_err(Fatal::failed)?;
        complete.publish(false).map_err(Fatal::failed)?;
    }
    Ok(())
}

/// Puts what the job has made into the tables: all columns of a table at once, or none.
fn rasters_to_columns(spec: &Spec, rows: u32, folder: &Path, overwrite: bool, console: &Console) -> Result<(), Fatal> {
    let mut tables: BTreeMap<_, Vec<(&str, &str)>> = BTreeMap::new();
    for (name, place) in outputs(spec) {
        tables.entry(place.table()).or_default().push((name, place.column));
    }
    // All are made before the first is put in: a value that a table can't have stops all of them.
    let mut ready = Vec::new();
    for (number, (table, columns)) in tables.into_iter().enumerate() {
        let csv = folder.join(format!("columns-{number}.csv"));
        write_csv(&csv, &columns, rows, folder)?;
        ready.push((table, csv));
    }
    for ((path, band), csv) in ready {
        let import = Import { table: &csv.display().to_string(), by: None, overwrite };
        let changed = import_columns(&path, band, import).map_err(Fatal::failed)?;
        let names: Vec<_> = changed.columns.iter().map(|column| column.name.as_str()).collect();
        console.result(
            &format!("wrote {} ({} rows: {})", changed.file, changed.rows, names.join(", ")),
            "table",
            || json!({ "path": path, "band": band, "written": changed.file, "rows": changed.rows, "columns": names }),
        );
    }
    Ok(())
}

/// Writes columns as a table, some rows at a time.
fn write_csv(csv: &Path, columns: &[(&str, &str)], rows: u32, folder: &Path) -> Result<(), Fatal> {
    let failed = |e: std::io::Error| Fatal::failed(format!("the temporary folder: {e}"));
    let mut file = BufWriter::new(File::create_new(csv).map_err(failed)?);
    let head: Vec<_> = columns.iter().map(|(_, column)| quoted(column)).collect();
    writeln!(file, "{}", head.join(",")).map_err(failed)?;
    let mut open = Vec::new();
    for (name, column) in columns {
        open.push((column, OpenColumn::open(&output_path(folder, name), rows)?));
    }
    let mut row = 0;
    while row < rows {
        let count = ROWS.min(rows - row);
        let mut texts = Vec::new();
        for (column, open) in &mut open {
            let values = open.read(row, count)?;
            if let Some(at) = values.iter().position(|value| value == "NaN") {
                let at = u64::from(row) + at as u64;
                return Err(Fatal::failed(format!(
                    "{column}: the function gives row {at} no value, and an attribute table has no nodata; give it one, such as \
                     fill(x, 0) in an expression"
                )));
            }
            texts.push(values);
        }
        for at in 0..usize::try_from(count).unwrap_or(0) {
            let line: Vec<_> = texts.iter().filter_map(|values| values.get(at)).map(String::as_str).collect();
            writeln!(file, "{}", line.join(",")).map_err(failed)?;
        }
        row += count;
    }
    file.flush().map_err(failed)
}

/// Rows that are read at a time.
const ROWS: u32 = 65_536;

/// An output's raster of one column.
struct OpenColumn {
    source: Source,
    dtype: DType,
    buffer: Vec<u8>,
}

impl OpenColumn {
    fn open(path: &str, rows: u32) -> Result<Self, Fatal> {
        let info = raster::inspect(path).map_err(Fatal::failed)?;
        let [band] = info.bands.as_slice() else {
            return Err(Fatal::failed(format!(
                "the function returned {} bands, and a column is one",
                info.bands.len()
            )));
        };
        let dtype = band.dtype;
        let whole = SourceBand { number: 1, dtype, nodata: None, mask: false, scale: None, mark: None };
        let spec = SourceSpec {
            path: path.to_owned(),
            bands: vec![whole],
            dtype,
            way: Way::Aligned(Placement { offset: Offset { row: 0, col: 0 }, turn: Turn::default() }),
            file_size: (rows, 1),
            grid_size: (rows, 1),
            halo: 0,
            edge: Edge::Nodata,
        };
        Ok(Self { source: Source::open(&spec).map_err(Fatal::failed)?, dtype, buffer: Vec::new() })
    }

    /// Values as texts that no other value has, with a point where they are floats.
    fn read(&mut self, row: u32, count: u32) -> Result<Vec<String>, Fatal> {
        let bytes = usize::try_from(count).unwrap_or(0).saturating_mul(self.dtype.size());
        self.buffer.resize(bytes, 0);
        let window = Window { row: row.into(), col: 0, rows: count, cols: 1 };
        self.source.read(window, &mut self.buffer).map_err(Fatal::failed)?;
        Ok(for_dtype!(self.dtype, texts(&self.buffer)))
    }
}

fn texts<T: Pixel>(bytes: &[u8]) -> Vec<String> {
    let values = bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned::<T>);
    let text = |value: T| match value.number() {
        Number::Signed(value) => value.to_string(),
        Number::Unsigned(value) => value.to_string(),
        // With a point, so that a whole column of whole numbers is one of floats.
        Number::Float(value) => format!("{value:?}"),
    };
    values.map(text).collect()
}

/// A grid of one column.
fn one_column(rows: u32) -> Grid {
    Grid { transform: GeoTransform::north_up(0.0, 0.0, 1.0, 1.0), rows, cols: 1, crs: Crs::default() }
}
