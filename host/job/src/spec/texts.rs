//! The schema of texts that have a form of their own.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A path or URL; the reader makes it absolute.
pub fn path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "x-format": "path", "x-expected": "a path or URL" })
}

/// A list of paths or URLs.
pub fn paths(generator: &mut SchemaGenerator) -> Schema {
    let items = path(generator);
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
