//! `tilefn rat`: the attribute table of an existing file, shown, exported and given more columns.

use super::console::Console;
use super::fatal::Fatal;
use super::new_file::{place, refuse_existing, unwritten};
use super::table_file::quoted;
use clap::Args;
use raster::{Column, Import, TableInfo, Values, import_columns, read_table, table_info};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The raster; without an option, the columns of its attribute table are listed
    #[arg(value_name = "FILE")]
    file: String,
    /// The band, from 1
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    band: u32,
    /// Write the table to a CSV file; - writes it to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "set_from")]
    csv: Option<PathBuf>,
    /// Put the columns of this table into the attribute table: a CSV file, or any other table that OGR reads
    #[arg(long, value_name = "TABLE")]
    set_from: Option<String>,
    /// The column that says which rows belong together, such as Value; default: the order of rows
    #[arg(long, value_name = "COLUMN", requires = "set_from")]
    by: Option<String>,
    /// Replace columns, or a CSV file, that exist
    #[arg(long)]
    overwrite: bool,
}

/// Lists, exports or imports.
pub fn rat(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let file = &arguments.file;
    let band = usize::try_from(arguments.band).unwrap_or(usize::MAX);
    if let Some(table) = &arguments.set_from {
        let import = Import { table, by: arguments.by.as_deref(), overwrite: arguments.overwrite };
        let changed = import_columns(file, band, import).map_err(Fatal::failed)?;
        let names: Vec<_> = changed.columns.iter().map(|column| column.name.as_str()).collect();
        console.result(
            &format!("wrote {} ({} rows: {})", changed.file, changed.rows, names.join(", ")),
            "rat",
            || json!({ "path": file, "written": changed.file, "rows": changed.rows, "columns": columns(&changed.columns) }),
        );
        return Ok(());
    }
    let info = table_info(file, band).map_err(Fatal::failed)?;
    let none = || format!("{file} band {band} has no attribute table");
    match (&arguments.csv, info) {
        (Some(_), None) => Err(Fatal::failed(none())),
        (Some(path), Some(info)) if path.as_os_str() == "-" => {
            if console.json() {
                return Err(Fatal::usage("--csv - writes no JSON: leave out --json, or give a file"));
            }
            console.table(&head(&info.columns));
            let mut each = |block: &[Values]| {
                console.table(&lines(block));
                Ok(())
            };
            read_table(file, band, &mut each).map_err(Fatal::failed)
        }
        (Some(path), Some(info)) => {
            export(arguments, path, &info)?;
            let shown = path.display();
            console.result(
                &format!("wrote {shown} ({} rows)", info.rows),
                "rat",
                || json!({ "path": file, "csv": path, "rows": info.rows, "columns": columns(&info.columns) }),
            );
            Ok(())
        }
        (None, info) => {
            let text = info.as_ref().map_or_else(none, listed);
            let info = info.unwrap_or_default();
            let detail = || json!({ "path": file, "rows": info.rows, "columns": columns(&info.columns) });
            console.result(&text, "rat", detail);
            Ok(())
        }
    }
}

/// The columns for people.
fn listed(info: &TableInfo) -> String {
    let width = info.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    let line = |column: &Column| format!("{:width$}  {:7}  {}\n", column.name, column.kind.name(), column.usage);
    info.columns.iter().map(line).collect::<String>() + &format!("{} rows", info.rows)
}

/// The columns for programs.
fn columns(columns: &[Column]) -> Vec<Value> {
    let of = |column: &Column| json!({ "name": column.name, "type": column.kind.name(), "usage": column.usage });
    columns.iter().map(of).collect()
}

/// Writes the table to a CSV file.
fn export(arguments: &Arguments, path: &Path, info: &TableInfo) -> Result<(), Fatal> {
    refuse_existing(path, arguments.overwrite)?;
    place(path, |made| {
        let mut file = File::create_new(made).map_err(|e| unwritten(path, e))?;
        file.write_all(head(&info.columns).as_bytes()).map_err(|e| unwritten(path, e))?;
        let band = usize::try_from(arguments.band).unwrap_or(usize::MAX);
        let mut each =
            |block: &[Values]| file.write_all(lines(block).as_bytes()).map_err(|e| format!("{}: {e}", path.display()));
        read_table(&arguments.file, band, &mut each).map_err(Fatal::failed)
    })
}

fn head(columns: &[Column]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(",") + "\n"
}

/// Rows as lines.
fn lines(block: &[Values]) -> String {
    let columns: Vec<_> = block.iter().map(Values::texts).collect();
    let mut text = String::new();
    for row in 0..columns.first().map_or(0, Vec::len) {
        for (number, column) in columns.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            text.push_str(&quoted(column.get(row).map_or("", String::as_str)));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let block = [
            Values::Integers(vec![1, -2]),
            Values::Texts(vec!["a,b".into(), "say \"hi\"".into()]),
            Values::Reals(vec![0.1, 1e300]),
        ];
        let large = format!("{}", 1e300);
        assert_eq!(lines(&block), format!("1,\"a,b\",0.1\n-2,\"say \"\"hi\"\"\",{large}\n"));
        assert_eq!(lines(&[]), "");
    }
}
