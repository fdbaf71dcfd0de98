//! `[grid]`.

use super::{Field, Reader, Section};
use crate::spec::{Footprint, Grid};
use crate::tree::Data;

/// The section; `inputs` are the inputs' names, which `reference` may be one of.
pub fn grid(r: &mut Reader<'_>, field: &Field<'_>, inputs: &[&str]) -> Option<Grid> {
    let mut s = Section::of(r, field)?;
    let default = Grid::default();
    let footprint = s.read(r, "footprint", Reader::name);
    let reference = s.read(r, "reference", |r, f| match &f.node.data {
        Data::Text(name) if inputs.contains(&name.as_str()) => Some(name.clone()),
        Data::Text(_) => r.path(f),
        _ => r.text_as(f, "an input's name or a file", |_| None),
    });
    let extent_from = s.read(r, "extent_from", |r, f| r.list(f, "a list of files", Reader::path));
    let crs = s.read(r, "crs", crs);
    let resolution = s.read(r, "resolution", resolution);
    let bounds = s.read(r, "bounds", bounds);
    let tolerance = s.read(r, "tolerance", |r, f| {
        let value = r.number(f)?;
        r.want(f, "a part of a pixel: at least 0 and less than 0.5", (0.0..0.5).contains(&value).then_some(value))
    });
    let tile = s.read(r, "tile", |r, f| {
        let sides = match &f.node.data {
            Data::List(items) if items.len() == 2 => {
                r.list(f, "", |r, f| r.integer(f, "a number of pixels", 1..=65_536))?.try_into().ok()
            }
            _ => None,
        };
        r.want(f, "the tile's size as [cols, rows]", sides)
    });
    let edge = s.read(r, "edge", Reader::name);
    let skip_empty = s.read(r, "skip_empty", Reader::bool);
    contradictions(r, &mut s, footprint);
    s.finish(r);
    Some(Grid {
        footprint: footprint.unwrap_or(default.footprint),
        reference,
        extent_from,
        crs,
        resolution,
        bounds,
        tolerance: tolerance.unwrap_or(default.tolerance),
        tile,
        edge: edge.unwrap_or(default.edge),
        skip_empty: skip_empty.unwrap_or(default.skip_empty),
    })
}

fn contradictions(r: &mut Reader<'_>, s: &mut Section<'_>, footprint: Option<Footprint>) {
    if s.has("reference") {
        for key in ["crs", "resolution"] {
            if let Some(f) = s.get(key) {
                r.wrong(&f, "contradicts `reference`, whose grid is the working grid")
                    .hint(format!("leave out `reference` or `{key}`"));
            }
        }
    }
    if let Some(f) = s.get("extent_from") {
        if s.has("bounds") {
            r.wrong(&f, "contradicts `bounds`, which are the extent");
        } else if footprint == Some(Footprint::Reference) {
            r.wrong(&f, "contradicts `footprint = \"reference\"`, which is the reference's own extent");
        }
    }
    if footprint == Some(Footprint::Reference)
        && let Some(f) = s.get("bounds")
    {
        r.wrong(&f, "contradicts `footprint = \"reference\"`, which is the reference's own extent");
    }
}

/// An authority's code, WKT or a PROJ string. Whether PROJ knows it shows when the grid is planned.
pub fn crs(r: &mut Reader<'_>, field: &Field<'_>) -> Option<String> {
    let wanted = "a CRS such as \"EPSG:28355\", WKT or a PROJ string";
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let (found, code) = match &field.node.data {
        Data::Int(code) => (None, Some(code.to_string())),
        Data::Text(text) => {
            let text = text.trim();
            let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let epsg = plain.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("epsg"));
            let code =
                if epsg { plain.get(4..).unwrap_or_default().trim_start_matches([':', '=', '-']) } else { &plain };
            (crs_text(text), digits(code).then(|| code.to_owned()))
        }
        _ => (None, None),
    };
    if found.is_none() {
        let mistake = r.expected(field, wanted);
        if let Some(code) = code {
            mistake.hint(format!("write \"EPSG:{code}\""));
        }
    }
    found
}

fn crs_text(text: &str) -> Option<String> {
    let wkt = text
        .split_once('[')
        .is_some_and(|(word, _)| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    if wkt || text.starts_with("+proj=") {
        return Some(text.to_owned());
    }
    let (authority, code) = text.split_once(':')?;
    let right = !authority.is_empty()
        && authority.chars().all(|c| c.is_ascii_alphanumeric())
        // `EPSG:4326+5773` joins a horizontal and a vertical CRS.
        && code.split('+').all(|part| !part.is_empty() && part.len() <= 9 && part.chars().all(|c| c.is_ascii_digit()))
        && code.chars().any(|c| c != '0');
    right.then(|| format!("{}:{code}", authority.to_ascii_uppercase()))
}

fn resolution(r: &mut Reader<'_>, field: &Field<'_>) -> Option<[f64; 2]> {
    let wanted = "pixel width and height as [x, y]";
    if let Data::Int(_) | Data::Float(_) = field.node.data {
        let value = field.node.shown();
        r.expected(field, wanted).hint(format!("write [{value}, {value}]"));
        return None;
    }
    let sides = r.numbers::<2>(field, wanted)?;
    let positive = sides.iter().all(|side| *side > 0.0);
    r.want(field, "pixel width and height, both positive", positive.then_some(sides))
}

fn bounds(r: &mut Reader<'_>, field: &Field<'_>) -> Option<[f64; 4]> {
    let bounds = r.numbers::<4>(field, "bounds as [xmin, ymin, xmax, ymax]")?;
    let [xmin, ymin, xmax, ymax] = bounds;
    if xmin < xmax && ymin < ymax {
        return Some(bounds);
    }
    let mistake = r.wrong(field, "the order is [xmin, ymin, xmax, ymax], each minimum below its maximum");
    if xmin < ymin && xmax < ymax {
        mistake.hint(format!("if these are [xmin, xmax, ymin, ymax], write [{xmin}, {xmax}, {ymin}, {ymax}]"));
    }
    None
}
