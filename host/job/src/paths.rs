//! Paths of a job file: relative ones belong to the job file's folder, patterns stand for the files they match.

use std::path::Path;

use super::mistakes::Mistakes;
use super::tree::{Data, Node, Source, item, join};

/// Prefixes of GDAL's subdataset names, with the number of `:`-separated parts between the prefix and the file.
const SUBDATASETS: [(&str, usize); 11] = [
    ("NETCDF", 0),
    ("HDF5", 0),
    ("HDF4_SDS", 1),
    ("HDF4_EOS", 1),
    ("GPKG", 0),
    ("ZARR", 0),
    ("GTIFF_RAW", 0),
    ("GTIFF_DIR", 1),
    ("NITF_IM", 1),
    ("SENTINEL2_L1C", 0),
    ("SENTINEL2_L2A", 0),
];

/// The path as GDAL should get it when it was written in a job file in the folder `base`, which is absolute.
///
/// Unchanged are absolute paths, `/vsi…` paths, URLs (`s3://…`, `https://…`) and datasets written out as XML or JSON. In a
/// subdataset's name (`NETCDF:"file.nc":var`, `GTIFF_DIR:2:file.tif`) the file is resolved, whether quoted or not.
pub fn resolve(base: &str, path: &str) -> String {
    if let Some((before, file, after)) = subdataset(path) {
        return format!("{before}{}{after}", resolve(base, file));
    }
    let written_out = path.trim_start().starts_with(['<', '{']);
    if path.starts_with('/') || is_url(path) || written_out {
        return path.to_owned();
    }
    format!("{}/{path}", base.trim_end_matches('/'))
}

/// Whether it starts with `scheme://`.
fn is_url(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// A subdataset's name as what comes before the file, the file, and what comes after.
pub fn subdataset(path: &str) -> Option<(&str, &str, &str)> {
    let (prefix, rest) = path.split_once(':')?;
    let known = SUBDATASETS.iter().find(|(name, _)| *name == prefix);
    let start = if let Some(quote) = rest.find('"') {
        // Drivers that this list doesn't know follow the same form when they quote the file.
        let upper = prefix.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if prefix.is_empty() || !upper {
            return None;
        }
        prefix.len() + 1 + quote + 1
    } else {
        let (_, skipped) = known?;
        // `GTIFF_DIR:off:OFFSET:file` has one part more.
        let skipped = if rest.starts_with("off:") { skipped + 1 } else { *skipped };
        let mut start = prefix.len() + 1;
        for _ in 0..skipped {
            start += path.get(start..)?.find(':')? + 1;
        }
        start
    };
    let (before, tail) = path.split_at_checked(start)?;
    let end = if before.ends_with('"') {
        tail.find('"')?
    } else if is_url(tail) {
        tail.len()
    } else {
        tail.find(':').unwrap_or(tail.len())
    };
    let (file, after) = tail.split_at_checked(end)?;
    (!file.is_empty()).then_some((before, file, after))
}

/// Replaces each pattern in the lists of input files by the files it matches, so that later positions fit.
pub fn expand_patterns(root: &mut Node, base: &str, source: &Source, mistakes: &mut Mistakes) {
    if let Some(Data::Table(inputs)) = root.entry_mut("inputs").map(|e| &mut e.node.data) {
        for input in inputs {
            let key = join(&join("inputs", &input.key), "paths");
            if let Some(paths) = input.node.entry_mut("paths") {
                expand(&mut paths.node, &key, base, source, mistakes);
            }
        }
    }
    if let Some(files) = root.entry_mut("grid").and_then(|grid| grid.node.entry_mut("extent_from")) {
        expand(&mut files.node, "grid.extent_from", base, source, mistakes);
    }
}

fn expand(list: &mut Node, key: &str, base: &str, source: &Source, mistakes: &mut Mistakes) {
    let Data::List(items) = &mut list.data else {
        return;
    };
    let written = std::mem::take(items);
    for (index, node) in written.into_iter().enumerate() {
        let Data::Text(pattern) = &node.data else {
            items.push(node);
            continue;
        };
        let resolved = resolve(base, pattern);
        if !is_pattern(pattern) || Path::new(&resolved).exists() {
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
            Ok(files) => items.extend(files.into_iter().map(|f| Node { data: Data::Text(f), origin: node.origin })),
            Err(message) => {
                mistakes.add(source.place(node.origin), item(key, index), format!("{pattern:?}: {message}"));
                items.push(node);
            }
        }
    }
}

/// Only names of local files are patterns: a URL may hold `?`, and a subdataset's name `[`.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
        && !is_url(path)
        && !path.starts_with("/vsi")
        && !path.trim_start().starts_with(['<', '{'])
        && subdataset(path).is_none()
}

/// The files a pattern matches, sorted by name.
fn matches(base: &str, pattern: &str) -> Result<Vec<String>, String> {
    // The folder's own name is no pattern, whatever characters it has.
    let pattern =
        &if pattern.starts_with('/') { pattern.to_owned() } else { resolve(&glob::Pattern::escape(base), pattern) };
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
    fn relative_to_the_job_file() {
        for (path, expected) in [
            ("a.tif", "/jobs/a.tif"),
            ("../a.tif", "/jobs/../a.tif"),
            ("sub/a:b.tif", "/jobs/sub/a:b.tif"),
            ("/data/a.tif", "/data/a.tif"),
            ("/vsis3/bucket/a.tif", "/vsis3/bucket/a.tif"),
            ("s3://bucket/a.tif", "s3://bucket/a.tif"),
            ("https://example.org/a.tif?x=[1]", "https://example.org/a.tif?x=[1]"),
            ("<VRTDataset/>", "<VRTDataset/>"),
            ("NETCDF:\"a b.nc\":ndvi", "NETCDF:\"/jobs/a b.nc\":ndvi"),
            ("NETCDF:a.nc:ndvi", "NETCDF:/jobs/a.nc:ndvi"),
            ("NETCDF:/data/a.nc:ndvi", "NETCDF:/data/a.nc:ndvi"),
            ("NETCDF:https://example.org/a.nc:ndvi", "NETCDF:https://example.org/a.nc:ndvi"),
            ("HDF5:\"a.h5\"://grid/b1", "HDF5:\"/jobs/a.h5\"://grid/b1"),
            ("HDF4_EOS:EOS_GRID:\"a.hdf\":MOD:b1", "HDF4_EOS:EOS_GRID:\"/jobs/a.hdf\":MOD:b1"),
            ("HDF4_SDS:UNKNOWN:a.hdf:3", "HDF4_SDS:UNKNOWN:/jobs/a.hdf:3"),
            ("GTIFF_DIR:2:a.tif", "GTIFF_DIR:2:/jobs/a.tif"),
            ("GTIFF_DIR:off:408:a.tif", "GTIFF_DIR:off:408:/jobs/a.tif"),
            ("SENTINEL2_L2A:a.xml:10m:EPSG_32632", "SENTINEL2_L2A:/jobs/a.xml:10m:EPSG_32632"),
            ("ZARR:\"a.zarr\":/red", "ZARR:\"/jobs/a.zarr\":/red"),
            ("ZARR:\"/vsis3/b/a.zarr\"", "ZARR:\"/vsis3/b/a.zarr\""),
            ("FUTURE:\"a.dat\":1", "FUTURE:\"/jobs/a.dat\":1"),
        ] {
            assert_eq!(resolve("/jobs", path), expected, "{path}");
        }
        assert_eq!(resolve("/", "a.tif"), "/a.tif");
    }

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
