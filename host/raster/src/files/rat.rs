//! Attribute tables of files that exist already: what they have, their rows, and columns put into them.
//!
//! Tables are read and written some rows at a time. A table of the file's own (HFA, KEA) is changed in the file; every other one is kept
//! by GDAL beside the file, which is then opened for reading only.

use crate::files::gdal::attributes::{AttributeTable, Column, ColumnType, Values};
use crate::files::inspect::open;
use crate::files::table::{Cell, Field, TableFile};
use crate::files::write::classes::has_own_table;
use crate::files::write::dataset::{close, reopen};
use crate::{Error, Result};
use gdal::Dataset;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use types::location::gdal_name;

/// Rows that are read or written at a time.
const BLOCK: usize = 65_536;
/// Rows that a table with a row for each value may get.
const MOST_ROWS: usize = 1 << 24;
/// The column whose numbers are those of the rows, where a table has no column of that name and a row for each value.
const VALUE: &str = "Value";

/// What an attribute table has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableInfo {
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
    /// Whether the file names columns by their use, as Imagine's do.
    by_use: bool,
}

impl TableInfo {
    /// The column that one of this name would be.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let name = name_in(self.by_use, name);
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The name that a column gets in a file, which may name it by its use.
fn name_in(by_use: bool, name: &str) -> &str {
    let usage = Column::named(name, ColumnType::Integer).usage;
    let own = IMAGINE.iter().find(|(of_usage, _)| by_use && *of_usage == usage);
    own.map_or(name, |(_, name)| name)
}

/// Columns to be put into an attribute table.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The table that has them: a CSV file, or any other that OGR reads.
    pub table: &'a str,
    /// The column that says which rows belong together. Without, row n belongs to row n.
    pub by: Option<&'a str>,
    /// Whether columns that exist may be replaced.
    pub overwrite: bool,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The file that was written.
    pub file: String,
    /// The columns that were added or replaced.
    pub columns: Vec<Column>,
    /// Rows that the table has now.
    pub rows: usize,
}

fn failed(path: &str, step: &'static str) -> impl Fn(String) -> Error + use<> {
    let path = path.to_owned();
    move |reason| Error::Finish { path: path.clone(), step, reason }
}

fn open(path: &str) -> Result<Dataset> {
    open::open(path).map(|opened| opened.dataset)
}

/// Looks at the attribute table of a band, from 1. `None` if it has none.
///
/// # Errors
/// When it can't be opened, or has no such band.
pub fn table_info(path: &str, band: usize) -> Result<Option<TableInfo>> {
    let dataset = open(path)?;
    let band = dataset.rasterband(band).map_err(|e| failed(path, "the attribute table")(e.to_string()))?;
    let by_use = dataset.driver().short_name() == HFA;
    let found = AttributeTable::of(&band).map(|table| TableInfo { by_use, ..info(&table) });
    Ok(found.filter(|info| !info.columns.is_empty()))
}

fn info(table: &AttributeTable<'_>) -> TableInfo {
    TableInfo { columns: table.columns(), rows: table.rows(), by_use: false }
}

/// Gives all rows to `each`, some at a time: for each column their values.
///
/// # Errors
/// When there is no table or it can't be read, and what `each` returns.
pub fn read_table(path: &str, band: usize, each: &mut dyn FnMut(&[Values]) -> Result<(), String>) -> Result<()> {
    let failed = failed(path, "reading the attribute table");
    let dataset = open(path)?;
    let band = dataset.rasterband(band).map_err(|e| failed(e.to_string()))?;
    let table = AttributeTable::of(&band).ok_or_else(|| failed("it has none".to_owned()))?;
    let TableInfo { columns, rows, .. } = info(&table);
    for start in (0..rows).step_by(BLOCK) {
        let count = BLOCK.min(rows - start);
        let values: Result<Vec<_>, _> = (0..columns.len()).map(|column| table.read(column, start, count)).collect();
        values.and_then(|values| each(&values)).map_err(&failed)?;
    }
    Ok(())
}

/// Puts columns into the attribute table of a band, from 1. Everything is checked before anything is written; if the table is kept beside
/// the file and can't be written, what was there before is put back.
///
/// # Errors
/// When rows don't belong to each other, columns exist or have another type, or the table can't be written.
pub fn import_columns(path: &str, band: usize, import: Import<'_>) -> Result<Changed> {
    let refused = failed(path, "columns of the attribute table");
    let source = TableFile::open(import.table).map_err(&refused)?;
    let dataset = open(path)?;
    let driver = dataset.driver().short_name();
    let own = has_own_table(&driver);
    let plan = {
        let raster = dataset.rasterband(band).map_err(|e| refused(e.to_string()))?;
        Plan::new(AttributeTable::of(&raster).as_ref(), &source, import, &driver).map_err(&refused)?
    };
    let written = if own {
        drop(dataset);
        plan.write_into(path, band, &source)
    } else {
        let sidecar = Sidecar::of(path);
        let written = plan.write_beside(dataset, path, band, &source);
        written.inspect_err(|_| sidecar.put_back()).map(|()| sidecar.name())
    };
    let file = written.map_err(failed(path, "writing the attribute table"))?;
    Ok(Changed { file, columns: plan.columns.into_iter().map(|(column, _)| column).collect(), rows: plan.rows })
}

/// What is to be written, once all of it has been found right.
struct Plan {
    /// The columns, each with the number of its field.
    columns: Vec<(Column, usize)>,
    /// Rows that the table will have.
    rows: usize,
    places: Places,
}

/// Which row each row of the source belongs to.
enum Places {
    /// The one with the same number.
    Same,
    /// The one whose number is in this field.
    Number(usize),
    /// The one that has the text of this field.
    Found(usize, HashMap<String, usize>),
}

impl Plan {
    fn new(
        table: Option<&AttributeTable<'_>>,
        source: &TableFile,
        import: Import<'_>,
        driver: &str,
    ) -> Result<Self, String> {
        let (existing, has) = table.map(|table| (table.columns(), table.rows())).unwrap_or_default();
        let by = import.by.map(|name| source.field(name)).transpose()?;
        let mut columns = Vec::new();
        for (number, field) in source.fields.iter().enumerate().filter(|(number, _)| Some(*number) != by) {
            columns.push((column(field, &existing, import, driver)?, number));
        }
        if columns.is_empty() {
            return Err(format!("{} has no column to put into it", import.table));
        }
        let places = match (by, import.by) {
            (Some(field), Some(name)) => places(table, &existing, field, name, has_own_table(driver))?,
            _ => Places::Same,
        };
        let mut plan = Self { columns, rows: has, places };
        plan.check_rows(source, import, has)?;
        Ok(plan)
    }

    /// Goes through all rows of the source once: each must have a row that no other one has, and values of the columns' types.
    fn check_rows(&mut self, source: &TableFile, import: Import<'_>, has: usize) -> Result<(), String> {
        let (mut seen, mut count, mut last) = (vec![false; has], 0usize, 0usize);
        source.each(|number, row| {
            let place = self.place(number, row)?;
            if place >= seen.len() {
                if place >= MOST_ROWS && !matches!(self.places, Places::Same) {
                    return Err(format!("row {}: there is no row {place}", number + 1));
                }
                seen.resize(place + 1, false);
            }
            match seen.get_mut(place) {
                Some(taken) if *taken => return Err(format!("row {}: comes twice", number + 1)),
                Some(taken) => *taken = true,
                None => {}
            }
            for (column, field) in &self.columns {
                row.values(*field, column.kind).map_err(|e| format!("row {}: {}: {e}", number + 1, column.name))?;
            }
            (count, last) = (count + 1, last.max(place));
            Ok(())
        })?;
        if matches!(self.places, Places::Same) && has > 0 && count != has {
            return Err(format!(
                "{} has {count} rows, the attribute table {has}: --by COLUMN says which belong together",
                import.table
            ));
        }
        self.rows = if count > 0 { has.max(last + 1) } else { has };
        Ok(())
    }

    fn place(&self, number: usize, row: &Cell<'_>) -> Result<usize, String> {
        match &self.places {
            Places::Same => Ok(number),
            Places::Number(field) => {
                let text = row.text(*field)?;
                text.parse().map_err(|_| format!("row {}: there is no row for {text:?}", number + 1))
            }
            Places::Found(field, rows) => {
                let text = row.text(*field)?;
                rows.get(&text).copied().ok_or_else(|| format!("row {}: the table has no row for {text:?}", number + 1))
            }
        }
    }

    /// Adds the columns and writes their values, neighbouring rows together.
    fn fill(&self, table: &AttributeTable<'_>, source: &TableFile) -> Result<(), String> {
        if table.rows() < self.rows {
            table.set_rows(self.rows)?;
        }
        let numbers = self.columns.iter().map(|(column, _)| match table.column(&column.name) {
            Some(number) => Ok(number),
            None => table.add_column(column),
        });
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let mut start = 0;
        let mut pending: Vec<Values> = self.columns.iter().map(|(column, _)| Values::blank(column.kind, 0)).collect();
        let flush = |start: usize, pending: &mut Vec<Values>| {
            let columns = numbers.iter().zip(pending).zip(&self.columns);
            columns.into_iter().try_for_each(|((number, values), (column, _))| {
                let values = std::mem::replace(values, Values::blank(column.kind, 0));
                if values.is_empty() { Ok(()) } else { table.write(*number, start, values) }
            })
        };
        source.each(|number, row| {
            let place = self.place(number, row)?;
            let waiting = pending.first().map_or(0, Values::len);
            if place != start + waiting || waiting >= BLOCK {
                flush(start, &mut pending)?;
                start = place;
            }
            for ((column, field), values) in self.columns.iter().zip(&mut pending) {
                values.append(row.values(*field, column.kind)?);
            }
            Ok(())
        })?;
        flush(start, &mut pending)
    }

    /// Changes a table that GDAL keeps beside the file, which is open for reading only.
    fn write_beside(&self, dataset: Dataset, path: &str, band: usize, source: &TableFile) -> Result<(), String> {
        let raster = dataset.rasterband(band).map_err(|e| e.to_string())?;
        let own = AttributeTable::of(&raster).and_then(|table| AttributeTable::copy_of(&table));
        let table = own.unwrap_or_else(AttributeTable::new);
        self.fill(&table, source)?;
        table.set_default(&raster)?;
        close(dataset)?;
        self.check(path, band)
    }

    /// Changes a table that lies in the file.
    fn write_into(&self, path: &str, band: usize, source: &TableFile) -> Result<String, String> {
        let name = gdal_name(path);
        let dataset = reopen(Path::new(&*name))?;
        let filled = {
            let raster = dataset.rasterband(band).map_err(|e| e.to_string())?;
            let table = AttributeTable::of(&raster).ok_or("it has no attribute table")?;
            self.fill(&table, source)
        };
        let closed = close(dataset);
        filled.and(closed).and_then(|()| self.check(path, band)).map(|()| name.into_owned())
    }

    /// Whether the file has the columns, opened afresh.
    fn check(&self, path: &str, band: usize) -> Result<(), String> {
        let found = table_info(path, band).map_err(|e| e.to_string())?.unwrap_or_default();
        let has = |column: &Column| found.columns.iter().any(|c| c.name == column.name);
        if found.rows == self.rows && self.columns.iter().all(|(column, _)| has(column)) {
            return Ok(());
        }
        Err("GDAL doesn't keep it for this file: is its folder writable, and does its format allow for one?".to_owned())
    }
}

/// The driver of Imagine files.
const HFA: &str = "HFA";
/// The names that columns have in Imagine files by their use, whatever they are to be called.
const IMAGINE: [(&str, &str); 6] = [
    ("PixelCount", "Histogram"),
    ("Name", "Class_Names"),
    ("Red", "Red"),
    ("Green", "Green"),
    ("Blue", "Blue"),
    ("Alpha", "Opacity"),
];

/// The column that a field is written to.
fn column(field: &Field, existing: &[Column], import: Import<'_>, driver: &str) -> Result<Column, String> {
    let wanted = Column::named(name_in(driver == HFA, &field.name), field.kind);
    let Some(column) = existing.iter().find(|column| column.name == wanted.name) else { return Ok(wanted) };
    if !import.overwrite {
        return Err(format!("the column {:?} exists; add --overwrite to replace it", column.name));
    }
    let fits = match column.kind {
        ColumnType::Integer => field.kind == ColumnType::Integer,
        ColumnType::Real => field.kind != ColumnType::String,
        ColumnType::String => true,
    };
    if !fits {
        let (has, kind) = (field.kind.name(), column.kind.name());
        return Err(format!("the column {:?} is of type {kind}, and {} has {has}", column.name, import.table));
    }
    Ok(column.clone())
}

/// Where the rows are that have a value in the column `by`.
fn places(
    table: Option<&AttributeTable<'_>>,
    existing: &[Column],
    field: usize,
    by: &str,
    own: bool,
) -> Result<Places, String> {
    let by_number = own || table.is_some_and(AttributeTable::has_row_for_each_value);
    let (table, number) = match (table, existing.iter().position(|column| column.name == by)) {
        (Some(table), Some(number)) => (table, number),
        _ if by_number && by == VALUE => return Ok(Places::Number(field)),
        (None, _) => return Err(format!("there is no attribute table, so no row to find by {by:?}: leave out --by")),
        (Some(_), None) => {
            let names: Vec<_> = existing.iter().map(|column| column.name.as_str()).collect();
            return Err(format!("the attribute table has no column {by:?}; it has {}", names.join(", ")));
        }
    };
    let mut rows = HashMap::new();
    for start in (0..table.rows()).step_by(BLOCK) {
        let values = table.read(number, start, BLOCK.min(table.rows() - start))?;
        for (row, text) in (start..).zip(values.texts()) {
            if let Some(other) = rows.insert(text.clone(), row) {
                return Err(format!("rows {other} and {row} of the attribute table both have {text:?} in {by:?}"));
            }
        }
    }
    Ok(Places::Found(field, rows))
}

/// The file beside the raster in which GDAL keeps its table.
struct Sidecar {
    raster: String,
    path: PathBuf,
    before: Option<Vec<u8>>,
}

impl Sidecar {
    fn of(raster: &str) -> Self {
        let raster = gdal_name(raster).into_owned();
        let path = PathBuf::from(format!("{raster}.aux.xml"));
        let before = std::fs::read(&path).ok();
        Self { raster, path, before }
    }

    /// The file that was changed: it, or the raster if GDAL keeps the table there.
    fn name(&self) -> String {
        let changed = std::fs::read(&self.path).ok() != self.before;
        if changed { self.path.to_string_lossy().into_owned() } else { self.raster.clone() }
    }

    /// Undoes a change that failed, as far as that is possible.
    fn put_back(&self) {
        let _undone = match &self.before {
            Some(bytes) => std::fs::write(&self.path, bytes),
            None if self.path.is_file() => std::fs::remove_file(&self.path),
            None => Ok(()),
        };
    }
}
