//! Layers of vector files: opened, found by name, and the numbers that their features have.

use crate::files::gdal::call;
use crate::files::inspect::open::{open_as, without_name};
use crate::{Error, Result};
use gdal::vector::{Feature, LayerAccess, OwnedLayer};
use gdal::{Dataset, GdalOpenFlags};
use gdal_sys::OGRFieldType;
use std::ffi::{CStr, c_int};
use std::ptr;
use types::Nodata;
use types::location::gdal_name;

/// A vector file open for reading, and GDAL's warnings from opening it.
pub(crate) type Opened = (Dataset, Vec<String>);

/// Opens a vector file for reading.
///
/// # Errors
/// When GDAL can't open it, or it has no layers.
pub(crate) fn open(path: &str) -> Result<Opened> {
    let name = gdal_name(path);
    let (opened, messages) =
        call::hear(|| open_as(&name, GdalOpenFlags::GDAL_OF_VECTOR | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR));
    let Some(dataset) = opened else {
        let (raster, _) = call::watch(|| open_as(&name, GdalOpenFlags::GDAL_OF_RASTER));
        return Err(match raster {
            Some(_) => Error::Raster { path: path.to_owned() },
            None => Error::Open {
                path: path.to_owned(),
                reason: without_name(&messages.reason("GDAL gives no reason"), &name),
            },
        });
    };
    if dataset.layer_count() == 0 {
        return Err(Error::Unsupported { path: path.to_owned(), reason: "it has no layers of features".into() });
    }
    let warnings = messages.all().iter().map(|text| without_name(text, &name)).collect();
    Ok((dataset, warnings))
}

/// The layer of this name, with the filter set.
///
/// # Errors
/// When there is no such layer, or OGR doesn't understand the filter.
pub(crate) fn layer(path: &str, name: &str, filter: Option<&str>) -> Result<OwnedLayer> {
    let (dataset, _) = open(path)?;
    let index = dataset.layers().position(|layer| layer.name() == name);
    let layer = index.and_then(|index| dataset.into_layer(index).ok());
    let mut layer = layer.ok_or_else(|| Error::Shape {
        path: path.to_owned(),
        reason: format!("there is no layer {name:?} any more: the file has changed"),
    })?;
    if let Some(filter) = filter {
        let (set, messages) = call::watch(|| layer.set_attribute_filter(filter));
        if let (Err(error), _) | (Ok(()), Some(error)) =
            (set.map_err(|e| messages.reason(&e.to_string())), messages.failure())
        {
            return Err(Error::Filter { path: path.to_owned(), filter: filter.to_owned(), reason: error });
        }
    }
    Ok(layer)
}

/// Where a feature's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// It is the feature's id.
    Fid,
    /// An attribute with whole numbers.
    Integer(usize),
    /// An attribute with floats.
    Real(usize),
}

impl Number {
    /// The number of this name; none if there is no such attribute, or it isn't numeric.
    pub(crate) fn find(layer: &impl LayerAccess, name: &str) -> Option<Self> {
        let field = layer.defn().fields().enumerate().find(|(_, field)| field.name() == name);
        match field {
            Some((index, field)) => Self::of_type(index, field.field_type()),
            None => (fid_column(layer).as_deref() == Some(name)).then_some(Self::Fid),
        }
    }

    /// An attribute of one of OGR's types.
    pub(crate) fn of_type(index: usize, kind: OGRFieldType::Type) -> Option<Self> {
        match kind {
            OGRFieldType::OFTInteger | OGRFieldType::OFTInteger64 => Some(Self::Integer(index)),
            OGRFieldType::OFTReal => Some(Self::Real(index)),
            _ => None,
        }
    }

    /// The feature's number; none if it has none.
    pub(crate) fn of(self, feature: &Feature<'_>) -> Option<Nodata> {
        match self {
            Self::Fid => feature.fid().map(|fid| Nodata::Int(fid.into())),
            Self::Integer(index) | Self::Real(index) if !has_value(feature, index) => None,
            Self::Integer(index) => feature.field_as_integer64(index).ok()?.map(|value| Nodata::Int(value.into())),
            Self::Real(index) => feature.field_as_double(index).ok()?.map(Nodata::Float),
        }
    }
}

/// The name of the column that holds the features' ids, if the format has one.
pub(crate) fn fid_column(layer: &impl LayerAccess) -> Option<String> {
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the layer is open; the text ends with a zero and is the layer's, so it is copied.
    let name = unsafe {
        let name = gdal_sys::OGR_L_GetFIDColumn(layer.c_layer());
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    };
    name.filter(|name| !name.is_empty())
}

/// Lets the driver leave out the geometry when it reads features, or not any more.
pub(crate) fn without_geometry(layer: &impl LayerAccess, leave_out: bool) {
    let mut names = [c"OGR_GEOMETRY".as_ptr(), ptr::null()];
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the layer is open; the list of texts ends with null, is only read, and isn't kept. Drivers that can't leave it out
    // refuse, and read it.
    let _ = call::watch(|| unsafe {
        gdal_sys::OGR_L_SetIgnoredFields(layer.c_layer(), if leave_out { names.as_mut_ptr() } else { ptr::null_mut() })
    });
}

/// Whether the attribute is there and not null. The gdal crate takes one that isn't there for 0.
fn has_value(feature: &Feature<'_>, index: usize) -> bool {
    let Ok(index) = c_int::try_from(index) else { return false };
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the feature is alive; OGR checks the index.
    unsafe {
        gdal_sys::OGR_F_IsFieldSetAndNotNull(feature.c_feature(), index) != 0
    }
}
