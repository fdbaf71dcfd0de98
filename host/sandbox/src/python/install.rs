//! The files of an installed runtime, and how they come to their place.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::engine;
use super::runtime::{Runtime, check_folders};
use crate::engine::engine_error;
use crate::error::{Error, Result};
use crate::own_folder::OwnFolder;

/// SHA-256 of the wheel that a runtime is made of.
pub const WHEEL_SHA256: &str = "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc";
/// A new number whenever other files are installed, or others are made of the same wheel.
pub(super) const FORMAT: &str = "tilefn python 1";
/// The compiled snapshot.
pub(super) const RUNTIME: &str = "runtime.cwasm";
/// The folder with the standard library, and the file in it.
pub(super) const LIBRARY: &str = "lib";
const STDLIB: &str = "lib/python315.zip";
/// A folder without files, for functions that bring none along.
pub(super) const EMPTY: &str = "empty";
const LICENCES: &str = "LICENSES";
pub(super) const MANIFEST: &str = "manifest.json";

/// What was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it was made of.
    pub wheel: String,
    /// SHA-256 of the wheel.
    pub wheel_sha256: String,
    /// Versions of what is in it, by name.
    pub packages: Vec<(String, String)>,
    /// The files without which nothing runs.
    pub files: Vec<InstalledFile>,
}

/// A file as it was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledFile {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The file that has changed since it was installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(String);

impl Manifest {
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let text = fs::read(folder.join(MANIFEST)).map_err(|e| format!("{MANIFEST}: {e}"))?;
        serde_json::from_slice(&text).map_err(|e| format!("{MANIFEST}: {e}"))
    }
}

impl Runtime {
    /// Compares every byte with what was installed.
    ///
    /// # Errors
    /// The first file that differs.
    pub fn verify(&self) -> Result<(), CheckError> {
        for file in &self.manifest().files {
            let found =
                sha256(&self.folder().join(&file.path)).map_err(|e| CheckError(format!("{}: {e}", file.path)))?;
            if found != file.sha256 {
                return Err(CheckError(format!("{} has been changed since it was installed", file.path)));
            }
        }
        Ok(())
    }
}

/// A runtime in the making, in a folder that nobody uses until it is complete.
pub struct Installing {
    base: PathBuf,
    folder: OwnFolder,
}

impl Installing {
    /// Begins in a new folder below `base`, which is made if need be.
    ///
    /// # Errors
    /// What the system says, or that a runtime there could not be used.
    pub fn begin(base: &Path) -> std::io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(base)?;
        check_folders(base).map_err(std::io::Error::other)?;
        let folder = OwnFolder::new(".installing-", base)?;
        // An image's other users read it too.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        for inner in [LIBRARY, EMPTY, LICENCES] {
            let inner = folder.path().join(inner);
            fs::create_dir(&inner)?;
            // Whatever the umask says.
            fs::set_permissions(&inner, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { base: base.to_owned(), folder })
    }

    /// The folder that the standard library goes to.
    pub fn library(&self) -> PathBuf {
        self.folder.path().join(LIBRARY)
    }

    /// A folder without files.
    pub fn empty(&self) -> PathBuf {
        self.folder.path().join(EMPTY)
    }

    /// The file for the standard library.
    pub fn stdlib(&self) -> PathBuf {
        self.folder.path().join(STDLIB)
    }

    /// The folder for licences.
    pub fn licences(&self) -> PathBuf {
        self.folder.path().join(LICENCES)
    }

    /// Compiles the snapshot, and puts all in its place; a runtime that is there is replaced.
    ///
    /// # Errors
    /// [`Error::Engine`] with what went wrong.
    pub fn complete(self, snapshot: &[u8], mut manifest: Manifest) -> Result<Runtime> {
        let io = |e: std::io::Error| Error::Engine(format!("can't write to {}: {e}", self.base.display()));
        let compiled = engine::compiler()?.precompile_module(snapshot).map_err(engine_error)?;
        let write = |path: &str, bytes: &[u8]| {
            let mut file = File::create(self.folder.path().join(path))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write(RUNTIME, &compiled).map_err(io)?;
        drop(compiled);
        for path in [RUNTIME, STDLIB] {
            let place = self.folder.path().join(path);
            fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).map_err(io)?;
            let bytes = fs::metadata(&place).map_err(io)?.len();
            manifest.files.push(InstalledFile { path: path.to_owned(), bytes, sha256: sha256(&place).map_err(io)? });
        }
        let text = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::Engine(e.to_string()))?;
        write(MANIFEST, &text).map_err(io)?;
        fs::set_permissions(self.folder.path().join(MANIFEST), fs::Permissions::from_mode(0o644)).map_err(io)?;
        let place = self.base.join(Runtime::key()?);
        // Programs that run it have its files open; those that look for it now find it after a moment.
        if place.exists() {
            fs::remove_dir_all(&place).map_err(io)?;
        }
        fs::rename(self.folder.path(), &place).map_err(io)?;
        self.folder.keep();
        Runtime::open(&place).map_err(Error::PythonRuntime)
    }
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}
