//! `[inputs.*]` and `[outputs.*]`.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::grid::crs;
use super::{Field, Reader, Section, nodata};
use crate::spec::{
    Absent, DataType, Files, Input, InputNodata, Layer, MaskUse, Output, OutputNodata, RasterInput, Resampling,
    VectorInput,
};
use crate::tree::{Data, Node, item, join};
use crate::units::Nodata;

const RASTER_KEYS: [&str; 8] = ["paths", "path", "bands", "crs", "resampling", "mask", "unscale", "lossy"];
const VECTOR_KEYS: [&str; 6] = ["layer", "where", "burn", "burn_attribute", "dtype", "all_touched"];

/// One input, raster or vector.
pub fn input(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Input> {
    let s = Section::of(r, field)?;
    if s.has("vector") { vector(r, s).map(Input::Vector) } else { raster(r, s).map(Input::Raster) }
}

fn raster(r: &mut Reader<'_>, mut s: Section<'_>) -> Option<RasterInput> {
    let files = files(r, &mut s, "path = \"scene.tif\", or vector = \"fields.gpkg\"");
    let bands = s
        .read(r, "bands", |r, f| r.list(f, "a list of band numbers", |r, f| r.integer(f, "a band number", 1..=65_535)));
    let nodata = s.read(r, "nodata", input_nodata);
    if let (Some(bands), Some(InputNodata::PerBand(values))) = (&bands, &nodata)
        && bands.len() != values.len()
        && let Some(f) = s.get("nodata")
    {
        r.wrong(
            &f,
            format!("expected one value, or one for each of the {} bands, found {}", bands.len(), values.len()),
        );
    }
    let crs = s.read(r, "crs", crs);
    let mask = s.read(r, "mask", Reader::name);
    if mask == Some(MaskUse::None)
        && let Some(f) = s.get("nodata")
    {
        r.wrong(&f, "contradicts `mask = \"none\"`, which makes every pixel valid");
    }
    let unscale = s.read(r, "unscale", Reader::bool);
    let lossy = s.read(r, "lossy", Reader::bool);
    let resampling = s.read(r, "resampling", Reader::name);
    for key in VECTOR_KEYS {
        s.refuse(r, key, "only for a vector input, and there is no `vector`");
    }
    s.known.push("vector");
    s.finish(r);
    Some(RasterInput {
        files: files?,
        bands,
        nodata,
        crs,
        mask: mask.unwrap_or(MaskUse::Auto),
        unscale,
        lossy: lossy.unwrap_or(false),
        resampling: resampling.unwrap_or(Resampling::Nearest),
    })
}

/// `path` or `paths`, not both, not neither.
fn files(r: &mut Reader<'_>, s: &mut Section<'_>, example: &str) -> Option<Files> {
    let path = s.get("path");
    match (path, s.get("paths")) {
        (Some(path), None) => r.path(&path).map(Files::One),
        (None, Some(paths)) => r.list(&paths, "a list of paths", Reader::path).map(Files::List),
        (None, None) => {
            s.missing(r, "path", example);
            None
        }
        (Some(_), Some(paths)) => {
            r.wrong(&paths, "contradicts `path`: give one file or a list of them");
            None
        }
    }
}

fn input_nodata(r: &mut Reader<'_>, field: &Field<'_>) -> Option<InputNodata> {
    match field.node.data {
        Data::List(_) => r
            .list(field, "a number, \"nan\", or a list with one for each band", Reader::nodata)
            .map(InputNodata::PerBand),
        _ => r.nodata(field).map(InputNodata::All),
    }
}

fn vector(r: &mut Reader<'_>, mut s: Section<'_>) -> Option<VectorInput> {
    let vector = s.need(r, "vector", "vector = \"fields.gpkg\"", Reader::path);
    for key in RASTER_KEYS {
        s.refuse(r, key, "only for a raster input, and `vector` makes this a vector input");
    }
    let layer = s.read(r, "layer", |r, f| match f.node.data {
        Data::Int(_) => r.integer(f, "a layer's name, or its number", 0..=65_535).map(Layer::Index),
        _ => r.text_as(f, "a layer's name, or its number from 0", |name| Some(Layer::Name(name.to_owned()))),
    });
    let filter = s.read(r, "where", Reader::text);
    let burn = s.read(r, "burn", Reader::number);
    let burn_attribute = s.read(r, "burn_attribute", Reader::text);
    let dtype = s.read(r, "dtype", Reader::name).unwrap_or(DataType::UInt8);
    let nodata = s.read(r, "nodata", Reader::nodata);
    let all_touched = s.read(r, "all_touched", Reader::bool);
    if s.has("burn")
        && let Some(f) = s.get("burn_attribute")
    {
        r.wrong(&f, "contradicts `burn`: burn one value, or each feature's attribute");
    }
    fits(r, &mut s, "burn", burn, dtype);
    fits(r, &mut s, "nodata", nodata.map(|n| n.0), dtype);
    let outside = nodata.unwrap_or(Nodata(0.0));
    if let (Some(value), Some(f)) = (burn, s.get("burn"))
        && Nodata(value) == outside
    {
        r.wrong(&f, format!("is the same as nodata ({outside}): no pixel would be valid"));
    }
    s.finish(r);
    Some(VectorInput {
        vector: vector?,
        layer,
        filter,
        burn,
        burn_attribute,
        dtype,
        nodata: outside,
        all_touched: all_touched.unwrap_or(false),
    })
}

fn fits(r: &mut Reader<'_>, s: &mut Section<'_>, key: &'static str, value: Option<f64>, dtype: DataType) {
    if let (Some(value), Some(f)) = (value, s.get(key))
        && !holds(dtype, value)
    {
        r.wrong(&f, format!("{} does not fit dtype {}", Nodata(value), dtype.name()))
            .hint("set `dtype` to a type that can hold it");
    }
}

/// Whether a pixel of this type can have this value (for floats: up to rounding).
fn holds(dtype: DataType, value: f64) -> bool {
    let (min, max) = match dtype {
        DataType::UInt8 => (0.0, 255.0),
        DataType::Int8 => (-128.0, 127.0),
        DataType::UInt16 => (0.0, 65_535.0),
        DataType::Int16 => (-32_768.0, 32_767.0),
        DataType::UInt32 => (0.0, 4_294_967_295.0),
        DataType::Int32 => (-2_147_483_648.0, 2_147_483_647.0),
        // The largest floats below 2^64 and 2^63.
        DataType::UInt64 => (0.0, 18_446_744_073_709_549_568.0),
        DataType::Int64 => (-9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0),
        DataType::Float32 => return value.is_nan() || value.abs() <= f64::from(f32::MAX),
        DataType::Float64 => return true,
    };
    (min..=max).contains(&value) && value.fract() == 0.0
}

/// One output.
pub fn output(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Output> {
    let mut s = Section::of(r, field)?;
    let files = files(r, &mut s, "path = \"result.tif\"");
    let driver = s.read(r, "driver", Reader::text);
    let options = s.read(r, "options", |r, f| match &f.node.data {
        // A script that fills it in may have none.
        Data::List(none) if none.is_empty() => Some(Vec::new()),
        _ => r.list(f, "a list of creation options", |r, f| {
            r.text_like(f, "an option as NAME=VALUE", |text| text.find('=').is_some_and(|at| at > 0))
        }),
    });
    let nodata = s.read(r, "nodata", output_nodata);
    let band_names = s.read(r, "band_names", |r, f| r.list(f, "a list of band names", Reader::text));
    let statistics = s.read(r, "statistics", Reader::bool);
    let histogram = s.read(r, "histogram", Reader::bool);
    let overviews = s.read(r, "overviews", Reader::bool);
    let levels = s.read(r, "levels", |r, f| {
        let levels = r.list(f, "a list of overview levels", |r, f| r.integer(f, "a level", 2..=65_536))?;
        let ascending = levels.iter().zip(levels.iter().skip(1)).all(|(a, b)| a < b);
        r.want(f, "levels in ascending order", ascending.then_some(levels))
    });
    let overview_resampling = s.read(r, "overview_resampling", Reader::name);
    if overviews == Some(false)
        && let Some(f) = s.get("levels")
    {
        r.wrong(&f, "contradicts `overviews = false`");
    }
    if overviews != Some(true)
        && !s.has("levels")
        && let Some(f) = s.get("overview_resampling")
    {
        r.wrong(&f, "has no effect without overviews").hint("set `overviews = true` or `levels`");
    }
    let color_table = s.read(r, "color_table", Reader::text);
    let thematic = s.read(r, "thematic", Reader::bool);
    let scale = s.read(r, "scale", Reader::number);
    if let (Some(0.0), Some(f)) = (scale, s.get("scale")) {
        r.wrong(&f, "is 0: no value could be told from another");
    }
    let offset = s.read(r, "offset", Reader::number);
    let unit = s.read(r, "unit", Reader::text);
    let lossy = s.read(r, "lossy", Reader::bool);
    s.finish(r);
    Some(Output {
        files: files?,
        driver,
        options,
        nodata,
        band_names,
        statistics: statistics.unwrap_or(false),
        histogram: histogram.unwrap_or(false),
        overviews: overviews.unwrap_or(levels.is_some()),
        levels,
        overview_resampling,
        color_table,
        thematic: thematic.unwrap_or(false),
        scale,
        offset,
        unit,
        lossy: lossy.unwrap_or(false),
    })
}

fn output_nodata(r: &mut Reader<'_>, field: &Field<'_>) -> Option<OutputNodata> {
    match &field.node.data {
        Data::Text(text) if text == "none" => Some(OutputNodata::None(Absent::None)),
        Data::Int(_) => r.nodata(field).map(OutputNodata::Value),
        _ => r.want(field, "a number, \"nan\" or \"none\"", nodata(field.node).map(OutputNodata::Value)),
    }
}

/// Two outputs that would overwrite each other.
pub fn same_file_twice(r: &mut Reader<'_>, tree: &Node, outputs: &IndexMap<String, Output>) {
    let mut seen: HashMap<&str, String> = HashMap::new();
    for (name, output) in outputs {
        let table = join("outputs", name);
        for (index, file) in output.files.as_slice().iter().enumerate() {
            let key = if output.files.is_list() { item(&join(&table, "paths"), index) } else { join(&table, "path") };
            if let Some(first) = seen.get(file.as_str()) {
                let place = r.source.place(tree.origin_of(&key));
                r.mistakes.add(place, key, format!("the same file as {first}"));
            } else {
                seen.insert(file, key);
            }
        }
    }
}
