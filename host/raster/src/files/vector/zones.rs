//! The zones of a vector file: their numbers, and a copy of their features with a table's numbers.

use crate::files::gdal::call;
use crate::files::gdal::messages::Messages;
use crate::files::vector::layer::{self, Number};
use crate::{Error, Result, burned_bits};
use gdal::DriverManager;
use gdal::vector::{Feature, FieldDefn, LayerAccess, LayerOptions, OwnedLayer};
use gdal_sys::OGRFieldType;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use types::{Column, DType, Table};

/// The features of a layer that are zones, and the attribute that numbers them: whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    /// The file.
    pub path: String,
    /// The layer's name.
    pub layer: String,
    /// OGR attribute filter: only these features are zones.
    pub filter: Option<String>,
    /// The attribute, or the column of the features' ids.
    pub by: String,
}

impl Zones {
    /// The zones' numbers. A feature without a number is no zone.
    ///
    /// # Errors
    /// When the features can't be read, or have no such numbers.
    pub fn numbers(&self) -> Result<BTreeSet<i64>> {
        let (mut layer, number) = self.open()?;
        layer::without_geometry(&layer, true);
        let (numbers, messages) =
            call::hear(|| layer.features().filter_map(|feature| whole(number, &feature)).collect());
        self.unless_failed(&messages)?;
        Ok(numbers)
    }

    /// Writes a GeoPackage with the zones' features and the table's columns, the first of which has the zones' numbers.
    ///
    /// # Errors
    /// When the features can't be read, or the file can't be written; what there is of it is to be removed then.
    pub fn write(&self, table: &Table, to: &Path) -> Result<()> {
        let (mut layer, number) = self.open()?;
        let create = |reason: String| Error::Create { path: to.display().to_string(), reason };
        let Some(((by, Column::Integers(numbers)), columns)) = table.columns.split_first() else {
            return Err(create("the table doesn't begin with the zones' numbers".to_owned()));
        };
        let rows: BTreeMap<i64, usize> =
            numbers.iter().enumerate().filter_map(|(row, number)| Some(((*number)?, row))).collect();
        let (written, messages) = call::hear(|| self.copy(&mut layer, number, (by, columns, &rows), to));
        written.map_err(|e| create(messages.reason(&e.to_string())))?;
        messages.failure().map_or(Ok(()), |reason| Err(create(reason)))
    }

    fn copy(
        &self,
        layer: &mut OwnedLayer,
        number: Number,
        (by, columns, rows): (&str, &[(String, Column)], &BTreeMap<i64, usize>),
        to: &Path,
    ) -> gdal::errors::Result<()> {
        let mut dataset = DriverManager::get_driver_by_name("GPKG")?.create_vector_only(to)?;
        // One transaction: a feature each would wait for the disk.
        let mut transaction = dataset.start_transaction()?;
        {
            // The features' ids of the new file are its own, so a column for them needs another name.
            let options: &[&str] = if by == "fid" { &["FID=tilefn_fid"] } else { &[] };
            let srs = layer.spatial_ref();
            let ty = layer.defn().geometry_type();
            let made = transaction.create_layer(LayerOptions {
                name: &self.layer,
                srs: srs.as_ref(),
                ty,
                options: Some(options),
            })?;
            FieldDefn::new(by, OGRFieldType::OFTInteger64)?.add_to_layer(&made)?;
            for (name, column) in columns {
                let kind = match column {
                    Column::Integers(_) => OGRFieldType::OFTInteger64,
                    Column::Floats(_) => OGRFieldType::OFTReal,
                    Column::Bools(_) => OGRFieldType::OFTInteger,
                    Column::Texts(_) => OGRFieldType::OFTString,
                };
                FieldDefn::new(name, kind)?.add_to_layer(&made)?;
            }
            layer.reset_feature_reading();
            for feature in layer.features() {
                let Some(zone) = whole(number, &feature) else { continue };
                let mut copy = Feature::new(made.defn())?;
                if let Some(geometry) = feature.geometry() {
                    copy.set_geometry(geometry.clone())?;
                }
                copy.set_field_integer64(0, zone)?;
                if let Some(row) = rows.get(&zone) {
                    for (place, (_, column)) in columns.iter().enumerate() {
                        match column {
                            Column::Integers(all) => {
                                all.get(*row).copied().flatten().map(|n| copy.set_field_integer64(place + 1, n))
                            }
                            Column::Floats(all) => {
                                all.get(*row).copied().flatten().map(|n| copy.set_field_double(place + 1, n))
                            }
                            Column::Bools(all) => {
                                let value = all.get(*row).copied().flatten();
                                value.map(|value| copy.set_field_integer(place + 1, value.into()))
                            }
                            Column::Texts(all) => {
                                let text = all.get(*row).and_then(Option::as_deref);
                                text.map(|text| copy.set_field_string(place + 1, text))
                            }
                        }
                        .transpose()?;
                    }
                }
                copy.create(&made)?;
            }
        }
        transaction.commit()?;
        dataset.close()
    }

    fn open(&self) -> Result<(OwnedLayer, Number)> {
        let layer = layer::layer(&self.path, &self.layer, self.filter.as_deref())?;
        let number = Number::find(&layer, &self.by).ok_or_else(|| Error::Shape {
            path: self.path.clone(),
            reason: format!("there is no numeric attribute {:?} any more: the file has changed", self.by),
        })?;
        Ok((layer, number))
    }

    fn unless_failed(&self, messages: &Messages) -> Result<()> {
        let failed = |reason| Err(Error::Unsupported { path: self.path.clone(), reason });
        messages.failure().map_or(Ok(()), failed)
    }
}

/// A feature's number, if it is whole.
fn whole(number: Number, feature: &Feature<'_>) -> Option<i64> {
    burned_bits(number.of(feature)?, DType::Int64).ok().map(u64::cast_signed)
}
