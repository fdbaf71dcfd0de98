//! Finds where an output really goes: follows links, and lists files beside it that readers would take for its parts.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use types::location::is_virtual;

/// Links that are followed, at most: as many as the system follows.
const MOST_LINKS: usize = 40;
/// Suffixes, after a raster's whole name, of the files that GDAL reads beside it.
const AFTER_NAME: [&str; 5] = [".aux.xml", ".ovr", ".msk", ".msk.ovr", ".ovr.msk"];
/// Extensions, in place of the raster's, of files that GDAL reads beside it. Files of other kinds may have these beside them, too.
const SHARED: [&str; 6] = ["wld", "prj", "tab", "aux", "clr", "stx"];

/// The file that is written for an output at one of GDAL's paths: what a link leads to, whether it is there or not.
///
/// # Errors
/// When links lead in a circle, or to what is no file and no folder.
pub fn destination(path: &str) -> Result<PathBuf, String> {
    let mut place = PathBuf::from(path);
    if is_virtual(path) {
        return Ok(place);
    }
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&place) {
            Ok(meta) if meta.is_symlink() => {
                let to = fs::read_link(&place).map_err(|e| e.to_string())?;
                place = place.parent().unwrap_or(Path::new("")).join(to);
            }
            Ok(meta) if meta.is_file() || meta.is_dir() => return Ok(place),
            Ok(_) => return Err(format!("{} is a device, a pipe or a socket, not a file", place.display())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(e) => return Err(format!("{}: {e}", place.display())),
        }
    }
    Err("it is a link that leads in a circle".into())
}

/// The files beside `target` that belong to an older raster of that name, and would be taken for parts of the new one. Files that may
/// belong to another file are not among them.
pub fn stale(target: &Path, written: &[OsString]) -> Vec<PathBuf> {
    let Some(name) = target.file_name() else { return Vec::new() };
    let after_name = AFTER_NAME.iter().map(|suffix| {
        let mut sidecar = name.to_owned();
        sidecar.push(suffix);
        sidecar
    });
    let mut found: Vec<_> = after_name.filter(|sidecar| is_there(target, sidecar)).collect();
    let worlds = world_files(target.extension());
    for world in &worlds {
        let is_anothers = || others(target, |other| world_files(other.extension()).contains(world));
        found.extend(beside(target, std::slice::from_ref(world)).filter(|_| !is_anothers()));
    }
    let shared = SHARED.map(str::to_owned);
    let is_sidecar = |other: &Path| {
        let extension = other.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        shared.contains(&extension) || worlds.contains(&extension)
    };
    found.extend(beside(target, &shared).filter(|_| !others(target, |other| !is_sidecar(other))));
    found.retain(|sidecar| !written.contains(sidecar));
    found.into_iter().map(|sidecar| target.with_file_name(sidecar)).collect()
}

fn is_there(target: &Path, name: &OsStr) -> bool {
    fs::symlink_metadata(target.with_file_name(name)).is_ok_and(|meta| !meta.is_dir())
}

/// Extensions of world files for a raster's extension: `tfw` and `tifw` for `tif`.
fn world_files(extension: Option<&OsStr>) -> Vec<String> {
    let extension = extension.unwrap_or_default().to_string_lossy().to_lowercase();
    let (Some(first), Some(last)) = (extension.chars().next(), extension.chars().last()) else { return Vec::new() };
    // An extension of one letter gives the same name twice.
    let mut worlds = vec![format!("{first}{last}w"), format!("{extension}w")];
    worlds.dedup();
    worlds
}

/// The names with these extensions in place of the target's that are there, in small or large letters.
fn beside(target: &Path, extensions: &[String]) -> impl Iterator<Item = OsString> {
    let names = extensions.iter().flat_map(|e| [e.to_lowercase(), e.to_uppercase()]);
    let names = names.filter_map(|e| Some(target.with_extension(e).file_name()?.to_owned()));
    names.filter(|name| Some(&**name) != target.file_name() && is_there(target, name))
}

/// Whether any other file of this name but for the extension is like that.
fn others(target: &Path, is_one: impl Fn(&Path) -> bool) -> bool {
    let folder = target.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| PathBuf::from(entry.file_name()));
    let mut alike = names.filter(|other| other.file_stem() == target.file_stem());
    alike.any(|other| Some(other.as_os_str()) != target.file_name() && is_one(&other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/real.tif"), "x").unwrap();
        symlink("deep/real.tif", at("link.tif")).unwrap();
        symlink("link.tif", at("second.tif")).unwrap();
        symlink(at("deep/none.tif"), at("dangling.tif")).unwrap();
        symlink("round.tif", at("round.tif")).unwrap();
        let leads = |name: &str| destination(at(name).to_str().unwrap());
        for (name, expected) in [
            ("link.tif", "deep/real.tif"),
            ("second.tif", "deep/real.tif"),
            ("dangling.tif", "deep/none.tif"),
            ("deep/real.tif", "deep/real.tif"),
            ("new.tif", "new.tif"),
        ] {
            assert_eq!(leads(name).unwrap(), at(expected), "{name}");
        }
        assert_eq!(leads("round.tif").unwrap_err(), "it is a link that leads in a circle");
        assert_eq!(destination("/dev/null").unwrap_err(), "/dev/null is a device, a pipe or a socket, not a file");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.tif")).unwrap();
        assert!(leads("socket.tif").unwrap_err().ends_with("not a file"));
        assert_eq!(destination("/vsimem/x.tif").unwrap(), Path::new("/vsimem/x.tif"));
    }

    #[test]
    fn what_belongs_to_a_replaced_raster() {
        let stale_of = |files: &[&str], target: &str, written: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            files.iter().for_each(|name| fs::write(folder.path().join(name), "x").unwrap());
            let written: Vec<_> = written.iter().map(OsString::from).collect();
            let found = stale(&folder.path().join(target), &written);
            let mut names: Vec<_> = found.iter().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        let all = [
            "x.tif",
            "x.tif.aux.xml",
            "x.tif.ovr",
            "x.tif.msk",
            "x.tfw",
            "x.tifw",
            "x.wld",
            "x.prj",
            "y.tfw",
            "x.txt.aux.xml",
        ];
        assert_eq!(
            stale_of(&all, "x.tif", &[]),
            ["x.prj", "x.tfw", "x.tif.aux.xml", "x.tif.msk", "x.tif.ovr", "x.tifw", "x.wld"]
        );
        assert_eq!(
            stale_of(&all, "x.tif", &["x.tif.aux.xml", "x.tfw", "x.prj"]),
            ["x.tif.msk", "x.tif.ovr", "x.tifw", "x.wld"]
        );
        // A shapefile's projection and another raster's world file are theirs.
        assert_eq!(stale_of(&["x.tif", "x.tfw", "x.shp", "x.prj", "x.wld"], "x.tif", &[]), ["x.tfw"]);
        assert_eq!(stale_of(&["x.tif", "x.tiff", "x.tfw"], "x.tiff", &[]), [""; 0]);
        assert_eq!(stale_of(&["x.TFW", "x.tif"], "x.tif", &[]), ["x.TFW"]);
        assert_eq!(stale_of(&["x.prj"], "x.prj", &[]), [""; 0]);
        assert_eq!(stale_of(&["none.wld"], "none", &[]), ["none.wld"]);
    }
}
