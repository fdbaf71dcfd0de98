//! The files that a table can be written to: CSV and Parquet.

use super::fatal::Fatal;
use super::new_file::{folder_of, refuse_existing};
use parquet::basic;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::{Column, Table};

/// A table's format, by its file's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    Parquet,
    /// With the zones' geometries.
    GeoPackage,
}

/// Where a table goes.
#[derive(Clone, Debug)]
pub struct TableFile {
    pub path: PathBuf,
    pub format: Format,
}

impl std::str::FromStr for TableFile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let format = match extension.as_deref() {
            Some("csv") => Format::Csv,
            Some("parquet") => Format::Parquet,
            Some("gpkg") => Format::GeoPackage,
            _ => return Err("a table's name ends in .csv, .parquet or .gpkg"),
        };
        Ok(Self { path, format })
    }
}

impl TableFile {
    /// Whether the file can be made: what can be told before there is a table.
    pub fn check(&self, overwrite: bool) -> Result<(), Fatal> {
        let (shown, folder) = (self.path.display(), folder_of(&self.path));
        if !folder.is_dir() {
            return Err(Fatal::usage(format!("{shown}: the folder {} doesn't exist", folder.display())));
        }
        refuse_existing(&self.path, overwrite)?;
        // Tried out, so that a table isn't computed for nothing.
        let tried = tempfile::Builder::new().prefix(".tilefn-").tempfile_in(folder);
        tried.map(drop).map_err(|e| Fatal::usage(format!("{shown} can't be written: {e}")))
    }
}

/// The table as CSV, with all digits.
pub fn write_csv(table: &Table, to: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create_new(to)?);
    let names: Vec<_> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
    writeln!(file, "{}", names.join(","))?;
    for row in 0..table.rows() {
        let fields: Vec<_> = table.columns.iter().map(|(_, column)| field(column, row)).collect();
        writeln!(file, "{}", fields.join(","))?;
    }
    file.flush()
}

/// A column's field in a row: an empty text is quoted, as it isn't a value that there isn't.
fn field(column: &Column, row: usize) -> String {
    let text = column.text(row);
    let empty =
        matches!(column, Column::Texts(texts) if texts.get(row).is_some_and(Option::is_some)) && text.is_empty();
    if empty { "\"\"".to_owned() } else { quoted(&text) }
}

/// A field of a CSV file (RFC 4180).
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// The table as Parquet.
pub fn write_parquet(table: &Table, to: &Path) -> Result<(), ParquetError> {
    let fields = table.columns.iter().map(|(name, column)| {
        let kind = match column {
            Column::Integers(_) => basic::Type::INT64,
            Column::Floats(_) => basic::Type::DOUBLE,
            Column::Bools(_) => basic::Type::BOOLEAN,
            Column::Texts(_) => basic::Type::BYTE_ARRAY,
        };
        let logical = matches!(column, Column::Texts(_)).then_some(basic::LogicalType::String);
        let field = Type::primitive_type_builder(name, kind).with_repetition(basic::Repetition::OPTIONAL);
        field.with_logical_type(logical).build().map(Arc::new)
    });
    let schema = Type::group_type_builder("table").with_fields(fields.collect::<Result<_, _>>()?).build()?;
    let properties = WriterProperties::builder().set_created_by(format!("tilefn {}", env!("CARGO_PKG_VERSION")));
    let file = std::fs::File::create_new(to)?;
    let mut file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build()))?;
    let mut rows = file.next_row_group()?;
    for (_, column) in &table.columns {
        let Some(mut writer) = rows.next_column()? else { break };
        match (column, writer.untyped()) {
            (Column::Integers(numbers), ColumnWriter::Int64ColumnWriter(writer)) => {
                let (values, there) = present(numbers);
                writer.write_batch(&values, Some(&there), None)?;
            }
            (Column::Floats(numbers), ColumnWriter::DoubleColumnWriter(writer)) => {
                let (values, there) = present(numbers);
                writer.write_batch(&values, Some(&there), None)?;
            }
            (Column::Bools(all), ColumnWriter::BoolColumnWriter(writer)) => {
                let (values, there) = present(all);
                writer.write_batch(&values, Some(&there), None)?;
            }
            (Column::Texts(texts), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let (values, there) = present(texts);
                let values: Vec<_> = values.iter().map(|text| ByteArray::from(text.as_str())).collect();
                writer.write_batch(&values, Some(&there), None)?;
            }
            _ => return Err(ParquetError::General("a column has another type than the schema".to_owned())),
        }
        writer.close()?;
    }
    rows.close()?;
    file.close()?;
    Ok(())
}

/// The values that there are, and for each row whether it has one, as Parquet wants them.
fn present<T: Clone>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    (values.iter().flatten().cloned().collect(), values.iter().map(|value| i16::from(value.is_some())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!((quoted("a b"), quoted("a,\"b\"")), ("a b".into(), "\"a,\"\"b\"\"\"".into()));
    }
}
