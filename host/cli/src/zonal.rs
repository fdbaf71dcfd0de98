//! `tilefn zonal`: statistics of rasters in each polygon of a vector file, as a table.
//!
//! It is a job like any other, whose function comes with the program.

use super::console::Console;
use super::fatal::Fatal;
use super::new_file::{place, unwritten};
use super::prepare::{JobArguments, RunArguments, overrides};
use super::run;
use super::table_file::{Format, TableFile, write_csv, write_parquet};
use super::worker_kinds;
use clap::{Args, ValueEnum};
use raster::Zones;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use types::{Column, Location, Table};

/// The function's module, made of `builtin/zonal`.
const MODULE: &[u8] = include_bytes!("../builtin/zonal.wasm");
/// A number that no zone has: the smallest of 64 bits, which a float holds.
const NO_ZONE: f64 = i64::MIN as f64;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The vector file with the zones
    #[arg(long, value_name = "FILE")]
    zones: String,
    /// The numeric attribute that tells zones apart; or the column of the features' ids, such as fid
    #[arg(long, value_name = "ATTRIBUTE")]
    by: String,
    /// The layer's name, or its number from 0; default: the first
    #[arg(long)]
    layer: Option<String>,
    /// OGR attribute filter: only these features are zones
    #[arg(long = "where", value_name = "CONDITION")]
    filter: Option<String>,
    /// A raster, or several by repeating it; with a NAME= its columns begin with that instead of the file's name
    #[arg(long, value_name = "[NAME=]FILE", required = true)]
    values: Vec<String>,
    /// The bands to take of each raster, from 1
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    band: Vec<u32>,
    /// The columns of the table
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "count,mean,min,max")]
    stats: Vec<Statistic>,
    /// A zone has every pixel that it touches, not only those whose centre it covers
    #[arg(long)]
    all_touched: bool,
    /// What a pixel on a zone's border counts for: all or nothing by its centre, or the part that the zone covers
    #[arg(long, value_name = "HOW", default_value = "centre", conflicts_with = "all_touched")]
    coverage: Coverage,
    /// The table: .csv, .parquet, or .gpkg with the polygons
    #[arg(short, long, value_name = "FILE")]
    output: TableFile,
    /// Replace a table that exists
    #[arg(long)]
    overwrite: bool,
    /// Who runs the tiles, e.g. threads:4 or processes:2
    #[arg(long, value_name = "KIND[:COUNT]", value_parser = worker_kinds::argument)]
    workers: Option<String>,
}

/// What a pixel on a zone's border counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Coverage {
    /// All, for the zone that covers its centre.
    Centre,
    /// The part that a zone covers.
    Exact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Statistic {
    Count,
    Sum,
    Mean,
    Stdev,
    Min,
    Max,
    Median,
}

impl Statistic {
    /// Its name in the table, and in the function's result.
    const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Stdev => "stdev",
            Self::Min => "min",
            Self::Max => "max",
            Self::Median => "median",
        }
    }
}

/// Computes the table.
pub fn zonal(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let exact = arguments.coverage == Coverage::Exact;
    if exact && arguments.stats.contains(&Statistic::Median) {
        return Err(Fatal::usage("--stats median: not with --coverage exact; leave out one of them"));
    }
    arguments.output.check(arguments.overwrite)?;
    let here = std::env::current_dir().map_err(Fatal::failed)?;
    let resolved = |path: &str| Location::resolved(&here.to_string_lossy(), path).to_string();
    let values = values(&arguments.values);
    let names = names(&values, &arguments.band)?;
    // Controller and workers get a module from a file.
    let module = tempfile::Builder::new().prefix("tilefn-zonal-").suffix(".wasm").tempfile();
    let module = module.and_then(|mut file| file.write_all(MODULE).map(|()| file));
    let module = module.map_err(|e| Fatal::failed(format!("the function can't be put into a file: {e}")))?;
    let made = RunArguments {
        job: JobArguments::made("zonal", argument, arguments.workers.clone()),
        dry_run: false,
        report: None,
        dashboard: None,
    };
    let zones = resolved(&arguments.zones);
    let load = || {
        let paths: Vec<_> = values.iter().map(|(_, path)| resolved(path)).collect();
        let text = format!("{:#}", job(arguments, module.path(), &zones, &paths));
        job::load_text("zonal", text, &here, &overrides(&made.job)).map_err(|e| made.job.mistakes(e))
    };
    let result = run::made(&made, load, console, &super::report::described)?
        .and_then(|report| report.result)
        .unwrap_or_default();
    let zones = Zones {
        layer: layer(arguments, &zones)?,
        path: zones,
        filter: arguments.filter.clone(),
        by: arguments.by.clone(),
    };
    let numbers = zones.numbers().map_err(Fatal::failed)?;
    let table = rows(&result)
        .and_then(|rows| table(&rows, numbers, &arguments.by, (&names, &arguments.stats), exact))
        .ok_or_else(|| Fatal::failed("the function's result is no table of zones"))?;
    let output = &arguments.output;
    place(&output.path, |to| {
        let written = match output.format {
            Format::Csv => write_csv(&table, to).map_err(|e| e.to_string()),
            Format::Parquet => write_parquet(&table, to).map_err(|e| e.to_string()),
            Format::GeoPackage => zones.write(&table, to).map_err(|e| e.to_string()),
        };
        written.map_err(|e| unwritten(&output.path, e))
    })?;
    let (path, count) = (&output.path, table.rows());
    console.result(
        &format!("wrote {} ({count} zones)", path.display()),
        "zonal",
        || json!({ "path": path, "zones": count }),
    );
    Ok(())
}

/// The argument that a key of the job comes from.
fn argument(key: &str) -> Option<String> {
    let of_zones = ["inputs.zones", "inputs.coverage"].iter().find_map(|input| key.strip_prefix(input));
    let argument = match key {
        "inputs.values.bands" => "--band",
        _ if of_zones == Some(".burn_attribute") => "--by",
        _ if of_zones == Some(".layer") => "--layer",
        _ if of_zones == Some(".where") => "--where",
        _ if of_zones == Some(".coverage") => "--coverage",
        _ if of_zones.is_some() => "--zones",
        key if key.starts_with("inputs.values") => "--values",
        _ => return None,
    };
    Some(argument.to_owned())
}

/// Name, if one is given, and file of each raster.
fn values(arguments: &[String]) -> Vec<(Option<&str>, &str)> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let parts = arguments.iter().map(|text| match text.split_once('=') {
        Some((name, path)) if is_name(name) => (Some(name), path),
        _ => (None, text.as_str()),
    });
    parts.collect()
}

/// What the columns of each band of each raster begin with: nothing where there is only one.
fn names(values: &[(Option<&str>, &str)], bands: &[u32]) -> Result<Vec<String>, Fatal> {
    let mut names = Vec::new();
    for (name, path) in values {
        let of_file = match name {
            Some(name) => format!("{name}_"),
            None if values.len() > 1 => {
                let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
                format!("{}_", stem.unwrap_or_default())
            }
            None => String::new(),
        };
        for band in bands {
            let name = if bands.len() > 1 { format!("{of_file}band{band}_") } else { of_file.clone() };
            if names.contains(&name) {
                let name = name.trim_end_matches('_');
                return Err(Fatal::usage(format!(
                    "--values: the columns of two rasters would begin with {name:?}; give one a name, as in --values NAME={path}"
                )));
            }
            names.push(name);
        }
    }
    Ok(names)
}

/// The job file.
fn job(arguments: &Arguments, module: &Path, zones: &str, values: &[String]) -> Value {
    // The function's input for zones that share pixels is another one: its bands are floats.
    let (input, key, value) = match arguments.coverage {
        Coverage::Centre => ("zones", "dtype", json!("int64")),
        Coverage::Exact => ("coverage", "coverage", json!(true)),
    };
    let mut zones = json!({
        "vector": zones,
        "burn_attribute": arguments.by,
        key: value,
        "nodata": NO_ZONE,
        "all_touched": arguments.all_touched,
    });
    let layer = arguments.layer.as_ref().map(|layer| layer.parse::<u32>().map_or_else(|_| json!(layer), |n| json!(n)));
    for (key, value) in [("layer", layer), ("where", arguments.filter.as_ref().map(|filter| json!(filter)))] {
        if let (Some(zones), Some(value)) = (zones.as_object_mut(), value) {
            zones.insert(key.to_owned(), value);
        }
    }
    json!({
        "function": { "module": module },
        "params": { "median": arguments.stats.contains(&Statistic::Median) },
        "inputs": { input: zones, "values": { "paths": values, "bands": arguments.band } },
    })
}

/// The name of the layer, which planning has found.
fn layer(arguments: &Arguments, path: &str) -> Result<String, Fatal> {
    let layers = raster::inspect_vector(path).map_err(Fatal::failed)?.layers;
    let wanted = arguments.layer.as_deref().unwrap_or("0");
    let by_number = wanted.parse::<usize>().ok().and_then(|number| layers.get(number));
    let layer = by_number.or_else(|| layers.iter().find(|layer| layer.name == wanted));
    let layer = layer.ok_or_else(|| Fatal::failed(format!("{path}: there is no layer {wanted} any more")))?;
    Ok(layer.name.clone())
}

/// The lines of the function's table by zone: for each band all the statistics there are.
type Rows<'a> = BTreeMap<i64, Vec<&'a str>>;

fn rows(result: &Value) -> Option<Rows<'_>> {
    let mut rows = Rows::new();
    for line in result.as_str()?.lines().skip(1) {
        let (zone, fields) = line.split_once(',')?;
        rows.insert(zone.parse().ok()?, fields.split(',').collect());
    }
    Some(rows)
}

/// A row for every zone, with the wanted statistics; `names` has what the columns of each band begin with. `exact`: whether parts of
/// pixels count.
fn table(
    rows: &Rows<'_>,
    mut zones: BTreeSet<i64>,
    by: &str,
    (names, stats): (&[String], &[Statistic]),
    exact: bool,
) -> Option<Table> {
    zones.extend(rows.keys());
    let all = Statistic::value_variants().len();
    let mut columns = vec![(by.to_owned(), Column::Integers(zones.iter().copied().map(Some).collect()))];
    for (band, name) in names.iter().enumerate() {
        for statistic in stats {
            let place = band * all + *statistic as usize;
            let texts = zones.iter().map(|zone| rows.get(zone).map_or(Some(""), |row| row.get(place).copied()));
            let texts: Vec<_> = texts.collect::<Option<_>>()?;
            // A zone without pixels has none that are valid.
            let counts = texts.iter().map(|text| if text.is_empty() { "0" } else { *text });
            let column = match statistic {
                Statistic::Count if exact => Column::Floats(counts.map(|text| text.parse().ok()).collect()),
                Statistic::Count => Column::Integers(counts.map(|text| text.parse().ok()).collect()),
                _ => Column::Floats(texts.iter().map(|text| text.parse().ok()).collect()),
            };
            columns.push((format!("{name}{}", statistic.name()), column));
        }
    }
    Some(Table { columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let result = json!("id,…\n-1,3,7.5,2.5,0,2,3,2.5,0,,,,,,\n10,1,4,4,0,4,4,,1,2,2,0,2,2,\n");
        let names = ["a_".to_owned(), "b_".to_owned()];
        let stats = [Statistic::Mean, Statistic::Count];
        let rows_of = |result| rows(result).unwrap();
        let table =
            |exact| super::table(&rows_of(&result), BTreeSet::from([-1, 5]), "id", (&names, &stats), exact).unwrap();
        let expected = [
            ("id", Column::Integers(vec![Some(-1), Some(5), Some(10)])),
            ("a_mean", Column::Floats(vec![Some(2.5), None, Some(4.0)])),
            ("a_count", Column::Integers(vec![Some(3), Some(0), Some(1)])),
            ("b_mean", Column::Floats(vec![None, None, Some(2.0)])),
            ("b_count", Column::Integers(vec![Some(0), Some(0), Some(1)])),
        ];
        assert_eq!(table(false).columns, expected.map(|(name, column)| (name.to_owned(), column)));
        assert_eq!(table(true).columns[2].1, Column::Floats(vec![Some(3.0), Some(0.0), Some(1.0)]));
        let short = json!("id\n1,2\n");
        assert_eq!(super::table(&rows_of(&short), BTreeSet::new(), "id", (&names, &stats), false), None);
        for wrong in [json!("id\nx,2\n"), json!("id\n1\n"), json!(7), Value::Null] {
            assert_eq!(rows(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn columns_are_told_apart() {
        let names = |values: &[&str], bands: &[u32]| {
            let values: Vec<_> = values.iter().map(|text| (*text).to_owned()).collect();
            names(&super::values(&values), bands).map_err(|e| e.text)
        };
        assert_eq!(names(&["a.tif"], &[3]).unwrap(), [""]);
        assert_eq!(names(&["a.tif"], &[3, 1]).unwrap(), ["band3_", "band1_"]);
        assert_eq!(names(&["x/a.tif", "b=y/a.tif"], &[1]).unwrap(), ["a_", "b_"]);
        assert_eq!(names(&["/vsicurl/http://x/y?a=1"], &[1]).unwrap(), [""]);
        let same = names(&["x/a.tif", "y/a.tif"], &[1]).unwrap_err();
        assert_eq!(
            same,
            "--values: the columns of two rasters would begin with \"a\"; give one a name, as in --values NAME=y/a.tif"
        );
    }
}
