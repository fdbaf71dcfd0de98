//! Tables to read from: CSV files, and whatever else OGR reads, row by row.

use crate::files::gdal::attributes::{ColumnType, Values};
use crate::files::gdal::call;
use gdal::vector::{Feature, LayerAccess, OGRFieldType};
use gdal::{Dataset, DatasetOptions, GdalOpenFlags};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;
use types::location::gdal_name;

/// The largest whole number up to which 64-bit floats have all.
const EXACT: u64 = 1 << 53;

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The type that holds all its values.
    pub(crate) kind: ColumnType,
}

/// A table that is open. Only its first layer counts.
pub(crate) struct TableFile {
    path: String,
    dataset: Dataset,
    pub(crate) fields: Vec<Field>,
    /// There as long as the table is open.
    _widened: Option<NamedTempFile>,
}

/// A row of the table.
pub(crate) struct Cell<'a>(Feature<'a>);

/// A CSV file of one column, which GDAL takes for no CSV, with a second one. None if it has several, or can't be read.
fn widened(path: &str) -> Option<NamedTempFile> {
    let mut lines = BufReader::new(File::open(path).ok()?).lines();
    let head = lines.next()?.ok()?;
    if head.contains([',', ';', '\t', '|']) {
        return None;
    }
    let file = tempfile::Builder::new().suffix(".csv").tempfile().ok()?;
    let mut to = BufWriter::new(&file);
    writeln!(to, "{head},other").ok()?;
    for line in lines {
        writeln!(to, "{},0", line.ok()?).ok()?;
    }
    to.flush().ok()?;
    drop(to);
    Some(file)
}

impl TableFile {
    /// Opens it. The types of a CSV file's columns are those of all its values.
    pub(crate) fn open(path: &str) -> Result<Self, String> {
        let csv = Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let options: &[&str] = &["AUTODETECT_TYPE=YES", "AUTODETECT_SIZE_LIMIT=0"];
        let options = DatasetOptions {
            open_flags: GdalOpenFlags::GDAL_OF_VECTOR,
            allowed_drivers: if csv { Some(&["CSV"]) } else { None },
            open_options: csv.then_some(options),
            ..DatasetOptions::default()
        };
        let widened = if csv { widened(path) } else { None };
        let name = match &widened {
            Some(file) => file.path().display().to_string().into(),
            None => gdal_name(path),
        };
        let (opened, messages) = call::watch(|| Dataset::open_ex(Path::new(&*name), options));
        let dataset = opened.map_err(|e| format!("can't open {path}: {}", messages.reason(&e.to_string())))?;
        let layer = dataset.layer(0).map_err(|_| format!("{path} has no table"))?;
        let field = |field: gdal::vector::Field<'_>| Field {
            name: field.name(),
            kind: match field.field_type() {
                OGRFieldType::OFTInteger => ColumnType::Integer,
                OGRFieldType::OFTInteger64 | OGRFieldType::OFTReal => ColumnType::Real,
                _ => ColumnType::String,
            },
        };
        let mut fields: Vec<_> = layer.defn().fields().map(field).collect();
        if widened.is_some() {
            fields.pop();
        }
        let twice = fields.iter().enumerate().find(|(n, field)| fields.iter().take(*n).any(|f| f.name == field.name));
        if let Some((_, field)) = twice {
            return Err(format!("{path} has two columns {:?}", field.name));
        }
        Ok(Self { path: path.to_owned(), dataset, fields, _widened: widened })
    }

    /// The number of the column of this name.
    pub(crate) fn field(&self, name: &str) -> Result<usize, String> {
        let names = || self.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = self.fields.iter().position(|field| field.name == name);
        found.ok_or_else(|| format!("{} has no column {name:?}; it has {}", self.path, names()))
    }

    /// Gives every row, with its number from 0, to `each`.
    pub(crate) fn each(&self, mut each: impl FnMut(usize, &Cell<'_>) -> Result<(), String>) -> Result<(), String> {
        let read = || -> Result<(), String> {
            let mut layer = self.dataset.layer(0).map_err(|e| e.to_string())?;
            layer.features().enumerate().try_for_each(|(number, feature)| each(number, &Cell(feature)))
        };
        let (done, messages) = call::watch(read);
        done.and_then(|()| messages.failure().map_or(Ok(()), Err)).map_err(|reason| format!("{}: {reason}", self.path))
    }
}

impl Cell<'_> {
    /// The text of a column; empty if it has none.
    pub(crate) fn text(&self, field: usize) -> Result<String, String> {
        let text = self.0.field_as_string(field).map_err(|e| e.to_string())?;
        Ok(text.unwrap_or_default())
    }

    /// The value of a column as this type has it; 0 or empty if it has none.
    pub(crate) fn values(&self, field: usize, kind: ColumnType) -> Result<Values, String> {
        let in_words = |e: gdal::errors::GdalError| e.to_string();
        Ok(match kind {
            ColumnType::Integer => {
                Values::Integers(vec![self.0.field_as_integer(field).map_err(in_words)?.unwrap_or_default()])
            }
            ColumnType::Real => {
                let whole = self.0.field_as_integer64(field).map_err(in_words)?.unwrap_or_default();
                let value = self.0.field_as_double(field).map_err(in_words)?.unwrap_or_default();
                if value == whole as f64 && whole.unsigned_abs() > EXACT && whole != i64::MAX {
                    return Err(format!("{whole} has no exact floating-point value, and the table has no wider type"));
                }
                Values::Reals(vec![value])
            }
            ColumnType::String => Values::Texts(vec![self.text(field)?]),
        })
    }
}
