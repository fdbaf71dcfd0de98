//! Classes and colours of an output: its attribute table, colour table and category names.
//!
//! Formats with an attribute table of their own (HFA, KEA) have a row for each value from 0, so rows need no column with the value, and
//! the driver makes the columns of colours from the colour table, that of counts from the stored histogram. In all other formats GDAL
//! keeps the table beside the file (`.aux.xml`), with a row for each class, or each value that occurs.

use crate::files::colors::{ColorRamp, Colors, Rgba, between};
use crate::files::gdal::attributes::{AttributeTable, Column, ColumnType, Values};
use crate::files::gdal::call;
use crate::files::write::spec::TargetSpec;
use gdal::Dataset;
use gdal::raster::{ColorEntry, ColorTable, PaletteInterpretation, RasterBand};
use std::collections::{BTreeMap, BTreeSet};
use tilefn_abi::DType;
use types::Nodata;

/// Formats with an attribute table of their own.
const OWN_TABLE: [&str; 2] = ["HFA", "KEA"];
/// The last row of such a table, and of a colour table.
pub(crate) const LAST_ROW: i64 = 65_535;
/// The last value that has a category name, which needs a text for each value below it.
const LAST_CATEGORY: i64 = 255;
/// The largest number up to which 64-bit floats have all integers: attribute tables have no wider type.
const EXACT: i64 = 1 << 53;

/// The values of a band.
#[derive(Clone, Debug, Default)]
pub(crate) struct Occurring {
    /// The lowest and highest one, or 0.
    pub(crate) range: (i64, i64),
    /// Each one with the number of its pixels; `None` if they span too much.
    pub(crate) counts: Option<Vec<(i64, u64)>>,
}

/// Whether a driver's files have an attribute table of their own.
pub(crate) fn has_own_table(driver: &str) -> bool {
    OWN_TABLE.contains(&driver)
}

/// Whether GDAL has colour tables for the type.
const fn has_palette(dtype: DType) -> bool {
    matches!(dtype, DType::UInt8 | DType::UInt16)
}

impl TargetSpec {
    /// Whether any value gets a colour.
    pub(crate) fn has_colors(&self) -> bool {
        self.color_table.is_some() || self.classes.values().any(|class| class.color.is_some())
    }

    /// Whether the values that occur must be known one by one, to have a row each.
    pub(crate) fn needs_values(&self) -> bool {
        let table = !self.classes.is_empty() || (self.color_table.is_some() && !has_palette(self.dtype));
        table && (self.histogram || matches!(self.color_table, Some(Colors::Ramp(_))))
    }

    /// The highest value that a class or a colour is given for; 0 if none is.
    pub(crate) fn highest_given(&self) -> i64 {
        let class = self.classes.last_key_value().map(|(value, _)| *value);
        let color = match &self.color_table {
            Some(Colors::Values(colors)) => colors.last_key_value().map(|(value, _)| *value),
            _ => None,
        };
        class.max(color).unwrap_or(0).max(0)
    }

    /// Refuses classes and colours that such an output can't have, whatever its format.
    pub(crate) fn check_classes(&self) -> Result<(), String> {
        let integers = !self.dtype.is_float();
        if !self.classes.is_empty() && !integers {
            return Err(format!("classes need integers; it has {}", self.dtype.name()));
        }
        let colored = match &self.color_table {
            Some(Colors::Values(colors)) => colors.keys().copied().collect(),
            _ => Vec::new(),
        };
        for (what, value) in
            self.classes.keys().map(|value| ("class", value)).chain(colored.iter().map(|v| ("colour's value", v)))
        {
            if Nodata::Int((*value).into()).as_bits_for(self.dtype).is_err() {
                return Err(format!("the {what} {value} does not fit {}", self.dtype.name()));
            }
            if value.abs() > EXACT {
                return Err(format!("the {what} {value} is beyond 2⁵³, up to which attribute tables are exact"));
            }
        }
        if let Some(Colors::Ramp(name)) = &self.color_table
            && ColorRamp::from_name(name).is_none()
        {
            let names: Vec<_> = ColorRamp::names().collect();
            return Err(format!("there is no colour ramp \"{name}\"; there are {}", names.join(", ")));
        }
        if self.has_colors() && (self.bands != 1 || !(has_palette(self.dtype) || (self.thematic && integers))) {
            let classes = if integers && self.bands == 1 {
                "; with `thematic = true` the colours are in the attribute table"
            } else {
                ""
            };
            let (bands, dtype) = (self.bands, self.dtype.name());
            return Err(format!("a colour table needs one uint8 or uint16 band; it has {bands} of {dtype}{classes}"));
        }
        Ok(())
    }

    /// Refuses values that have no row in the format's own attribute table.
    pub(crate) fn check_rows(&self, driver: &str) -> Result<(), String> {
        let lowest = self.classes.first_key_value().map_or(0, |(value, _)| *value);
        let colors = match &self.color_table {
            Some(Colors::Values(colors)) => colors.first_key_value().map_or(0, |(value, _)| *value),
            _ => 0,
        };
        let rows = 0..=LAST_ROW;
        match [lowest, colors, self.highest_given()].iter().find(|value| !rows.contains(value)) {
            Some(value) if has_own_table(driver) => Err(format!(
                "{driver}'s attribute table has a row for each value from 0 to {LAST_ROW}, and none for {value}: choose another format, \
                 such as GTiff"
            )),
            _ => Ok(()),
        }
    }
}

/// Gives the bands of a complete file their classes and colours. `found` has the values of each band, as far as they are known.
pub(crate) fn store(dataset: &Dataset, spec: &TargetSpec, driver: &str, found: &[Occurring]) -> Result<(), String> {
    if spec.classes.is_empty() && !spec.has_colors() {
        return Ok(());
    }
    let own = has_own_table(driver);
    for number in 1..=dataset.raster_count() {
        let occurring = found.get(number - 1).cloned().unwrap_or_default();
        let (low, high) = occurring.range;
        if own && (low < 0 || high > LAST_ROW) {
            tracing::warn!(
                "{}: values from {low} to {high} have no rows in {driver}'s attribute table, so it gets no classes and colours",
                spec.path
            );
            continue;
        }
        let mut band = dataset.rasterband(number).map_err(|e| e.to_string())?;
        let palette = Palette::new(spec, (low, high));
        let top = palette.high;
        if spec.has_colors() && (own || has_palette(spec.dtype)) {
            // Drivers want a colour for each pixel that there can be.
            let last = if spec.dtype == DType::UInt8 && !own { i64::from(u8::MAX) } else { top.min(LAST_ROW) };
            set_color_table(&mut band, &palette, last)?;
        }
        if own && !spec.classes.is_empty() {
            names_of_rows(spec, top)?.set_default(&band)?;
        } else if !own && (!spec.classes.is_empty() || !has_palette(spec.dtype)) {
            table(spec, &palette, occurring.counts.as_deref())?.set_default(&band)?;
        }
        let values = spec.classes.keys();
        if !spec.classes.is_empty() && values.clone().all(|value| (0..=LAST_CATEGORY).contains(value)) {
            let last = values.last().copied().unwrap_or(0);
            let name = |value| spec.classes.get(&value).map_or("", |class| class.name.as_str());
            set_category_names(&band, &(0..=last).map(name).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// The colours of a band's values.
pub(crate) struct Palette<'a> {
    spec: &'a TargetSpec,
    ramp: Option<ColorRamp>,
    low: i64,
    high: i64,
    nodata: Option<i64>,
}

impl<'a> Palette<'a> {
    pub(crate) fn new(spec: &'a TargetSpec, (low, high): (i64, i64)) -> Self {
        let ramp = match &spec.color_table {
            Some(Colors::Ramp(name)) => ColorRamp::from_name(name),
            _ => None,
        };
        let nodata = spec.nodata.and_then(|value| match value {
            Nodata::Int(value) => i64::try_from(value).ok(),
            Nodata::Float(_) => None,
        });
        let lowest = spec.classes.first_key_value().map_or(0, |(value, _)| *value);
        Self { spec, ramp, low: low.min(lowest).min(0), high: high.max(spec.highest_given()), nodata }
    }

    /// The colour of a value. Nodata is transparent.
    pub(crate) fn color(&self, value: i64) -> Option<Rgba> {
        let color = self.opaque(value);
        if self.nodata == Some(value) {
            let [r, g, b, _] = color.unwrap_or_default();
            return Some([r, g, b, 0]);
        }
        color
    }

    fn opaque(&self, value: i64) -> Option<Rgba> {
        let own = self.spec.classes.get(&value).and_then(|class| class.color);
        let given = || match &self.spec.color_table {
            Some(Colors::Values(colors)) if self.spec.thematic => colors.get(&value).copied(),
            Some(Colors::Values(colors)) => between(colors, value),
            _ => None,
        };
        let of_ramp = || {
            let [r, g, b] = self.ramp?.color_of(value, self.low, self.high);
            (self.low..=self.high).contains(&value).then_some([r, g, b, u8::MAX])
        };
        own.or_else(given).or_else(of_ramp)
    }
}

/// Gives the values from 0 to `last` their colours; those that have none are transparent.
fn set_color_table(band: &mut RasterBand<'_>, palette: &Palette<'_>, last: i64) -> Result<(), String> {
    let mut table = ColorTable::new(PaletteInterpretation::Rgba);
    let nodata = palette.nodata.filter(|value| *value > last && has_palette(palette.spec.dtype));
    for value in (0..=last).chain(nodata) {
        let [r, g, b, a] = palette.color(value).unwrap_or_default().map(i16::from);
        let Ok(entry) = u16::try_from(value) else { continue };
        table.set_color_entry(entry, &ColorEntry::rgba(r, g, b, a));
    }
    let ((), messages) = call::watch(|| band.set_color_table(&table));
    messages.failure().map_or(Ok(()), Err)
}

/// The names of classes, in a table that has a row for each value. A driver with a table of its own adds it to that.
fn names_of_rows(spec: &TargetSpec, top: i64) -> Result<AttributeTable<'static>, String> {
    let table = AttributeTable::new();
    let name = |value| spec.classes.get(&value).map_or_else(String::new, |class| class.name.clone());
    let names: Vec<_> = (0..=top).map(name).collect();
    table.set_rows(names.len())?;
    let column = table.add_column(&Column::named("Class_Names", ColumnType::String))?;
    table.write(column, 0, Values::Texts(names))?;
    Ok(table)
}

/// A table with a row for each class, and for each value that occurs if that is known.
fn table(
    spec: &TargetSpec,
    palette: &Palette<'_>,
    counts: Option<&[(i64, u64)]>,
) -> Result<AttributeTable<'static>, String> {
    if counts.is_none() && spec.needs_values() {
        tracing::warn!(
            "{}: its values span more than {} numbers, so the attribute table has rows only for those that the job names",
            spec.path,
            LAST_ROW + 1
        );
    }
    let mut rows: BTreeMap<i64, u64> = spec.classes.keys().map(|value| (*value, 0)).collect();
    if let Some(Colors::Values(colors)) = &spec.color_table {
        rows.extend(colors.keys().map(|value| (*value, 0)));
    }
    rows.extend(counts.iter().flat_map(|counts| counts.iter().copied()));
    let table = AttributeTable::new();
    let narrow: Result<Vec<_>, _> = rows.keys().map(|value| i32::try_from(*value)).collect();
    let values = match narrow {
        Ok(values) => Values::Integers(values),
        Err(_) => Values::Reals(rows.keys().map(|value| *value as f64).collect()),
    };
    let kind = if matches!(values, Values::Integers(_)) { ColumnType::Integer } else { ColumnType::Real };
    let mut columns = vec![(Column::named("Value", kind), values)];
    if spec.histogram && counts.is_some() {
        let counts = rows.values().map(|count| *count as f64).collect();
        columns.push((Column::named("Histogram", ColumnType::Real), Values::Reals(counts)));
    }
    if !spec.classes.is_empty() {
        let name = |value| spec.classes.get(value).map_or_else(String::new, |class| class.name.clone());
        columns
            .push((Column::named("Class_Names", ColumnType::String), Values::Texts(rows.keys().map(name).collect())));
    }
    if spec.has_colors() {
        let colors: Vec<_> = rows.keys().map(|value| palette.color(*value).unwrap_or_default()).collect();
        for (channel, name) in ["Red", "Green", "Blue", "Alpha"].into_iter().enumerate() {
            let bytes = colors.iter().filter_map(|color| color.get(channel)).map(|byte| i32::from(*byte));
            columns.push((Column::named(name, ColumnType::Integer), Values::Integers(bytes.collect())));
        }
    }
    table.set_rows(rows.len())?;
    for (column, values) in columns {
        let number = table.add_column(&column)?;
        table.write(number, 0, values)?;
    }
    Ok(table)
}

/// Names the values from 0 on, for readers that know no attribute tables.
fn set_category_names(band: &RasterBand<'_>, names: &[&str]) -> Result<(), String> {
    let mut list = gdal::cpl::CslStringList::new();
    names.iter().try_for_each(|name| list.add_string(name)).map_err(|e| e.to_string())?;
    let (result, messages) = call::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: the band is one of an open dataset, which copies the list.
        unsafe {
            gdal_sys::GDALSetRasterCategoryNames(band.c_rasterband(), list.as_ptr())
        }
    });
    messages.outcome(result).map_err(|_| messages.reason("the format has no category names"))
}

/// Whether a file that was written has its classes and colours: refuses what is lost, and returns what is lost but does no harm.
pub(crate) fn check_kept(spec: &TargetSpec, driver: &str, band: &RasterBand<'_>) -> Result<Option<String>, String> {
    let table = AttributeTable::of(band);
    if !spec.classes.is_empty() {
        let names: BTreeSet<_> = spec.classes.values().map(|class| class.name.as_str()).collect();
        let has_names = |table: &AttributeTable<'_>| {
            let columns = table.columns().into_iter().enumerate();
            columns.filter(|(_, column)| column.usage == "Name").any(|(number, _)| {
                let found = table.read(number, 0, table.rows());
                matches!(found, Ok(Values::Texts(found)) if names.iter().all(|name| found.iter().any(|n| n == name)))
            })
        };
        if !table.as_ref().is_some_and(has_names) {
            return Err(format!(
                "{driver} doesn't keep the names of classes: leave `classes` out, or choose a format that does, such as GTiff, COG or HFA"
            ));
        }
    }
    if !spec.has_colors() {
        return Ok(None);
    }
    let lost = || {
        format!(
            "{driver} doesn't keep colours: leave them out, or choose a format that does, such as GTiff, COG or HFA"
        )
    };
    if !(has_own_table(driver) || has_palette(spec.dtype)) {
        let has = |usage: &str| table.as_ref().is_some_and(|t| t.columns().iter().any(|c| c.usage == usage));
        return if ["Red", "Green", "Blue", "Alpha"].into_iter().all(has) { Ok(None) } else { Err(lost()) };
    }
    let colors = band.color_table().ok_or_else(lost)?;
    let palette = Palette::new(spec, (0, 0));
    let given = match &spec.color_table {
        Some(Colors::Values(colors)) => colors.keys().copied().collect(),
        _ => Vec::new(),
    };
    let mut transparent = false;
    for value in spec.classes.keys().copied().chain(given) {
        let (Some([r, g, b, a]), Ok(entry)) = (palette.color(value), usize::try_from(value)) else { continue };
        let found = colors.entry(entry).and_then(|_| colors.entry_as_rgb(entry)).ok_or_else(lost)?;
        if [found.r, found.g, found.b] != [r, g, b].map(i16::from) {
            return Err(lost());
        }
        transparent |= found.a != i16::from(a) && palette.nodata != Some(value);
    }
    Ok(transparent.then(|| format!("in {driver} files, colours are not transparent")))
}
