//! `tilefn calc`: an expression over rasters, without a job file.
//!
//! It makes the job that a file would have said, and runs it.

use super::build_expression;
use super::console::Console;
use super::fatal::Fatal;
use super::prepare::{JobArguments, RunArguments, overrides};
use super::run;
use super::worker_kinds;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use tilefn_abi::DType;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The expression, e.g. "(nir - red) / (nir + red)"; docs/expressions.md describes the language
    expression: String,
    /// An input: its name in the expression, its file, and the bands to take if not all, e.g. red=scene.tif:3. Several files with
    /// one name, or a pattern such as dates/*.tif, are a list
    #[arg(short, long = "input", value_name = "NAME=FILE[:BAND,…]", value_parser = input, required = true)]
    input: Vec<Input>,
    /// The output; with its name if the expression has several: -o ndvi=ndvi.tif -o wet=wet.tif
    #[arg(short, long = "output", value_name = "[NAME=]FILE", required = true)]
    output: Vec<String>,
    /// The outputs' element type, numpy's names; default: the expression's
    #[arg(long = "type", value_name = "TYPE", value_parser = build_expression::dtype)]
    dtype: Option<DType>,
    /// The outputs' nodata value, or none
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    nodata: Option<String>,
    /// What becomes of a value that an integer type doesn't hold
    #[arg(long, default_value = "saturate")]
    cast: Cast,
    /// A number, or true or false, by its name in the expression, e.g. k=2.5
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Set any other key of the job file, e.g. --set grid.bounds=[…] or --set outputs.result.overviews=true
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Who runs the tiles, e.g. threads:4 or processes:2
    #[arg(long, value_name = "KIND[:COUNT]", value_parser = worker_kinds::argument)]
    workers: Option<String>,
    /// Replace outputs that exist
    #[arg(long)]
    overwrite: bool,
    /// Make the folders of outputs that don't exist
    #[arg(long)]
    make_folders: bool,
    /// Print what would be done: grid, tiles, types, memory; run nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the run's report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cast {
    /// It is rounded, and becomes the nearest number that the type has.
    Saturate,
    /// It fails the job.
    Strict,
}

/// A file of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Input {
    name: String,
    file: String,
    /// From 1; empty: all.
    bands: Vec<u32>,
}

/// Computes the expression.
pub fn calc(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let job = job(arguments)?;
    let made = JobArguments::made("calc", argument, arguments.workers.clone());
    let made = made.changed(&arguments.set, arguments.overwrite, arguments.make_folders);
    let made =
        RunArguments { job: made, dry_run: arguments.dry_run, report: arguments.report.clone(), dashboard: None };
    let load = || {
        let here = std::env::current_dir().map_err(Fatal::failed)?;
        job::load_text("calc", format!("{job:#}"), &here, &overrides(&made.job)).map_err(|e| made.job.mistakes(e))
    };
    run::run_made(&made, load, console)
}

/// The argument that a key of the job comes from.
fn argument(key: &str) -> Option<String> {
    let (section, rest) = key.split_once('.')?;
    let name = rest.split('.').next()?;
    match section {
        "inputs" => Some(format!("-i {name}")),
        "outputs" if rest.ends_with(".dtype") => Some("--type".to_owned()),
        "outputs" if rest.ends_with(".nodata") => Some("--nodata".to_owned()),
        "outputs" => Some(format!("-o {name}")),
        "params" => Some(format!("--param {name}")),
        _ => None,
    }
}

/// The job file. Its paths are relative to where the user is.
fn job(arguments: &Arguments) -> Result<Value, Fatal> {
    let mut inputs = Map::new();
    for input in &arguments.input {
        let files: Vec<_> = arguments.input.iter().filter(|other| other.name == input.name).collect();
        let mut value = Map::new();
        match files.as_slice() {
            [only] if !only.file.contains('*') => {
                value.insert("path".to_owned(), json!(only.file));
                if !only.bands.is_empty() {
                    value.insert("bands".to_owned(), json!(only.bands));
                }
            }
            files => {
                let listed = |input: &&Input| match input.bands.as_slice() {
                    [] => json!(input.file),
                    bands => json!({ "path": input.file, "bands": bands }),
                };
                value.insert("paths".to_owned(), files.iter().map(listed).collect());
            }
        }
        inputs.insert(input.name.clone(), value.into());
    }
    let results = expression::results(&arguments.expression);
    let mut outputs = Map::new();
    for output in &arguments.output {
        let named = output.split_once('=').filter(|(name, _)| is_name(name));
        let (name, path) = named.unwrap_or_else(|| match results.as_slice() {
            [only] => (only, output),
            _ => ("result", output),
        });
        let mut value = Map::from_iter([("path".to_owned(), json!(path))]);
        if let Some(dtype) = arguments.dtype {
            value.insert("dtype".to_owned(), json!(dtype.name()));
        }
        if let Some(nodata) = &arguments.nodata {
            value.insert("nodata".to_owned(), number(nodata).unwrap_or_else(|| json!(nodata)));
        }
        if outputs.insert(name.to_owned(), value.into()).is_some() {
            return Err(Fatal::usage(format!(
                "-o {output}: there is an output {name:?} already; give each its name in the expression: -o ndvi={path}"
            )));
        }
    }
    let mut params = Map::new();
    for (name, text) in &arguments.param {
        let value = match text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text => number(text).filter(Value::is_number).ok_or_else(|| {
                Fatal::usage(format!("--param {name}={text}: expected a finite number, or true or false"))
            })?,
        };
        params.insert(name.clone(), value);
    }
    let mut function = Map::from_iter([("expression".to_owned(), json!(arguments.expression))]);
    if arguments.cast == Cast::Strict {
        function.insert("cast".to_owned(), json!("strict"));
    }
    Ok(json!({ "function": function, "params": params, "inputs": inputs, "outputs": outputs }))
}

/// A number as a job file in JSON has it, where NaN and the infinities are texts.
fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(json!(whole));
    }
    let value: f64 = text.parse().ok()?;
    Some(if value.is_finite() { json!(value) } else { json!(value.to_string().to_lowercase()) })
}

fn input(text: &str) -> Result<Input, String> {
    let (name, file) = pair(text)?;
    // Paths may have colons: only numbers at the very end are bands.
    let numbers = |bands: &str| bands.split(',').map(|band| band.parse().ok()).collect::<Option<Vec<u32>>>();
    let cut = file.rsplit_once(':').and_then(|(path, bands)| Some((path.to_owned(), numbers(bands)?)));
    let (file, bands) = cut.filter(|(path, _)| !path.is_empty()).unwrap_or((file, Vec::new()));
    Ok(Input { name, file, bands })
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if is_name(name) && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some((name, _)) if !is_name(name) => {
            Err(format!("{name:?} can't be a name: letters A-Z a-z, digits and _, no digit first"))
        }
        _ => Err("it is written NAME=…".to_owned()),
    }
}

/// Whether an expression can have such a name.
fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.bytes().next().is_some_and(letter) && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs() {
        for (text, file, bands) in [
            ("a=x.tif", "x.tif", vec![]),
            ("a=x.tif:3", "x.tif", vec![3]),
            ("a=x.tif:4,3", "x.tif", vec![4, 3]),
            ("a=x.tif:", "x.tif:", vec![]),
            ("a=s3://bucket/x.tif", "s3://bucket/x.tif", vec![]),
            ("a=s3://bucket/x.tif:2", "s3://bucket/x.tif", vec![2]),
            ("a=NETCDF:\"x.nc\":ndvi", "NETCDF:\"x.nc\":ndvi", vec![]),
            ("a=:3", ":3", vec![]),
            ("a=x=y:1", "x=y", vec![1]),
        ] {
            assert_eq!(input(text), Ok(Input { name: "a".to_owned(), file: file.to_owned(), bands }), "{text}");
        }
        for wrong in ["x.tif", "=x.tif", "a=", "3=x.tif", "a-b=x.tif"] {
            assert!(input(wrong).is_err(), "{wrong}");
        }
    }
}
