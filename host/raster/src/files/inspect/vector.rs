//! What a vector file is: its layers and their attributes.

use crate::Result;
use crate::files::gdal::{call, lists};
use crate::files::vector::layer::{Number, fid_column, open};
use gdal::vector::{LayerAccess, field_type_to_name, geometry_type_to_name};
use grid::Crs;

/// A vector file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorInfo {
    /// At least one, in the file's order.
    pub layers: Vec<LayerInfo>,
    /// GDAL's short name of the format.
    pub driver: String,
    /// The files that GDAL counts to this one, as it names them.
    pub files: Vec<String>,
    /// GDAL's warnings about the file.
    pub warnings: Vec<String>,
}

/// A layer of a vector file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Its name.
    pub name: String,
    /// OGR's name of its features' geometry: `"Polygon"`, `"Unknown (any)"`, …; `"None"` for a table.
    pub geometry: String,
    /// Its attributes, in the file's order.
    pub attributes: Vec<AttributeInfo>,
    /// The name of the column that holds the features' ids, if the format has one. It is burned like an attribute.
    pub fid: Option<String>,
    /// Its CRS.
    pub crs: Crs,
}

/// An attribute of a layer's features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeInfo {
    /// Its name.
    pub name: String,
    /// OGR's name of its type: `"Integer"`, `"String"`, …
    pub kind: String,
    /// Whether it is a number.
    pub is_numeric: bool,
}

/// Says what the vector file at `path` is, without reading features.
///
/// # Errors
/// When it can't be opened, or has no layers.
pub fn inspect_vector(path: &str) -> Result<VectorInfo> {
    let (dataset, mut warnings) = open(path)?;
    let (layers, messages) = call::hear(|| dataset.layers().map(|layer| describe(&layer)).collect());
    warnings.extend(messages.all());
    Ok(VectorInfo { layers, driver: dataset.driver().short_name(), files: lists::files(&dataset), warnings })
}

fn describe(layer: &impl LayerAccess) -> LayerInfo {
    let attributes = layer.defn().fields().enumerate().map(|(index, field)| AttributeInfo {
        name: field.name(),
        kind: field_type_to_name(field.field_type()),
        is_numeric: Number::of_type(index, field.field_type()).is_some(),
    });
    let crs = layer.spatial_ref().and_then(|crs| crs.to_wkt().ok()).unwrap_or_default();
    LayerInfo {
        name: layer.name(),
        geometry: geometry_type_to_name(layer.defn().geometry_type()),
        attributes: attributes.collect(),
        fid: fid_column(layer),
        crs: Crs::from(crs.as_str()),
    }
}
