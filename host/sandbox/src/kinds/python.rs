//! A function as a Python program: its files, and the turns of the interpreter that stand for a module's exports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tilefn_abi::ALLOC_EXPORT;
use wasmtime::Linker;

use super::{Kind, MAX_FUNCTIONS};
use crate::bundle::Bundle;
use crate::debug_info::DebugInfo;
use crate::description::{Description, is_name};
use crate::engine::{Sandbox, engine_error};
use crate::error::{Error, Result};
use crate::guest_range::GuestRange;
use crate::host::Host;
use crate::module::{Compiled, shown};
use crate::own_folder::OwnFolder;
use crate::python::host::{self, ALLOC, PythonState};
use crate::python::{Loaded, Runtime};
use crate::running::{Program, Running};

/// Exit codes begin here among what `turn` returns.
const EXIT: u32 = 256;
/// The name of the call that reads the program, in errors.
const LOAD: &str = "load";
/// Where a folder may be made, besides the system's own place: a container's root may be read-only.
const SHARED_MEMORY: &str = "/dev/shm";

/// What all instances of a Python function share.
pub(crate) struct PythonKind {
    bundle: Arc<Vec<u8>>,
    library: PathBuf,
    folder: Folder,
}

/// The folder that a function sees as its own.
enum Folder {
    /// It brings no files along.
    Empty(PathBuf),
    /// Written for this run.
    Written(OwnFolder),
}

impl PythonKind {
    pub fn equip(&self, host: &mut Host) -> Result<()> {
        let folder = match &self.folder {
            Folder::Empty(folder) => folder,
            Folder::Written(folder) => folder.path(),
        };
        host.python = Some(Box::new(PythonState::new(Arc::clone(&self.bundle), &self.library, folder)?));
        Ok(())
    }

    pub fn begin(running: &mut Running) -> Result<()> {
        turn(running, LOAD, "_=_tilefn.load()")
    }

    pub fn allocate(running: &mut Running, len: u32, align: u32) -> Result<u32> {
        // The allocator knows no alignment. What it gives is never freed: an instance lives for one tile.
        let Some(padded) = len.checked_add(align.saturating_sub(1)) else { return Ok(0) };
        // Only what came before can have used up the time.
        Ok(memory(running, LOAD, padded)?.checked_next_multiple_of(align).unwrap_or(0))
    }

    pub fn process(running: &mut Running, entry: &str, name: &str, call: GuestRange) -> Result<u32> {
        outcome(running, entry, &format!("_=_tilefn.process({name:?},{})", call.pointer()))
    }

    pub fn merge(running: &mut Running, entry: &str, name: &str, a: GuestRange, b: GuestRange) -> Result<u32> {
        let (a, a_len, b, b_len) = (a.pointer(), a.len(), b.pointer(), b.len());
        outcome(running, entry, &format!("_=_tilefn.merge({name:?},{a},{a_len},{b},{b_len})"))
    }

    pub fn finish(running: &mut Running, entry: &str, name: &str, state: GuestRange) -> Result<u32> {
        outcome(running, entry, &format!("_=_tilefn.finish({name:?},{},{})", state.pointer(), state.len()))
    }
}

/// Memory from the runtime's own allocator.
fn memory(running: &mut Running, entry: &str, len: u32) -> Result<u32> {
    match running.call_as(entry, ALLOC, len)? {
        0 => Err(no_memory(running, len)),
        start => Ok(start),
    }
}

/// The error for memory that the host refused.
fn no_memory(running: &mut Running, wanted: u32) -> Error {
    let limit = running.host_mut().limits.memory;
    let refused = running.host_mut().python.as_mut().and_then(|python| python.refused.take());
    let wanted = refused.unwrap_or(wanted.into());
    Error::OutOfMemory { entry: ALLOC_EXPORT.to_owned(), wanted, limit, backtrace: Default::default() }
}

/// Runs a line of Python and returns the address that it sent.
fn outcome(running: &mut Running, entry: &str, line: &str) -> Result<u32> {
    turn(running, entry, line)?;
    match running.host_mut().python.as_mut().and_then(|python| python.outcome.take()) {
        Some(pointer) => Ok(pointer),
        None => Err(Error::violation(entry, "it has no outcome".to_owned())),
    }
}

/// Runs a line of Python.
fn turn(running: &mut Running, entry: &str, line: &str) -> Result<()> {
    let line_len = u32::try_from(line.len()).map_err(|_| Error::Engine("a line too long".to_owned()))?;
    let start = memory(running, entry, line_len)?;
    let memory = running.memory_mut();
    let place = usize::try_from(start).ok().and_then(|at| memory.get_mut(at..)?.get_mut(..line.len()));
    let place = place.ok_or_else(|| Error::violation(entry, format!("its memory has no place {start}")))?;
    place.copy_from_slice(line.as_bytes());
    let status: u32 = running.call_as(entry, "turn", (start, line_len))?;
    let host = running.host_mut();
    let (limit, stderr) = (host.limits.memory, host.log.stderr_tail());
    let Some(python) = &mut host.python else {
        return Err(Error::Engine("a Python function without its runtime".to_owned()));
    };
    if let Some(mut message) = python.failure.take() {
        if let Some(wanted) = python.refused.filter(|_| message.contains("MemoryError")) {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            message +=
                &format!("\nlimits.memory is {} MiB, the function needs {} MiB or more", mib(limit), mib(wanted));
        }
        return Err(Error::Guest { message });
    }
    match status {
        0 => Ok(()),
        EXIT.. => Err(Error::Exit { entry: entry.to_owned(), code: status.saturating_sub(EXIT), stderr }),
        _ => Err(Error::Guest { message: stderr.unwrap_or_else(|| "Python failed without a message".to_owned()) }),
    }
}

/// Makes a bundle ready to run, and asks it for its functions.
pub(crate) fn compile_python(sandbox: &Sandbox, bytes: &[u8]) -> Result<Compiled> {
    let bundle = Bundle::read(bytes).map_err(|problem| Error::Bundle { problem })?;
    if sandbox.limits.fuel.is_some() {
        return Err(Error::Bundle {
            problem: "limits.fuel counts WebAssembly instructions, which the Python runtime doesn't: use limits.time"
                .to_owned(),
        });
    }
    let Loaded { module, engine, library, empty } = Runtime::find()?.load()?;
    let mut linker = Linker::new(&engine);
    host::add_to_linker(&mut linker).map_err(engine_error)?;
    let pre = linker.instantiate_pre(&module).map_err(engine_error)?;
    let folder = if bundle.files.len() > 1 { Folder::Written(write(&bundle)?) } else { Folder::Empty(empty) };
    let kind = Kind::Python(PythonKind { bundle: Arc::new(bytes.to_vec()), library, folder });
    let program = Arc::new(Program { pre, debug_info: DebugInfo::default(), kind });
    let (functions, warnings) = on_a_deep_stack(|| describe(sandbox, &program))?;
    Ok(Compiled { program, functions, imports: Vec::new(), exports: Vec::new(), warnings })
}

/// Writes a bundle's files to a folder of this user only.
fn write(bundle: &Bundle<'_>) -> Result<OwnFolder> {
    const PREFIX: &str = "tilefn-function-";
    let folder =
        OwnFolder::new(PREFIX, &std::env::temp_dir()).or_else(|_| OwnFolder::new(PREFIX, Path::new(SHARED_MEMORY)));
    let folder = folder.map_err(|e| Error::Engine(format!("can't make a folder for the function's files: {e}")))?;
    for (path, content) in &bundle.files {
        let place = folder.path().join(path);
        let written =
            place.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&place, content));
        written.map_err(|e| Error::Engine(format!("can't write the function's file {}: {e}", shown(path))))?;
    }
    Ok(folder)
}

/// What `load` needs to know of a description; the rest is checked as a module's.
#[derive(Deserialize)]
struct Head {
    name: String,
    #[serde(default)]
    reduce: bool,
}

/// Asks the program for its functions, and takes the warnings that it gives on the way.
fn describe(sandbox: &Sandbox, program: &Arc<Program>) -> Result<(Vec<Arc<Description>>, Vec<String>)> {
    let mut running = Running::start(sandbox, program, sandbox.limits.describe_time)?;
    turn(&mut running, "describe", "_=_tilefn.describe()")?;
    let json = running.host_mut().python.as_mut().and_then(|python| python.descriptions.take());
    let wrong = |function: &str, problem: String| Error::Describe { function: shown(function), problem };
    let json = json.ok_or_else(|| Error::violation("describe", "it has no descriptions".to_owned()))?;
    let values: Vec<serde_json::Value> = serde_json::from_slice(&json).map_err(|e| wrong("", e.to_string()))?;
    if values.len() > MAX_FUNCTIONS {
        return Err(Error::violation(
            "describe",
            format!("it has {} functions, the limit is {MAX_FUNCTIONS}", values.len()),
        ));
    }
    let functions = values
        .into_iter()
        .map(|value| {
            let Head { name, reduce } = Head::deserialize(&value).map_err(|e| wrong("", e.to_string()))?;
            if !is_name(&name) {
                return Err(wrong(&name, format!("it doesn't name a function: {}", crate::description::NAME_RULE)));
            }
            let json = serde_json::to_vec(&value).map_err(|e| wrong(&name, e.to_string()))?;
            Description::parse(&name, &json, reduce).map(Arc::new).map_err(|problem| wrong(&name, problem))
        })
        .collect::<Result<_>>()?;
    let warnings = running.take_log().into_iter().filter(|line| line.warning).map(|line| line.text);
    Ok((functions, warnings.collect()))
}

/// Runs something on a thread of its own, whose stack is enough for CPython.
pub(super) fn on_a_deep_stack<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("python".to_owned());
        let thread = thread.stack_size(crate::limits::THREAD_STACK).spawn_scoped(scope, run);
        let thread = thread.map_err(|e| Error::Engine(format!("can't start a thread: {e}")))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
