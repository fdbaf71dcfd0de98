//! Patterns in the job file's lists of files: each stands for the files that it matches.

use std::path::Path;

use super::mistakes::Mistakes;
use super::tree::{Data, Node, Origin, Source, item, join};
use types::location::{Kind, Location};

/// Replaces each pattern in the lists of input files by the files it matches, so that later positions fit. A pattern in a table stands for
/// a table for each file. `folders`: those that relative paths of the job file and of overrides belong to.
pub fn expand_patterns(root: &mut Node, folders: (&str, &str), source: &Source, mistakes: &mut Mistakes) {
    if let Some(Data::Table(inputs)) = root.entry_mut("inputs").map(|e| &mut e.node.data) {
        for input in inputs {
            let key = join(&join("inputs", &input.key), "paths");
            if let Some(paths) = input.node.entry_mut("paths") {
                expand(&mut paths.node, &key, folders, source, mistakes);
            }
        }
    }
    if let Some(files) = root.entry_mut("grid").and_then(|grid| grid.node.entry_mut("extent_from")) {
        expand(&mut files.node, "grid.extent_from", folders, source, mistakes);
    }
}

fn expand(list: &mut Node, key: &str, folders: (&str, &str), source: &Source, mistakes: &mut Mistakes) {
    let Data::List(items) = &mut list.data else {
        return;
    };
    let written = std::mem::take(items);
    for (index, node) in written.into_iter().enumerate() {
        let Some(pattern) = path_in(&node) else {
            items.push(node);
            continue;
        };
        let base = match node.origin {
            Origin::Text(_) => folders.0,
            Origin::Override(_) => folders.1,
        };
        let resolved = Location::resolved(base, pattern);
        if !is_pattern(pattern) || Path::new(resolved.as_str()).exists() {
            items.push(node);
            continue;
        }
        match matches(base, pattern) {
            Ok(files) if files.is_empty() => {
                mistakes
                    .add(source.place(node.origin), item(key, index), format!("no file matches {pattern:?}"))
                    .hint(format!("looked for {resolved}"));
                items.push(node);
            }
            Ok(files) => items.extend(files.into_iter().map(|file| with_path(&node, file))),
            Err(message) => {
                mistakes.add(source.place(node.origin), item(key, index), format!("{pattern:?}: {message}"));
                items.push(node);
            }
        }
    }
}

/// The path that an item is, or has as a table.
fn path_in(item: &Node) -> Option<&str> {
    let path = item.entry("path").map_or(item, |entry| &entry.node);
    match &path.data {
        Data::Text(path) => Some(path),
        _ => None,
    }
}

/// The item with this path in place of its own.
fn with_path(item: &Node, path: String) -> Node {
    let mut item = item.clone();
    match item.entry_mut("path") {
        Some(entry) => entry.node.data = Data::Text(path),
        None => item.data = Data::Text(path),
    }
    item
}

/// Only local paths are patterns: a URL may hold `?`, and a subdataset's name `[`.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[']) && matches!(Kind::of(path), Kind::File(_))
}

/// The files a pattern matches, sorted by name.
fn matches(base: &str, pattern: &str) -> Result<Vec<String>, String> {
    // The job file's folder is escaped: its name is no pattern, whatever characters it has.
    let pattern = &Location::resolved(&glob::Pattern::escape(base), pattern);
    let options =
        glob::MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, case_sensitive: true };
    let mut files = Vec::new();
    for path in glob::glob_with(pattern, options).map_err(|error| error.msg.to_owned())? {
        let path = path.map_err(|error| error.to_string())?;
        match path.to_str() {
            Some(path) => files.push(path.to_owned()),
            None => return Err(format!("{} is not a UTF-8 name", path.display())),
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_paths_are_patterns() {
        for path in ["a*.tif", "dates/2024-??.tif", "[ab].tif", "/data/*.tif"] {
            assert!(is_pattern(path), "{path}");
        }
        for path in ["a.tif", "https://example.org/a?b=*", "/vsis3/b/*.tif", "NETCDF:\"a*.nc\":x", "{\"a\": [1]}"] {
            assert!(!is_pattern(path), "{path}");
        }
    }
}
