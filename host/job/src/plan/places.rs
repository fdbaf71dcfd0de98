//! Which files the job reads and which it writes: what is written is nothing that is read, and nothing is written twice.
//!
//! Files are compared by what they are, not by how their names are spelled.

use super::draft::Draft;
use super::survey::Survey;
use crate::spec::Input;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use types::WorkerKind;
use types::location::{Kind, gdal_name, is_remote, is_virtual};

/// GDAL's prefixes for files inside another file: the outer file's path follows the prefix, then the name inside.
const ARCHIVES: [&str; 8] =
    ["/vsizip/", "/vsitar/", "/vsigzip/", "/vsi7z/", "/vsirar/", "/vsisubfile/", "/vsisparse/", "/vsicrypt/"];

/// A file, however its name is spelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A file that is there: its device and number, which hard links share.
    Inode(u64, u64),
    /// A file that isn't there yet: its folder's device and number, and its name.
    Name(u64, u64, OsString),
    /// A file on no file system of this machine, by GDAL's name.
    Elsewhere(String),
}

/// A file and where it is.
#[derive(Clone, Debug)]
struct Spot {
    key: Key,
    /// Without links, as far as it is there.
    path: PathBuf,
    is_dir: bool,
}

impl Spot {
    /// The file that a path stands for: the archive for what is in one, the target for a link.
    fn of(path: &str) -> Self {
        let path = file_of(path);
        let elsewhere = |path: String| Self { key: Key::Elsewhere(path.clone()), path: path.into(), is_dir: false };
        if is_virtual(&path) {
            return elsewhere(path);
        }
        let place = raster::destination(&path).unwrap_or_else(|_| PathBuf::from(&path));
        // `destination` refuses devices, which a job may read all the same.
        if let (Ok(meta), Ok(path)) = (fs::metadata(&place), fs::canonicalize(&place)) {
            return Self { key: Key::Inode(meta.dev(), meta.ino()), path, is_dir: meta.is_dir() };
        }
        let folder = place.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
        let (Ok(meta), Ok(real), Some(name)) = (fs::metadata(folder), fs::canonicalize(folder), place.file_name())
        else {
            return elsewhere(path);
        };
        let name = if ignores_case(&real) { name.to_string_lossy().to_lowercase().into() } else { name.to_owned() };
        Self { key: Key::Name(meta.dev(), meta.ino(), name.clone()), path: real.join(name), is_dir: false }
    }

    /// Whether writing this one would destroy `other`, or a part of it.
    fn hits(&self, other: &Self) -> bool {
        let is_in = |a: &Self, b: &Self| a.path.starts_with(&b.path);
        match (&self.key, &other.key) {
            (a, b) if a == b => true,
            // An object whose name continues the other's: something in an archive or in a store.
            (Key::Elsewhere(_), Key::Elsewhere(_)) => is_in(other, self) || is_in(self, other),
            (Key::Inode(..), _) if self.is_dir => is_in(other, self),
            // What is new in a folder destroys nothing there.
            (Key::Inode(..), _) if other.is_dir => is_in(self, other),
            _ => false,
        }
    }
}

/// The file that has what a path stands for, as GDAL names it.
fn file_of(path: &str) -> String {
    let inner = |rest: &str| file_of(rest.split('?').next().unwrap_or(rest));
    if let Some(rest) = path.strip_prefix("vrt://") {
        return inner(rest);
    }
    if let Kind::Subdataset { file, .. } = Kind::of(path) {
        return file_of(file);
    }
    if let Some(rest) = path.strip_prefix("DERIVED_SUBDATASET:") {
        return rest.split_once(':').map_or_else(|| path.to_owned(), |(_, file)| file_of(file));
    }
    let path = gdal_name(path);
    let Some(prefix) = ARCHIVES.iter().find(|prefix| path.starts_with(**prefix)) else {
        return path.into_owned();
    };
    let rest = path.get(prefix.len()..).unwrap_or_default();
    // `/vsisubfile/OFFSET_SIZE,file`, `/vsicrypt/key=KEY,file=file`, `/vsizip/{file}/name`.
    let rest = match *prefix {
        "/vsisubfile/" => rest.split_once(',').map_or(rest, |(_, file)| file),
        "/vsicrypt/" => rest.rsplit_once("file=").map_or(rest, |(_, file)| file),
        _ => rest,
    };
    let rest = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((file, _)) => file,
        None => rest,
    };
    let rest = if rest.starts_with("vsi") { format!("/{rest}") } else { rest.to_owned() };
    let file = file_of(&rest);
    if is_virtual(&file) {
        return file;
    }
    let there = Path::new(&file).ancestors().find(|path| path.is_file());
    there.map_or_else(|| file.clone(), |path| path.to_string_lossy().into_owned())
}

/// Whether names in a folder that differ only in case are the same: seen by the folder's own first file.
fn ignores_case(folder: &Path) -> bool {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let swapped = names.take(64).find_map(|name| {
        let text = name.to_str()?;
        let other = if text.to_lowercase() == text { text.to_uppercase() } else { text.to_lowercase() };
        (other.as_bytes() != name.as_bytes()).then(|| (folder.join(&name), folder.join(other)))
    });
    swapped.is_some_and(|(one, other)| match (fs::symlink_metadata(one), fs::symlink_metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    })
}

/// All files that the job reads, and those that it writes so far, each with what it is to the job.
pub struct Places {
    known: HashMap<Key, String>,
    /// Those that can hold others: folders, archives, and files on other machines.
    containers: Vec<(Spot, String)>,
    /// All of them, for outputs that are folders.
    all: Vec<(Spot, String)>,
}

impl Places {
    /// What the job reads, whether it can be read or not, and what the program writes beside the outputs.
    pub fn new(draft: &mut Draft<'_>) -> Self {
        let mut places = Self { known: HashMap::new(), containers: Vec::new(), all: Vec::new() };
        let (spec, survey) = (&draft.loaded.spec, draft.survey);
        for (name, input) in &spec.inputs {
            let what = format!("read by input {name:?}");
            match input {
                Input::Raster(input) => input.files.paths().for_each(|p| places.reads(survey, p, &what)),
                Input::Vector(input) => {
                    places.add(&input.vector, &what);
                    survey.files(&input.vector).iter().for_each(|file| places.add(file, &what));
                }
            }
        }
        if let Some(path) = spec.grid.reference.as_ref().filter(|name| !spec.inputs.contains_key(*name)) {
            places.reads(survey, path, "read as grid.reference");
        }
        for path in spec.grid.extent_from.iter().flatten() {
            places.reads(survey, path, "read for grid.extent_from");
        }
        for path in &spec.function.include {
            places.add(path, "included in the function");
        }
        if let Some(module) = spec.function.module() {
            places.add(module, "the module");
        }
        let job = &draft.planning.job.path;
        if job != "-" {
            places.add(job, "the job file");
        }
        let ticket = spec.workers.ticket.as_deref().unwrap_or("tilefn-ticket.json");
        if spec.workers.kind == WorkerKind::External {
            places.writes(draft, "workers.ticket", ticket, "the ticket");
        }
        if let Some(report) = &draft.planning.report {
            places.writes(draft, "--report", report, "the report");
        }
        places
    }

    /// A raster that is read, with all files that its pixels depend on.
    fn reads(&mut self, survey: &Survey, path: &str, what: &str) {
        self.add(path, what);
        let Ok(info) = survey.info(path) else { return };
        let name = gdal_name(path);
        // Looking at each file on another machine takes long, and GDAL's list of the raster's files is enough.
        if is_remote(&name) && is_remote(&file_of(path)) && !name.ends_with(".vrt") {
            info.files.iter().for_each(|file| self.add(file, what));
        } else {
            raster::fingerprints(path, &info.files).iter().for_each(|one| self.add(&one.file, what));
        }
    }

    fn add(&mut self, path: &str, what: &str) {
        if Kind::of(path) != Kind::Inline {
            self.put(Spot::of(path), what);
        }
    }

    fn put(&mut self, spot: Spot, what: &str) {
        if self.known.contains_key(&spot.key) {
            return;
        }
        self.known.insert(spot.key.clone(), what.to_owned());
        if spot.is_dir || matches!(spot.key, Key::Elsewhere(_)) {
            self.containers.push((spot.clone(), what.to_owned()));
        }
        self.all.push((spot, what.to_owned()));
    }

    /// The known file that writing this one would destroy.
    fn hit(&self, spot: &Spot) -> Option<&str> {
        if let Some(what) = self.known.get(&spot.key) {
            return Some(what);
        }
        let others = if spot.is_dir { &self.all } else { &self.containers };
        others.iter().find(|(other, _)| spot.hits(other)).map(|(_, what)| what.as_str())
    }

    /// Refuses to write a file that is something else to the job; else the file is known as `what` from now on. Returns whether it was refused.
    pub fn writes(&mut self, draft: &mut Draft<'_>, key: &str, path: &str, what: &str) -> bool {
        let spot = Spot::of(path);
        if let Some(known) = self.hit(&spot) {
            let message = format!("{path} is {known} as well");
            draft.wrong(key, message).hint("what is written needs a file of its own");
            return true;
        }
        self.put(spot, what);
        if Kind::of(path).is_elsewhere() {
            return false;
        }
        let target = raster::destination(path).unwrap_or_else(|_| path.into());
        for sidecar in raster::stale(&target, &[]) {
            if let Some(known) = self.hit(&Spot::of(&sidecar.to_string_lossy())) {
                draft.wrong(
                    key,
                    format!("{} would go with the file that {path} replaces, and is {known}", sidecar.display()),
                );
                return true;
            }
        }
        false
    }

    /// Refuses an output whose format writes a second file beside it (`ending` in place of the extension), if that file is something else to the
    /// job, or exists and must not be replaced.
    pub fn writes_beside(&mut self, draft: &mut Draft<'_>, key: &str, path: &str, ending: &str, what: &str) {
        let elsewhere = Kind::of(path).is_elsewhere();
        let target =
            if elsewhere { PathBuf::from(path) } else { raster::destination(path).unwrap_or_else(|_| path.into()) };
        let name = format!("{}{ending}", target.file_stem().unwrap_or_default().to_string_lossy());
        let file = target.with_file_name(&name).to_string_lossy().into_owned();
        let spot = Spot::of(&file);
        match self.hit(&spot).map(str::to_owned) {
            Some(known) => {
                draft.wrong(
                    key,
                    format!("{path} has a file {name} beside it in this format, and {file} is {known} as well"),
                );
            }
            None if !draft.planning.overwrite && matches!(spot.key, Key::Inode(..)) => {
                let message = format!("{path} has a file {name} beside it in this format, and {file} exists");
                draft.wrong(key, message).hint("add --overwrite to replace it once the job is complete");
            }
            None => self.put(spot, what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_behind_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join("a.zip").to_str().unwrap().to_owned();
        fs::write(&zip, "x").unwrap();
        for name in [
            format!("/vsizip/{zip}/b.tif"),
            format!("/vsizip/{{{zip}}}/in/b.tif"),
            format!("/vsigzip/{zip}"),
            format!("/vsisubfile/0_10,{zip}"),
            format!("NETCDF:\"{zip}\":var"),
            format!("HDF5:{zip}://grid"),
            format!("vrt://{zip}?bands=1"),
            format!("DERIVED_SUBDATASET:AMPLITUDE:{zip}"),
            format!("/vsizip//vsigzip/{zip}/x"),
        ] {
            assert_eq!(file_of(&name), zip, "{name}");
        }
        assert_eq!(file_of("/vsizip/vsis3/b/a.zip/x.tif"), "/vsis3/b/a.zip/x.tif");
        assert_eq!(file_of("s3://b/x.tif"), "/vsis3/b/x.tif");
        assert_eq!(file_of("/vsizip/vsigzip/gone/x"), "gone/x");
    }

    #[test]
    fn spellings_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = |name: &str| Spot::of(at(name).to_str().unwrap()).key;
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("a.tif"), "x").unwrap();
        fs::hard_link(at("a.tif"), at("hard.tif")).unwrap();
        std::os::unix::fs::symlink(".", at("here")).unwrap();
        std::os::unix::fs::symlink("a.tif", at("soft.tif")).unwrap();
        std::os::unix::fs::symlink("new.tif", at("dangling.tif")).unwrap();
        for name in ["./a.tif", "sub/../a.tif", "hard.tif", "soft.tif", "here/a.tif", "sub//../here/soft.tif"] {
            assert_eq!(key(name), key("a.tif"), "{name}");
        }
        for name in ["./new.tif", "sub/../new.tif", "dangling.tif", "here/new.tif"] {
            assert_eq!(key(name), key("new.tif"), "{name}");
        }
        assert_ne!(key("other.tif"), key("new.tif"));
        assert_ne!(key("sub/new.tif"), key("new.tif"));
        let hits = |a: &str, b: &str| Spot::of(a).hits(&Spot::of(b));
        assert!(hits("s3://b/a.zip", "/vsizip/vsis3/b/a.zip/x.tif"));
        assert!(!hits("s3://b/a.zip", "s3://b/a.zip.tif"));
        let path = |name: &str| at(name).to_str().unwrap().to_owned();
        assert!(hits(&path(""), &path("a.tif")));
        assert!(hits(&path("a.tif"), &path("sub/..")));
        assert!(!hits(&path("sub/new.tif"), &path("sub")));
    }
}
