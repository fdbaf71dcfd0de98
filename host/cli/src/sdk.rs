//! The guest SDK's sources, which travel with the program: `tilefn new` puts them into the crate that it makes, so that
//! the crate builds on any machine, with or without tilefn's own sources.

use toml::{Table, Value};

/// Names and texts of these files of `guest-sdk`.
macro_rules! sources {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../guest-sdk/", $path)))),+]
    };
}

const SOURCES: &[(&str, &str)] = sources![
    "tilefn-abi/Cargo.toml",
    "tilefn-abi/src/lib.rs",
    "tilefn-guest/Cargo.toml",
    "tilefn-guest/src/abi/call.rs",
    "tilefn-guest/src/abi/entry.rs",
    "tilefn-guest/src/abi/heap.rs",
    "tilefn-guest/src/abi/memory.rs",
    "tilefn-guest/src/abi/mod.rs",
    "tilefn-guest/src/abi/outcome.rs",
    "tilefn-guest/src/abi/report.rs",
    "tilefn-guest/src/any.rs",
    "tilefn-guest/src/context/mod.rs",
    "tilefn-guest/src/context/place.rs",
    "tilefn-guest/src/context/read.rs",
    "tilefn-guest/src/context/testing.rs",
    "tilefn-guest/src/describe.rs",
    "tilefn-guest/src/element.rs",
    "tilefn-guest/src/error.rs",
    "tilefn-guest/src/input.rs",
    "tilefn-guest/src/lib.rs",
    "tilefn-guest/src/log.rs",
    "tilefn-guest/src/output.rs",
    "tilefn-guest/src/param.rs",
    "tilefn-guest/src/reduce.rs",
    "tilefn-guest/src/tile/build.rs",
    "tilefn-guest/src/tile/focal.rs",
    "tilefn-guest/src/tile/map.rs",
    "tilefn-guest/src/tile/mod.rs",
    "tilefn-guest/src/tile/operands.rs",
    "tilefn-guest/src/tile/plane.rs",
    "tilefn-guest/src/tile/result.rs",
    "tilefn-guest/src/tile/samples.rs",
    "tilefn-guest/src/tile/separable.rs",
    "tilefn-guest/src/tile/series.rs",
    "tilefn-guest/src/tile/sort.rs",
    "tilefn-guest/src/tile/valid.rs",
    "tilefn-macros/Cargo.toml",
    "tilefn-macros/src/arguments.rs",
    "tilefn-macros/src/constant.rs",
    "tilefn-macros/src/expand.rs",
    "tilefn-macros/src/function.rs",
    "tilefn-macros/src/lib.rs",
    "tilefn-macros/src/options.rs",
    "tilefn-macros/src/outputs.rs",
    "tilefn-macros/src/param.rs",
    "tilefn-macros/src/types.rs",
];
/// The workspace that the SDK's manifests take versions and lints from.
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// The SDK's files as a workspace of its own: paths and texts.
///
/// # Errors
/// When a manifest of this repository can't be read as one.
pub fn files() -> Result<Vec<(&'static str, String)>, toml::de::Error> {
    let mut wanted = Vec::new();
    let mut files = Vec::new();
    for (path, text) in SOURCES {
        let text = if path.ends_with("/Cargo.toml") {
            let mut manifest: Table = text.parse()?;
            // The SDK's own tests stay behind, and so does what they need.
            manifest.remove("dev-dependencies");
            dependencies(&manifest, &mut wanted);
            manifest.to_string()
        } else {
            (*text).to_owned()
        };
        files.push((*path, text));
    }
    files.push(("Cargo.toml", workspace(&wanted)?.to_string()));
    Ok(files)
}

/// Adds the names of a manifest's dependencies, those of a target included.
fn dependencies(manifest: &Table, names: &mut Vec<String>) {
    for (key, value) in manifest {
        match value {
            Value::Table(table) if key == "dependencies" => names.extend(table.keys().cloned()),
            Value::Table(table) => dependencies(table, names),
            _ => {}
        }
    }
}

/// The manifest of the SDK's workspace: the part of this repository's that the SDK's crates refer to.
fn workspace(wanted: &[String]) -> Result<Table, toml::de::Error> {
    let mut root: Table = WORKSPACE.parse()?;
    let mut all = match root.remove("workspace") {
        Some(Value::Table(workspace)) => workspace,
        _ => Table::new(),
    };
    all.insert("members".to_owned(), vec!["tilefn-*"].into());
    if let Some(Value::Table(versions)) = all.get_mut("dependencies") {
        versions.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
        for value in versions.iter_mut().filter_map(|(_, value)| value.as_table_mut()) {
            if let Some(Value::String(path)) = value.get_mut("path") {
                *path = path.trim_start_matches("guest-sdk/").to_owned();
            }
        }
    }
    Ok(Table::from_iter([("workspace".to_owned(), Value::Table(all))]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn under(folder: &Path, found: &mut Vec<String>) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk");
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                under(&path, found);
            } else {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn no_source_is_forgotten() {
        let mut found = Vec::new();
        for name in ["tilefn-abi", "tilefn-guest", "tilefn-macros"] {
            found.push(format!("{name}/Cargo.toml"));
            under(Path::new(&format!("{name}/src")), &mut found);
        }
        let listed: BTreeSet<_> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, found.into_iter().collect());
    }
}
