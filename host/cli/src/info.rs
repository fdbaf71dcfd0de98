//! `tilefn info`: what tilefn makes of a file.

use super::console::Console;
use super::fatal::Fatal;
use clap::Args;
use grid::{GeoTransform, Mismatch, Window};
use raster::{
    BandInfo, Error, Georeferencing, Info, LayerInfo, Mask, VectorInfo, crs_name, inspect, inspect_vector, same_crs,
};
use serde_json::{Value, json};
use std::fmt::Write;
use types::Number;

/// Bands, layers and attributes that people are shown; programs get all.
const SHOWN: usize = 40;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The raster or vector file: any path that GDAL can open, s3:// and https:// included
    file: String,
    /// Say whether this file's pixels are those of another file's grid, or are resampled onto it
    #[arg(long, value_name = "REFERENCE")]
    onto: Option<String>,
}

/// Says it.
pub fn info(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let path = &arguments.file;
    let info = match inspect(path) {
        Err(Error::Vector { .. }) if arguments.onto.is_none() => return layers(path, console),
        result => result.map_err(Fatal::usage)?,
    };
    info.warnings.iter().for_each(|warning| console.warn(&format!("{path}: {warning}")));
    let reading = match &arguments.onto {
        None => alone(&info),
        Some(reference) => onto(&info, &inspect(reference).map_err(Fatal::usage)?, reference),
    };
    console.result(&text(path, &info, &reading), "info", || raster_json(path, &info, &reading));
    Ok(())
}

fn text(path: &str, info: &Info, reading: &str) -> String {
    let mut text = format!("{path}: {}, {}", info.driver, grid_size(info));
    let grid = &info.grid;
    let _ok = write!(text, "\n  {:<10} {}", "CRS", crs_name(&grid.crs));
    if grid.transform != GeoTransform::NONE {
        let (x, y) = grid.transform.pixel_size();
        let _ok = write!(text, "\n  {:<10} {} × {}", "pixel", x.abs(), y.abs());
        let [x_min, y_min, x_max, y_max] = bounds(info);
        let _ok = write!(text, "\n  {:<10} [{x_min}, {y_min}, {x_max}, {y_max}]", "bounds");
    }
    let _ok = write!(text, "\n  {:<10} {reading}", "reading");
    for (number, band) in (1..).zip(&info.bands).take(SHOWN) {
        let _ok = write!(text, "\n  {:<10} {}", format!("band {number}"), band_text(band));
    }
    if let Some(more) = info.bands.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ok = write!(text, "\n  and {more} more bands");
    }
    text
}

/// `349 × 352 pixels, 6 bands`.
pub fn grid_size(info: &Info) -> String {
    let plural = if info.bands.len() == 1 { "" } else { "s" };
    format!("{} × {} pixels, {} band{plural}", info.grid.cols, info.grid.rows, info.bands.len())
}

/// A band in words: its type, which pixels are valid, and its blocks.
fn band_text(band: &BandInfo) -> String {
    let (rows, cols) = band.block;
    let mut text = format!("{}, {}, blocks of {cols} × {rows}", band.dtype.name(), validity(band));
    if (band.scale, band.offset) != (1.0, 0.0) {
        let _ok = write!(text, ", scale {}, offset {}", band.scale, band.offset);
    }
    if !matches!(&*band.color, "Undefined" | "Gray" | "") {
        let _ok = write!(text, ", {}", band.color.to_lowercase());
    }
    if !band.name.is_empty() {
        let _ok = write!(text, ", {:?}", band.name);
    }
    text
}

/// Which pixels are valid.
fn validity(band: &BandInfo) -> String {
    match (band.mask, band.nodata) {
        (Mask::None, None) if band.dtype.is_float() => "all pixels but NaN are valid".to_owned(),
        (Mask::None, None) => "all pixels are valid".to_owned(),
        (Mask::None, Some(value)) => format!("nodata {value}"),
        (Mask::Band, None) => "valid where its mask says so".to_owned(),
        (Mask::Band, Some(value)) => format!("valid where its mask says so, nodata {value}"),
        (Mask::Nodata, _) => "invalid where all bands are nodata".to_owned(),
    }
}

/// The band's nodata value in words.
pub fn nodata(band: &BandInfo) -> String {
    band.nodata.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// How the band says, beside nodata, which pixels are valid.
pub fn mask_name(band: &BandInfo) -> &'static str {
    match band.mask {
        Mask::None => "none",
        Mask::Band => "mask or alpha",
        Mask::Nodata => "nodata of all bands",
    }
}

/// `[x_min, y_min, x_max, y_max]` of all four corners.
fn bounds(info: &Info) -> [f64; 4] {
    let (rows, cols) = (f64::from(info.grid.rows), f64::from(info.grid.cols));
    let corners = [(0.0, 0.0), (0.0, cols), (rows, 0.0), (rows, cols)];
    let corners = corners.map(|(row, col)| info.grid.transform.to_map(row, col));
    let least = |part: fn(&(f64, f64)) -> f64| corners.iter().map(part).fold(f64::INFINITY, f64::min);
    let most = |part: fn(&(f64, f64)) -> f64| corners.iter().map(part).fold(f64::NEG_INFINITY, f64::max);
    [least(|c| c.0), least(|c| c.1), most(|c| c.0), most(|c| c.1)]
}

/// Pixels by which a file's corners may be off a grid and still be on it, in a job that doesn't say.
fn tolerance() -> f64 {
    job::spec::Grid::default().tolerance
}

/// How a job reads the file on its own grid.
fn alone(info: &Info) -> String {
    match (info.georeferencing, info.grid.north_up(tolerance())) {
        (Georeferencing::Points, _) => {
            "not as it is: it has ground control points, so its pixels lie on no grid; gdalwarp gives it one".to_owned()
        }
        (_, Err(grid::Error::Rotated { .. })) => {
            "resampled: it is rotated, so a job needs a [grid] or another file as its reference".to_owned()
        }
        (_, Err(error)) => format!("not at all: {error}"),
        (Georeferencing::None | Georeferencing::Polynomials | Georeferencing::Arrays, Ok(_)) => {
            "directly, by rows and columns: it has no place on the map".to_owned()
        }
        (Georeferencing::Transform, Ok(_)) => {
            let turn = info.grid.transform.turn();
            let turned = if turn.rows || turn.cols { ", turned north-up" } else { "" };
            format!("directly{turned}")
        }
    }
}

/// How a job reads the file on another one's grid.
fn onto(info: &Info, reference: &Info, name: &str) -> String {
    let upright = match (reference.georeferencing, reference.grid.north_up(tolerance())) {
        (Georeferencing::Points, _) => return format!("not on {name}, which has ground control points and no grid"),
        (_, Err(error)) => return format!("not on {name}: {error}"),
        (_, Ok(grid)) => grid,
    };
    if info.georeferencing == Georeferencing::Points {
        return alone(info);
    }
    let placed = |grid: &grid::Grid| grid.transform != GeoTransform::NONE;
    match grid::relate(&upright, &info.grid, tolerance(), same_crs) {
        Ok(placement) => {
            let window = placement.offset.window(info.grid.rows, info.grid.cols);
            let whole = Window::new(0, 0, upright.rows, upright.cols);
            match window.intersection(&whole) {
                _ if window == whole => format!("directly: its pixels are those of {name}"),
                None => format!("directly, but no pixel is on {name}"),
                Some(_) => format!("directly: its pixels are {window} of {name}"),
            }
        }
        Err(mismatch) if !placed(&info.grid) || !placed(&upright) => {
            format!("not on {name}: {mismatch}, and one of them has no place on the map")
        }
        Err(Mismatch::Crs) if info.grid.crs.is_none() || upright.crs.is_none() => {
            format!("not on {name}: one of them has no CRS")
        }
        Err(Mismatch::Crs) => {
            format!("resampled: its CRS is {}, that of {name} is {}", crs_name(&info.grid.crs), crs_name(&upright.crs))
        }
        Err(mismatch) => format!("resampled onto {name}: {mismatch}"),
    }
}

fn raster_json(path: &str, info: &Info, reading: &str) -> Value {
    let grid = &info.grid;
    json!({
        "path": path,
        "driver": info.driver,
        "rows": grid.rows,
        "cols": grid.cols,
        "crs": &*grid.crs.0,
        "geotransform": grid.transform.0,
        "bounds": bounds(info),
        "reading": reading,
        "files": info.files,
        "bands": info.bands.iter().map(|band| json!({
            "dtype": band.dtype.name(),
            "nodata": band.nodata.map(|value| value.to_string()),
            "mask": mask_name(band),
            "block": [band.block.1, band.block.0],
            "scale": value(band.scale),
            "offset": value(band.offset),
            "color": band.color,
            "name": band.name,
        })).collect::<Vec<_>>(),
    })
}

/// Says what a vector file is.
fn layers(path: &str, console: &Console) -> Result<(), Fatal> {
    let VectorInfo { layers, driver, files, warnings } = inspect_vector(path).map_err(Fatal::usage)?;
    warnings.iter().for_each(|warning| console.warn(&format!("{path}: {warning}")));
    let mut text = format!("{path}: {driver}, a vector file: an input has it as `vector`, not `path`");
    for layer in layers.iter().take(SHOWN) {
        let _ok = write!(text, "\n  layer {:?}: {}, {}", layer.name, layer.geometry, crs_name(&layer.crs));
        let burned = layer.attributes.iter().filter(|attribute| attribute.is_numeric).map(|a| a.name.as_str());
        let burned: Vec<_> = layer.fid.as_deref().into_iter().chain(burned).take(SHOWN).collect();
        if !burned.is_empty() {
            let _ok = write!(text, "\n    can be burned: {}", burned.join(", "));
        }
    }
    if let Some(more) = layers.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ok = write!(text, "\n  and {more} more layers");
    }
    let layer_json = |layer: &LayerInfo| {
        let attributes = layer.attributes.iter();
        let attributes = attributes.map(|a| json!({ "name": a.name, "type": a.kind, "numeric": a.is_numeric }));
        json!({ "name": layer.name, "geometry": layer.geometry, "crs": &*layer.crs.0, "fid": layer.fid,
            "attributes": attributes.collect::<Vec<_>>() })
    };
    console.result(&text, "info", || {
        json!({ "path": path, "driver": driver, "files": files,
            "layers": layers.iter().map(layer_json).collect::<Vec<_>>() })
    });
    Ok(())
}

/// A pixel's value in words.
pub fn number(value: Number) -> String {
    match value {
        Number::Signed(value) => value.to_string(),
        Number::Unsigned(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
    }
}

/// A float for programs: JSON has no infinite numbers.
pub fn value(number: f64) -> Value {
    if number.is_finite() { json!(number) } else { json!(number.to_string()) }
}
