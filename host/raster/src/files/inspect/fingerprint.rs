//! Fingerprints of files: they tell later whether any file that a raster's pixels depend on has changed since.

use crate::files::gdal::{call, lists};
use crate::files::inspect::vrt::Vrt;
use gdal::Dataset;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use types::location::{gdal_name, is_remote, is_virtual};

/// Files beside a raster that change what is read from it, and that GDAL doesn't list for the sources of a VRT.
const SIDECARS: [&str; 3] = [".aux.xml", ".msk", ".ovr"];
/// Bytes of a VRT that are read, at most.
const MAX_VRT: i64 = 256 << 20;
/// GDAL's file systems that know an object's ETag.
const WITH_ETAG: [&str; 7] = ["/vsis3/", "/vsigs/", "/vsiaz/", "/vsiadls/", "/vsioss/", "/vsiswift/", "/vsicurl/"];

/// A file, and a text that changes when the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The file, as GDAL names it.
    pub file: String,
    /// Its size, the time of its last change, and its ETag, for people.
    pub state: String,
}

/// The fingerprints of all files that the raster `path` depends on: `files` are those that GDAL lists for it. VRTs are followed to
/// their sources, however deep.
pub fn fingerprints(path: &str, files: &[String]) -> Vec<Fingerprint> {
    let mut found = Collector::default();
    let path = gdal_name(path);
    if is_text(&path) {
        found.sources(&path, "");
    } else {
        found.add(&path);
    }
    files.iter().for_each(|file| found.add(file));
    found.fingerprints
}

#[derive(Default)]
struct Collector {
    fingerprints: Vec<Fingerprint>,
    seen: BTreeSet<String>,
}

impl Collector {
    fn add(&mut self, file: &str) {
        if is_text(file) || !self.seen.insert(file.to_owned()) {
            return;
        }
        let Some(state) = state(file) else {
            // There is no such file: it is the name of a part of one, which GDAL knows.
            self.parts(file);
            return;
        };
        self.fingerprints.push(Fingerprint { file: file.to_owned(), state });
        if !is_remote(file) {
            for suffix in SIDECARS {
                let sidecar = format!("{file}{suffix}");
                if Path::new(&sidecar).exists() {
                    self.add(&sidecar);
                }
            }
        }
        if let Some(text) = vrt(file) {
            self.sources(&text, file);
        }
    }

    fn parts(&mut self, name: &str) {
        let (opened, _) = call::watch(|| Dataset::open(name).ok());
        let files = opened.map(|dataset| lists::files(&dataset)).unwrap_or_default();
        files.iter().for_each(|file| self.add(file));
    }

    /// Adds the sources of a VRT.
    fn sources(&mut self, text: &str, vrt: &str) {
        let folder = Path::new(vrt).parent().unwrap_or(Path::new(""));
        Vrt::parse(text).sources.iter().for_each(|source| self.add(&source.path(folder)));
    }
}

/// A dataset that is written out as XML or JSON.
fn is_text(name: &str) -> bool {
    name.trim_start().starts_with(['<', '{'])
}

/// The text of a VRT.
fn vrt(file: &str) -> Option<String> {
    let named = Path::new(file).extension().is_some_and(|e| e.eq_ignore_ascii_case("vrt"));
    if !named && (is_remote(file) || !begins_as_vrt(file)) {
        return None;
    }
    let name = CString::new(file).ok()?;
    let mut data = std::ptr::null_mut();
    let mut len = 0;
    let (text, _) = call::watch(|| {
        #[expect(unsafe_code, reason = "only GDAL reads its virtual files")]
        // SAFETY: a text with a closing zero, and two places to write to; what comes back is `len` bytes, freed once.
        unsafe {
            if gdal_sys::VSIIngestFile(std::ptr::null_mut(), name.as_ptr(), &mut data, &mut len, MAX_VRT) == 0 {
                return None;
            }
            let bytes = std::slice::from_raw_parts(data, usize::try_from(len).unwrap_or(0));
            let text = String::from_utf8_lossy(bytes).into_owned();
            gdal_sys::VSIFree(data.cast());
            Some(text)
        }
    });
    text
}

fn begins_as_vrt(file: &str) -> bool {
    use std::io::Read;
    let mut begin = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(1024).read_to_end(&mut begin));
    read.is_ok() && String::from_utf8_lossy(&begin).contains("<VRTDataset")
}

/// Size, time of change and ETag of a file, without reading it; `None` if there is no such file.
fn state(file: &str) -> Option<String> {
    if !is_virtual(file) {
        let meta = fs::metadata(file).ok()?;
        // The size of a folder says nothing about the files in it.
        let size = if meta.is_dir() { 0 } else { meta.len() };
        let nanoseconds = u32::try_from(meta.mtime_nsec()).unwrap_or(0);
        return Some(format!("{size} bytes, changed {}", time(meta.mtime(), Some(nanoseconds))));
    }
    let name = CString::new(file).ok()?;
    #[expect(unsafe_code, reason = "only GDAL looks at its virtual files")]
    // SAFETY: a struct of numbers, of which zeros are values; GDAL's is the system's, which its bindings leave out.
    let (found, stat) = unsafe {
        let mut stat: libc::stat64 = std::mem::zeroed();
        let (result, _) = call::watch(|| gdal_sys::VSIStatL(name.as_ptr(), (&raw mut stat).cast()));
        (result == 0, stat)
    };
    if !found {
        return None;
    }
    let mut state = format!("{} bytes, changed {}", stat.st_size, time(stat.st_mtime, None));
    if let Some(etag) = etag(file, &name) {
        state.push_str(&format!(", ETag {etag}"));
    }
    Some(state)
}

fn etag(file: &str, name: &CStr) -> Option<String> {
    if !WITH_ETAG.iter().any(|prefix| file.starts_with(prefix)) {
        return None;
    }
    let (list, _) = call::watch(|| {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: two texts with a closing zero, and no options.
        unsafe {
            gdal_sys::VSIGetFileMetadata(name.as_ptr(), c"HEADERS".as_ptr(), std::ptr::null_mut())
        }
    });
    let headers = lists::texts(list);
    let mut pairs = headers.iter().filter_map(|header| header.split_once('='));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case("etag")).map(|(_, value)| value.trim_matches('"').to_owned())
}

/// A moment, in seconds since 1970, as people and programs write it.
fn time(seconds: i64, nanoseconds: Option<u32>) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March, so that a leap day is the last of its year; 400 of them have 146 097 days.
    let from_march = days.saturating_add(719_468);
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era.saturating_mul(400).saturating_add(year + next);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let part = nanoseconds.map_or_else(String::new, |n| format!(".{n:09}"));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{part}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        // By coreutils: date -u -d @SECONDS +%FT%TZ
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_493_139, "2025-11-30T08:58:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(seconds, None), expected);
        }
        assert_eq!(time(0, Some(5)), "1970-01-01T00:00:00.000000005Z");
        // No time, whatever a file system says, makes it panic.
        time(i64::MAX, None);
        time(i64::MIN, None);
    }

    #[test]
    fn all_files_that_a_raster_depends_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let vrt = |source: &str| {
            format!("<VRTDataset><SourceFilename relativeToVRT=\"1\">{source}</SourceFilename></VRTDataset>")
        };
        fs::write(path("outer.vrt"), vrt("inner.xml")).unwrap();
        fs::write(path("inner.xml"), vrt("a.tif")).unwrap();
        fs::write(path("a.tif"), "pixels").unwrap();
        fs::write(path("a.tif.msk"), "mask").unwrap();
        let names = |found: &[Fingerprint]| found.iter().map(|m| m.file.clone()).collect::<Vec<_>>();
        let before = fingerprints(&path("outer.vrt"), &[]);
        assert_eq!(names(&before), ["outer.vrt", "inner.xml", "a.tif", "a.tif.msk"].map(path));
        assert_eq!(fingerprints(&path("outer.vrt"), &[]), before);
        fs::write(path("a.tif.msk"), "MASK!").unwrap();
        let after = fingerprints(&path("outer.vrt"), &[]);
        assert_eq!((names(&after), &after[..3]), (names(&before), &before[..3]));
        assert!(after[3].state.starts_with("5 bytes, changed 2"), "{}", after[3].state);
        // A VRT that refers to itself is followed once.
        fs::write(path("a.tif"), vrt("outer.vrt")).unwrap();
        assert_eq!(fingerprints(&path("outer.vrt"), &[]).len(), 4);
    }
}
