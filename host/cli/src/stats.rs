//! `tilefn stats`: statistics, histogram and overviews of existing files.

use super::console::Console;
use super::fatal::Fatal;
use clap::Args;
use raster::{BandStatistics, Overviews, complete};
use serde_json::json;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The rasters; what is computed is stored in them, or beside those that can't be changed
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How overviews are made: nearest, average, mode, …; none makes none
    #[arg(long, value_name = "METHOD", default_value = "nearest", value_parser = method)]
    overviews: String,
}

/// Computes, stores and prints.
pub fn stats(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let method = Some(&*arguments.overviews).filter(|method| *method != "none");
    for file in &arguments.files {
        let bands = complete(file, method, &mut |_| true).map_err(Fatal::failed)?;
        let lines = (1..).zip(&bands).map(|(number, band)| format!("{file} band {number}: {}", in_words(band)));
        let of_band = |band: &BandStatistics| {
            if band.count == 0 {
                return json!({ "count": 0 });
            }
            json!({ "count": band.count, "mean": band.mean, "stddev": band.stddev, "min": band.min, "max": band.max,
                "median": band.median, "mode": band.mode })
        };
        console.result(
            &lines.collect::<Vec<_>>().join("\n"),
            "stats",
            || json!({ "path": file, "bands": bands.iter().map(of_band).collect::<Vec<_>>() }),
        );
    }
    Ok(())
}

fn in_words(band: &BandStatistics) -> String {
    let BandStatistics { count, min, max, mean, stddev, median, mode } = *band;
    match count {
        0 => "no valid pixel".to_owned(),
        _ => format!("mean {mean}, stddev {stddev}, min {min}, max {max}, median {median}, mode {mode}"),
    }
}

fn method(name: &str) -> Result<String, String> {
    if name == "none" || Overviews::methods().any(|method| method == name) {
        return Ok(name.to_owned());
    }
    Err(format!("there are none, {}", Overviews::methods().collect::<Vec<_>>().join(", ")))
}
