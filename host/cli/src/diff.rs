//! `tilefn diff`: what differs between two rasters.

use super::console::Console;
use super::fatal::Fatal;
use super::info::{grid_size, mask_name, nodata, value};
use clap::Args;
use raster::{Differences, Differing, Info, compare, crs_name, inspect, same_crs};
use serde_json::{Value, json};
use std::fmt::Write;

/// Pixels by which corners of equal grids may differ: what decimal digits in a file leave of a coordinate.
const SAME_PLACE: f64 = 1e-6;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The first raster
    #[arg(value_name = "A")]
    first: String,
    /// The second raster
    #[arg(value_name = "B")]
    second: String,
    /// Values that differ by no more than this are the same
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, allow_hyphen_values = true, value_parser = tolerance)]
    tolerance: f64,
}

/// A property in which the files differ.
struct Property {
    name: String,
    first: String,
    second: String,
}

/// Compares the files. They are the same with exit code 0, and differ with 1.
pub fn diff(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let Arguments { first, second, tolerance } = arguments;
    let (a, b) = (inspect(first).map_err(Fatal::usage)?, inspect(second).map_err(Fatal::usage)?);
    let properties = properties(&a, &b);
    let same_size = (a.grid.rows, a.grid.cols) == (b.grid.rows, b.grid.cols);
    let bands = if same_size {
        // Not 1, which says that they differ.
        compare((first, &a), (second, &b), *tolerance).map_err(Fatal::usage)?
    } else {
        Vec::new()
    };
    let same = properties.is_empty() && bands.iter().all(|band| band.place.is_none());
    let pixels = u64::from(a.grid.rows) * u64::from(a.grid.cols);
    let text = if same {
        format!("{first} and {second} are the same: {}", grid_size(&a))
    } else {
        let mut text = format!("{first} and {second} differ");
        for Property { name, first, second } in &properties {
            let _ok = write!(text, "\n  {name:<12} {first}; {second}");
        }
        for (number, band) in (1..).zip(&bands) {
            describe(&mut text, number, band, pixels, (first, second));
        }
        if !same_size {
            text.push_str("\n  the pixels are not compared");
        }
        text
    };
    console.result(&text, "diff", || {
        json!({
            "same": same,
            "properties": properties.iter().map(|p| json!({ "name": p.name, "first": p.first, "second": p.second }))
                .collect::<Vec<_>>(),
            "bands": bands.iter().map(band_json).collect::<Vec<_>>(),
        })
    });
    if same { Ok(()) } else { Err(Fatal::failed("")) }
}

/// What differs but for pixels.
fn properties(a: &Info, b: &Info) -> Vec<Property> {
    let mut found = Vec::new();
    let mut compare = |name: &str, first: String, second: String| {
        if first != second {
            found.push(Property { name: name.to_owned(), first, second });
        }
    };
    compare("size", size(a), size(b));
    if !same_crs(&a.grid.crs, &b.grid.crs) {
        let (first, second) = (crs_name(&a.grid.crs), crs_name(&b.grid.crs));
        if first == second {
            compare("CRS", a.grid.crs.0.to_string(), b.grid.crs.0.to_string());
        } else {
            compare("CRS", first, second);
        }
    }
    if !same_place(a, b) {
        compare("geotransform", transform(a), transform(b));
    }
    compare("bands", a.bands.len().to_string(), b.bands.len().to_string());
    for (number, (a, b)) in (1..).zip(a.bands.iter().zip(&b.bands)) {
        let of = |what: &str| format!("band {number} {what}");
        compare(&of("type"), a.dtype.name().to_owned(), b.dtype.name().to_owned());
        compare(&of("nodata"), nodata(a), nodata(b));
        compare(&of("mask"), mask_name(a).to_owned(), mask_name(b).to_owned());
        compare(&of("scale"), a.scale.to_string(), b.scale.to_string());
        compare(&of("offset"), a.offset.to_string(), b.offset.to_string());
    }
    found
}

fn size(info: &Info) -> String {
    format!("{} × {} pixels", info.grid.cols, info.grid.rows)
}

fn transform(info: &Info) -> String {
    format!("{:?}", info.grid.transform.0)
}

/// Whether the corners lie at the same places; of files of different sizes, the upper left one and that of its pixel.
fn same_place(a: &Info, b: &Info) -> bool {
    let (rows, cols) = if (a.grid.rows, a.grid.cols) == (b.grid.rows, b.grid.cols) {
        (f64::from(a.grid.rows), f64::from(a.grid.cols))
    } else {
        (1.0, 1.0)
    };
    let corners = [(0.0, 0.0), (0.0, cols), (rows, 0.0), (rows, cols)];
    corners.iter().all(|(row, col)| {
        let (x, y) = b.grid.transform.to_map(*row, *col);
        let found = a.grid.transform.to_pixel(x, y);
        found.is_some_and(|(r, c)| (r - row).abs() <= SAME_PLACE && (c - col).abs() <= SAME_PLACE)
    })
}

/// Says what differs in a band's pixels, if anything does.
fn describe(text: &mut String, number: usize, band: &Differences, pixels: u64, files: (&str, &str)) {
    let Some(place) = band.place else { return };
    let mut parts = Vec::new();
    if band.differing > 0 {
        parts.push(format!("{} of {pixels} pixels differ, by up to {}", band.differing, band.largest));
    }
    for (count, file) in [(band.only_first, files.0), (band.only_second, files.1)] {
        if count > 0 {
            parts.push(format!("{count} are valid in {file} only"));
        }
    }
    let shown = |value: Option<types::Number>| value.map_or_else(|| "invalid".to_owned(), super::info::number);
    let Differing { row, col, first, second } = place;
    let _ok = write!(
        text,
        "\n  band {number:<7} {}; the first at row {row}, column {col}: {}; {}",
        parts.join(", "),
        shown(first),
        shown(second)
    );
}

fn band_json(band: &Differences) -> Value {
    json!({
        "differing": band.differing,
        "largest": value(band.largest),
        "only_first": band.only_first,
        "only_second": band.only_second,
        "place": band.place.map(|place| json!({ "row": place.row, "col": place.col })),
    })
}

fn tolerance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| *value >= 0.0).ok_or_else(|| "a number of 0 or more".to_owned())
}
