//! The schema of texts that have a form of their own.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;
use std::borrow::Cow;
use types::DType;

/// A path or URL; the reader makes it absolute.
pub fn path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "x-format": "path", "x-expected": "a path or URL" })
}

/// A list of paths or URLs.
pub fn paths(generator: &mut SchemaGenerator) -> Schema {
    let items = path(generator);
    json_schema!({ "type": "array", "minItems": 1, "items": items, "x-expected": "a list of paths" })
}

/// A list of files, each a path or a table with bands and nodata of the file's own.
pub fn raster_paths(generator: &mut SchemaGenerator) -> Schema {
    let own = generator.subschema_for::<super::raster_files::OwnFile>();
    let items = json_schema!({ "anyOf": [own, path(generator)] });
    json_schema!({ "type": "array", "minItems": 1, "items": items, "x-expected": "a list of paths" })
}

/// An authority's code, WKT or a PROJ string. Whether PROJ knows it shows when the grid is planned.
pub fn crs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "examples": ["EPSG:28355"],
        "x-format": "crs",
        "x-expected": "a CRS such as \"EPSG:28355\", WKT or a PROJ string",
    })
}

/// AWS's rules for tags; some of the 50 allowed are left for tilefn's own.
pub fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 40,
        "additionalProperties": {
            "type": "string",
            "x-format": "tag",
            "x-expected": "a text of at most 256 letters, digits, spaces and _.:/=+-@",
        },
        "x-expected": "a table of texts",
        "x-hint": "for example: tags = { project = \"ndvi\" }",
    })
}

/// The schema of a [`DType`], whose crate is compiled into functions and can't have it.
pub struct DataType;

impl JsonSchema for DataType {
    fn schema_name() -> Cow<'static, str> {
        "DataType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let described = |dtype: DType| match (dtype.is_float(), dtype.is_signed(), dtype.size() * 8) {
            (true, _, 32) => "Single precision.".to_owned(),
            (true, ..) => "Double precision.".to_owned(),
            (_, true, bits) => format!("Signed {bits}-bit integer."),
            (_, false, bits) => format!("Unsigned {bits}-bit integer."),
        };
        let word = |dtype: DType| json!({ "type": "string", "const": dtype.name(), "description": described(dtype) });
        json_schema!({ "oneOf": DType::ALL.map(word), "description": "Element type, by numpy's names." })
    }
}

/// The pattern of a value as a key, written in one way only, so that none comes twice.
const VALUE: &str = "^(0|-?[1-9][0-9]{0,15})$";

/// Classes by value.
pub fn classes(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": VALUE },
        "additionalProperties": generator.subschema_for::<super::rasters::Class>(),
        "x-key": "a class's value, a whole number",
        "x-expected": "a table of classes",
        "x-hint": "for example: classes = { 1 = { name = \"water\", color = \"#2b83ba\" } }",
    })
}

/// Colours by value.
pub fn colors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": VALUE },
        "additionalProperties": {
            "type": "string",
            "pattern": "^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$",
            "x-expected": "a colour as \"#rrggbb\" or \"#rrggbbaa\"",
        },
        "examples": [{ "0": "#000000", "100": "#ffffff" }],
        "x-key": "a value, a whole number",
    })
}

/// Metadata items of a file. GDAL keeps them as `KEY=text`.
pub fn metadata(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[^=:]+$" },
        "additionalProperties": { "type": "string" },
        "examples": [{ "SENSOR": "MSI" }],
        "x-expected": "a table of texts",
        "x-hint": "for example: metadata = { SENSOR = \"MSI\" }",
    })
}
