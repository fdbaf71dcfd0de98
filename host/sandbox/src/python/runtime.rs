//! Where the compiled runtime lies on this machine, and what is checked before it is used.
//!
//! The file is run as machine code, unchecked: a person who can write it can do everything that this user can. So it is used only
//! where nobody but this user or root may write. Its hash isn't computed each time: whoever could change the file could
//! change the hash beside it as well; `tilefn python list` computes it, against damage.

use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use super::engine;
use super::install::{self, EMPTY, LIBRARY, MANIFEST, Manifest, RUNTIME};
use super::preload::{IMPORT, MODELS};
use super::sources::SOURCES;
use crate::error::{Error, Result};

/// Where an image may have the runtime.
const SYSTEM: &str = "/usr/lib/tilefn/python";

/// The user that owners are shown as whom a container doesn't know.
const NOBODY: u32 = 65_534;

/// Why there is no runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// It isn't there, or only that of another version of tilefn.
    #[error(
        "Python functions need the Python runtime, which isn't installed {}: run `tilefn python install` once \
         (it takes 350 MB of disk and a minute or two); workers in containers need the image `worker-python`",
        if *other { "for this version of tilefn" } else { "on this machine" }
    )]
    Missing { other: bool },
    /// Somebody else could have made it, or could change it.
    #[error("the Python runtime in {folder} can't be used: {problem}")]
    Untrusted { folder: String, problem: String },
    /// It can't be used.
    #[error("the Python runtime in {folder} can't be used: {problem}; `tilefn python install` makes it anew")]
    Unusable { folder: String, problem: String },
}

/// The runtime as it lies on the disk.
#[derive(Clone, Debug)]
pub struct Runtime {
    folder: PathBuf,
    manifest: Manifest,
}

/// The runtime, ready to make instances.
pub(crate) struct Loaded {
    pub module: Module,
    pub engine: Engine,
    /// The folder with the standard library.
    pub library: PathBuf,
    /// A folder without files.
    pub empty: PathBuf,
}

impl Runtime {
    /// The folder under which this user's runtimes are; `None` without a home.
    pub fn user_folder() -> Option<PathBuf> {
        Some(crate::cache::user_cache_dir()?.parent()?.join("python"))
    }

    /// Whether a runtime that is installed here is one that other machines of this kind find: an image's is for them.
    pub fn is_for_other_machines() -> bool {
        engine::compiles_for_others()
    }

    /// The name of the folder of this version's runtime: the wheel, the compiler's version and settings and the package `tilefn`
    /// of the snapshot are in it, so that a runtime is never used with another program than it was made for.
    ///
    /// # Errors
    /// [`Error::Engine`] when this machine can't run WebAssembly.
    pub fn key() -> Result<String> {
        let mut hasher = Sha(Sha256::new());
        (install::FORMAT, install::WHEEL_SHA256, IMPORT, MODELS).hash(&mut hasher);
        engine::compiler()?.precompile_compatibility_hash().hash(&mut hasher);
        SOURCES.hash(&mut hasher);
        Ok(hex::encode(hasher.0.finalize()).chars().take(16).collect())
    }

    /// Finds this version's runtime: the user's, else the image's.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find() -> Result<Self> {
        let key = Self::key()?;
        let bases: Vec<_> = Self::user_folder().into_iter().chain([PathBuf::from(SYSTEM)]).collect();
        let found = bases.iter().map(|base| base.join(&key)).find(|folder| folder.exists());
        match found {
            Some(folder) => Self::open(&folder).map_err(Error::PythonRuntime),
            None => {
                let other = bases.iter().any(|base| {
                    fs::read_dir(base).is_ok_and(|folders| {
                        folders.flatten().any(|f| !f.file_name().as_encoded_bytes().starts_with(b"."))
                    })
                });
                Err(Error::PythonRuntime(RuntimeError::Missing { other }))
            }
        }
    }

    /// Opens the runtime in this folder.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn open(folder: &Path) -> Result<Self, RuntimeError> {
        let unusable = |problem| RuntimeError::Unusable { folder: folder.display().to_string(), problem };
        let untrusted = |problem| RuntimeError::Untrusted { folder: folder.display().to_string(), problem };
        if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir()) {
            return Err(unusable("it is not a directory".to_owned()));
        }
        check_folders(folder).map_err(untrusted)?;
        let check_file = |name: &str| -> Result<fs::Metadata, RuntimeError> {
            let path = folder.join(name);
            let found = fs::symlink_metadata(&path).map_err(|e| unusable(format!("{name}: {e}")))?;
            trusted(&path, &found).map_err(untrusted)?;
            Ok(found)
        };
        if !check_file(MANIFEST)?.is_file() {
            return Err(unusable(format!("{MANIFEST} isn't a file")));
        }
        let manifest = Manifest::read(folder).map_err(unusable)?;
        if !manifest.files.iter().any(|file| file.path == RUNTIME) {
            return Err(unusable(format!("{MANIFEST} doesn't name {RUNTIME}")));
        }
        for file in &manifest.files {
            let found = check_file(&file.path)?;
            if !found.is_file() || found.len() != file.bytes {
                return Err(unusable(format!("{} isn't the file that was installed", file.path)));
            }
        }
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn load(&self) -> Result<Loaded> {
        let engine = engine::engine()?;
        let module = load(&engine, &self.folder.join(RUNTIME)).map_err(|e| {
            let folder = self.folder.display().to_string();
            Error::PythonRuntime(RuntimeError::Unusable { folder, problem: format!("{e:#}") })
        })?;
        Ok(Loaded { module, engine, library: self.folder.join(LIBRARY), empty: self.folder.join(EMPTY) })
    }
}

#[expect(unsafe_code, reason = "machine code from the disk")]
fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
    // SAFETY: only this user and root can write the file and the folders that it is in (`check_folders`), this program's installer made
    // it for this very key, and it is never changed in place: a new one gets a new folder.
    unsafe { Module::deserialize_file(engine, path) }
}

/// Only this user or root may change what is in the folder, or put another one in the place of it or of one that it is in.
pub(super) fn check_folders(folder: &Path) -> Result<(), String> {
    let folder = folder.canonicalize().map_err(|e| format!("{}: {e}", folder.display()))?;
    for (above, folder) in folder.ancestors().enumerate() {
        let found = fs::symlink_metadata(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        // As /tmp: nobody can rename there what belongs to another.
        let sticky = above > 0 && found.mode() & 0o1000 != 0 && found.uid() == 0;
        // So root's folders look in a container that doesn't know this user's root.
        let unknown = above > 1 && found.uid() == NOBODY && found.mode() & 0o022 == 0;
        if !sticky && !unknown {
            trusted(folder, &found)?;
        }
    }
    Ok(())
}

fn trusted(path: &Path, found: &fs::Metadata) -> Result<(), String> {
    let shown = path.display();
    if found.uid() != 0 && found.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{shown} belongs to user {}", found.uid()));
    }
    // A link's own mode says nothing, and whoever may change it may write to its folder.
    if found.mode() & 0o022 != 0 && !found.is_symlink() {
        let mode = found.mode() & 0o7777;
        return Err(format!("others may write to {shown} (mode {mode:o}): run `chmod go-w {shown}`"));
    }
    Ok(())
}

/// Feeds what is hashed to SHA-256.
struct Sha(Sha256);

impl Hasher for Sha {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::install::{InstalledFile, Installing};
    use super::*;

    /// A folder that looks as if it had been installed.
    fn installed(bytes: u64) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = InstalledFile { path: RUNTIME.to_owned(), bytes, sha256: String::new() };
        let (wheel, wheel_sha256) = Default::default();
        let manifest = Manifest { wheel, wheel_sha256, packages: Vec::new(), files: vec![file] };
        let inner = folder.path().join("key");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        fs::write(inner.join(RUNTIME), "code").unwrap();
        folder
    }

    #[track_caller]
    fn problem(folder: &Path) -> String {
        match Runtime::open(&folder.join("key")).unwrap_err() {
            RuntimeError::Unusable { problem, .. } => problem,
            RuntimeError::Untrusted { problem, .. } => format!("untrusted: {problem}"),
            missing => panic!("{missing}"),
        }
    }

    #[test]
    fn only_a_runtime_that_nobody_else_can_write_is_used() {
        let folder = installed(4);
        let mode = |path: &str, mode| {
            fs::set_permissions(folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        Runtime::open(&folder.path().join("key")).unwrap();
        for (path, bad, good) in [
            ("", 0o777, 0o700),
            ("key", 0o770, 0o755),
            ("key/runtime.cwasm", 0o666, 0o644),
            ("key/manifest.json", 0o666, 0o644),
        ] {
            mode(path, bad);
            let place = folder.path().join(path).canonicalize().unwrap();
            let place = place.display();
            let expected = format!("untrusted: others may write to {place} (mode {bad:o}): run `chmod go-w {place}`");
            assert_eq!(problem(folder.path()), expected);
            mode(path, good);
        }
        Runtime::open(&folder.path().join("key")).unwrap();
    }

    /// Whoever may write above the runtime's folder can put another one in its place; but not in a folder such as /tmp.
    #[test]
    fn folders_above_are_checked_too() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        check_folders(&inner).unwrap();
        let above = folder.path().canonicalize().unwrap();
        fs::set_permissions(&above, fs::Permissions::from_mode(0o777)).unwrap();
        let above = above.display();
        let expected = format!("others may write to {above} (mode 777): run `chmod go-w {above}`");
        assert_eq!(check_folders(&inner).unwrap_err(), expected);
        assert_eq!(Installing::begin(&inner).err().unwrap().to_string(), expected);
        // By a link too, which leads there.
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(&inner, elsewhere.path().join("link")).unwrap();
        assert_eq!(check_folders(&elsewhere.path().join("link")).unwrap_err(), expected);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let sticky = check_folders(&inner);
        assert_eq!(sticky.is_ok(), rustix::process::geteuid().is_root(), "{sticky:?}");
    }

    #[test]
    fn a_list_without_the_runtime_is_refused() {
        let folder = installed(4);
        let manifest = folder.path().join("key").join(MANIFEST);
        let text = fs::read_to_string(&manifest).unwrap().replace(RUNTIME, "empty");
        fs::write(&manifest, text).unwrap();
        assert_eq!(problem(folder.path()), "manifest.json doesn't name runtime.cwasm");
    }

    #[test]
    fn a_file_of_another_length_or_a_link_is_refused() {
        let folder = installed(5);
        assert_eq!(problem(folder.path()), "runtime.cwasm isn't the file that was installed");
        let folder = installed(4);
        let file = folder.path().join("key").join(RUNTIME);
        fs::rename(&file, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &file).unwrap();
        assert_eq!(problem(folder.path()), "runtime.cwasm isn't the file that was installed");
        fs::remove_file(folder.path().join("key/manifest.json")).unwrap();
        assert!(problem(folder.path()).starts_with("manifest.json: "));
    }

    #[test]
    fn the_key_is_always_the_same() {
        let key = Runtime::key().unwrap();
        assert_eq!((key.len(), &key), (16, &Runtime::key().unwrap()));
    }
}
