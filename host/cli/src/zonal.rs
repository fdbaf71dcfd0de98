//! `tilefn zonal`: statistics of a raster in each polygon of a vector file, as a table.
//!
//! It is a job like any other, whose function comes with the program.

use super::console::Console;
use super::fatal::Fatal;
use super::prepare::{self, JobArguments, RunArguments, overrides};
use super::run;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use types::Location;

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
    /// The raster
    #[arg(long, value_name = "FILE")]
    values: String,
    /// The band to take, from 1
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    band: u32,
    /// The columns of the table
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "count,mean,min,max")]
    stats: Vec<Statistic>,
    /// A zone has every pixel that it touches, not only those whose centre it covers
    #[arg(long)]
    all_touched: bool,
    /// The table, a .csv file
    #[arg(short, long, value_name = "FILE", value_parser = csv_path)]
    output: PathBuf,
    /// Replace a table that exists
    #[arg(long)]
    overwrite: bool,
    /// Who runs the tiles, e.g. threads:4 or processes:2
    #[arg(long, value_name = "KIND[:COUNT]")]
    workers: Option<String>,
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
    let output = &arguments.output;
    let shown = output.display();
    let folder = output.parent().filter(|path| *path != Path::new("")).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Fatal::usage(format!("{shown}: the folder {} doesn't exist", folder.display())));
    }
    if output.exists() && !arguments.overwrite {
        return Err(Fatal::usage(format!("{shown} exists; add --overwrite to replace it")));
    }
    // Controller and workers get a module from a file.
    let module = tempfile::Builder::new().prefix("tilefn-zonal-").suffix(".wasm").tempfile();
    let module = module.and_then(|mut file| file.write_all(MODULE).map(|()| file));
    let module = module.map_err(|e| Fatal::failed(format!("the function can't be put into a file: {e}")))?;
    let made = RunArguments {
        job: JobArguments::made("zonal.json", arguments.workers.clone()),
        dry_run: false,
        report: None,
        dashboard: None,
    };
    let load = || {
        let here = std::env::current_dir().map_err(Fatal::failed)?;
        let text = format!("{:#}", job(arguments, module.path(), &here));
        job::load_text("zonal.json", text, &here, &overrides(&made.job)).map_err(prepare::mistakes)
    };
    let result = run::made(&made, load, console)?.and_then(|report| report.result);
    let table = table(&result.unwrap_or_default(), &arguments.by, &arguments.stats)
        .ok_or_else(|| Fatal::failed("the function's result is no table of zones"))?;
    write(output, folder, &table).map_err(|e| Fatal::failed(format!("can't write {shown}: {e}")))?;
    let zones = table.lines().count().saturating_sub(1);
    console.result(&format!("wrote {shown} ({zones} zones)"), "zonal", || json!({ "path": output, "zones": zones }));
    Ok(())
}

/// The job file.
fn job(arguments: &Arguments, module: &Path, here: &Path) -> Value {
    let resolved = |path: &str| Location::resolved(&here.to_string_lossy(), path).to_string();
    let mut zones = json!({
        "vector": resolved(&arguments.zones),
        "burn_attribute": arguments.by,
        "dtype": "int64",
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
        "inputs": {
            "zones": zones,
            "values": { "path": resolved(&arguments.values), "bands": [arguments.band] },
        },
    })
}

/// The wanted columns of the function's table.
fn table(result: &Value, by: &str, stats: &[Statistic]) -> Option<String> {
    let mut lines = result.as_str()?.lines();
    let names: Vec<_> = lines.next()?.split(',').collect();
    let place = |name: &str| names.iter().position(|other| *other == name);
    let id = place("id")?;
    let columns = stats.iter().map(|statistic| place(statistic.name())).collect::<Option<Vec<_>>>()?;
    let mut text = head(by, stats);
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        text.push_str(fields.get(id)?);
        for column in &columns {
            text.push(',');
            text.push_str(fields.get(*column)?);
        }
        text.push('\n');
    }
    Some(text)
}

fn head(by: &str, stats: &[Statistic]) -> String {
    let by = if by.contains([',', '"', '\n']) { format!("\"{}\"", by.replace('"', "\"\"")) } else { by.to_owned() };
    let names = std::iter::once(by.as_str()).chain(stats.iter().map(|statistic| statistic.name()));
    names.collect::<Vec<_>>().join(",") + "\n"
}

/// Writes the table beside its place and moves it there.
fn write(path: &Path, folder: &Path, table: &str) -> std::io::Result<()> {
    // The rights of any new file, from which the system takes the user's umask.
    let rights = std::fs::Permissions::from_mode(0o666);
    let mut file =
        tempfile::Builder::new().prefix(".tilefn-").suffix(".csv").permissions(rights).tempfile_in(folder)?;
    file.write_all(table.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

fn csv_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("csv") => Ok(path),
        _ => Err("a table's name ends in .csv".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let result = json!("id,count,mean\n-1,3,2.5\n10,1,\n");
        let stats = [Statistic::Mean, Statistic::Count];
        assert_eq!(table(&result, "a,b", &stats).unwrap(), "\"a,b\",mean,count\n-1,2.5,3\n10,,1\n");
        for wrong in [json!("id,count\n1,2\n"), json!("id,count,mean\n1,2\n"), json!(""), json!(7), Value::Null] {
            assert_eq!(table(&wrong, "id", &stats), None, "{wrong}");
        }
    }
}
