//! A function as a WebAssembly module: compiled, checked against the ABI, asked for its functions.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tilefn_abi::{
    ALLOC_EXPORT, DESCRIBE_PREFIX, FINISH_PREFIX, IMPORT_MODULE, MEMORY_USED_EXPORT, MERGE_PREFIX, PROCESS_PREFIX,
    REPORT_IMPORT, VERSION_EXPORT, VERSION_EXPORT_PREFIX,
};
use wasmtime::{Engine, ExternType, InstancePre, Linker, ValType};

use super::{Kind, MAX_FUNCTIONS};
use crate::bounds;
use crate::debug_info::DebugInfo;
use crate::description::{self, Description, is_name};
use crate::engine::{Sandbox, engine_error};
use crate::error::{Error, Result};
use crate::guest_range::GuestRange;
use crate::host::{self, Host};
use crate::module::{Compiled, shown};
use crate::parts::{self, Parts};
use crate::running::{Program, Running};
use crate::text::sanitise;
use crate::wasi;

/// Called first when a module exports it: constructors of a WASI reactor.
const GUEST_INIT: &str = "_initialize";
/// Functions that are compiled at the same time.
const MAX_COMPILERS: usize = 4;
/// Longest message of the compiler shown, in bytes: it may quote the module.
const COMPILER_TEXT_BYTES: usize = 2000;

/// What instances of a module do besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleKind {
    /// Whether there is [`GUEST_INIT`].
    has_init: bool,
    /// Whether there is [`MEMORY_USED_EXPORT`].
    tells_memory_used: bool,
}

impl ModuleKind {
    pub fn begin(self, running: &mut Running) -> Result<()> {
        if self.has_init { running.call(GUEST_INIT, ()) } else { Ok(()) }
    }

    pub fn allocate(running: &mut Running, len: u32, align: u32) -> Result<u32> {
        running.call(ALLOC_EXPORT, (len, align))
    }

    pub fn process(self, running: &mut Running, entry: &str, call: GuestRange) -> Result<u32> {
        let pointer: u32 = running.call(entry, call.pointer())?;
        if self.tells_memory_used {
            let used: u32 = running.call(MEMORY_USED_EXPORT, ())?;
            running.note_memory_used(used);
        }
        result(running, entry, pointer)
    }

    pub fn merge(running: &mut Running, entry: &str, a: GuestRange, b: GuestRange) -> Result<u32> {
        let pointer = running.call(entry, (a.pointer(), a.guest_len(), b.pointer(), b.guest_len()))?;
        result(running, entry, pointer)
    }

    pub fn finish(running: &mut Running, entry: &str, state: GuestRange) -> Result<u32> {
        let pointer = running.call(entry, (state.pointer(), state.guest_len()))?;
        result(running, entry, pointer)
    }
}

/// A pointer, or what the function reported before it returned null.
fn result(running: &mut Running, entry: &str, pointer: u32) -> Result<u32> {
    if pointer != 0 {
        return Ok(pointer);
    }
    match running.host_mut().error.take() {
        Some(message) => Err(Error::Guest { message }),
        None => Err(Error::violation(entry, "it returned null without an error report".to_owned())),
    }
}

/// Compiles a module and asks it for its functions.
pub(crate) fn compile_module(sandbox: &Sandbox, wasm: &[u8]) -> Result<Compiled> {
    check_header(wasm)?;
    bounds::check(wasm)?;
    let (lean, debug_info) = match parts::take_apart(wasm) {
        Some(Parts { lean, debug, code_start }) => (lean, DebugInfo::new(debug, code_start)),
        None => (wasm.to_vec(), DebugInfo::default()),
    };
    let module = compile(&sandbox.engine, lean, sandbox.limits.compile_time)?;
    check_version(&module)?;
    let pre = link(sandbox, &module)?;
    let names = check_exports(&module)?;
    let exports = |name: &str| module.get_export(name).is_some();
    let kind = ModuleKind { has_init: exports(GUEST_INIT), tells_memory_used: exports(MEMORY_USED_EXPORT) };
    let program = Arc::new(Program { pre, debug_info, kind: Kind::Module(kind) });
    let functions = describe(sandbox, &program, &names)?;
    Ok(Compiled {
        program,
        functions,
        imports: module.imports().map(|i| shown(&format!("{}.{}", i.module(), i.name()))).collect(),
        exports: module.exports().map(|e| shown(e.name())).collect(),
        warnings: Vec::new(),
    })
}

/// `\0asm`, then version 1 of the binary format and layer 0, a core module.
fn check_header(wasm: &[u8]) -> Result<()> {
    match wasm.split_at_checked(8) {
        Some((b"\0asm\x01\0\0\0", _)) => Ok(()),
        Some(([0, b'a', b's', b'm', _, _, 1, 0], _)) => Err(Error::NotWasm(
            "it is a component; tilefn runs core modules (build for wasm32-unknown-unknown or wasm32-wasip1)",
        )),
        Some(([0, b'a', b's', b'm', ..], _)) => Err(Error::NotWasm("it has an unknown version of the binary format")),
        _ => Err(Error::NotWasm("it doesn't begin with `\\0asm`")),
    }
}

/// Compiles on threads of its own: Cranelift can't be interrupted, only left behind. As few that even the largest functions that
/// `bounds` lets pass don't take gigabytes together; those that there would be otherwise panic where none can be started.
fn compile(engine: &Engine, wasm: Vec<u8>, limit: Duration) -> Result<wasmtime::Module> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let engine = engine.clone();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cores.min(MAX_COMPILERS))
        .thread_name(|_| "tilefn-compile".to_owned())
        .build()
        .map_err(|reason| Error::Engine(format!("can't start a thread: {reason}")))?;
    pool.spawn(move || {
        let module = catch_unwind(AssertUnwindSafe(|| wasmtime::Module::from_binary(&engine, &wasm)));
        // Nobody listens any more after the time limit.
        _ = module.map(|module| sender.send(module));
    });
    match receiver.recv_timeout(limit) {
        Ok(Ok(module)) => Ok(module),
        Ok(Err(error)) => Err(Error::Invalid(sanitise(format!("{error:#}").as_bytes(), COMPILER_TEXT_BYTES))),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Error::CompileTime { limit }),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Error::Invalid("the compiler panicked".to_owned())),
    }
}

fn check_version(module: &wasmtime::Module) -> Result<()> {
    match module.get_export(VERSION_EXPORT) {
        Some(ExternType::Func(_)) => return Ok(()),
        Some(ty) => {
            let problem = format!("must be a function, but is {}", type_text(&ty));
            return Err(Error::Export { name: VERSION_EXPORT.to_owned(), problem });
        }
        None => {}
    }
    let versions = module.exports().filter_map(|e| e.name().strip_prefix(VERSION_EXPORT_PREFIX).map(shown));
    Err(Error::AbiVersion { found: versions.take(8).collect() })
}

/// Gives the module its imports, having made sure that it wants nothing else.
fn link(sandbox: &Sandbox, module: &wasmtime::Module) -> Result<InstancePre<Host>> {
    let mut linker = Linker::new(&sandbox.engine);
    host::add_to_linker(&mut linker)
        .and_then(|()| wasi::add_to_linker(&mut linker, wasi::Files::None))
        .map_err(engine_error)?;
    let mut scratch = wasmtime::Store::new(&sandbox.engine, Host::new(&sandbox.limits, &sandbox.interrupt));
    for import in module.imports() {
        let error = |problem: String| {
            Err(Error::Import { module: shown(import.module()), name: shown(import.name()), problem })
        };
        let Ok(defined) = linker.get(&mut scratch, import.module(), import.name()) else {
            return error(format!(": tilefn offers only `{IMPORT_MODULE}.{REPORT_IMPORT}` and WASI preview 1"));
        };
        let (wanted, offered) = (import.ty(), defined.ty(&scratch));
        if !same_function(&wanted, &offered) {
            return error(format!(" as {}, but it is {}", type_text(&wanted), type_text(&offered)));
        }
    }
    linker.instantiate_pre(module).map_err(engine_error)
}

fn same_function(a: &ExternType, b: &ExternType) -> bool {
    a.func().zip(b.func()).is_some_and(|(a, b)| wasmtime::FuncType::eq(a, b))
}

/// Checks the types of what the ABI names, and returns the functions' names.
fn check_exports(module: &wasmtime::Module) -> Result<Vec<String>> {
    const MEMORY: &str = "memory";
    let error = |name: &str, problem: String| Err(Error::Export { name: shown(name), problem });
    match module.get_export(MEMORY) {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        Some(ty) => {
            return error(MEMORY, format!("must be a 32-bit memory, but is {}", type_text(&ty)));
        }
        None => return error(MEMORY, "is missing".to_owned()),
    }
    if module.get_export(ALLOC_EXPORT).is_none() {
        return error(ALLOC_EXPORT, "is missing".to_owned());
    }
    let mut names = Vec::new();
    for export in module.exports() {
        let Some((params, results)) = signature(export.name()) else {
            continue;
        };
        let ty = export.ty();
        if !ty.func().is_some_and(|f| valtypes(f.params()) == params && valtypes(f.results()) == results) {
            let problem = format!("must be {}, but is {}", signature_text(params, results), type_text(&ty));
            return error(export.name(), problem);
        }
        if let Some(name) = export.name().strip_prefix(DESCRIBE_PREFIX) {
            if !is_name(name) {
                return error(export.name(), format!("doesn't name a function: {}", description::NAME_RULE));
            }
            names.push(name.to_owned());
        }
    }
    if names.is_empty() {
        return error(&format!("{DESCRIBE_PREFIX}…"), "is missing: the module has no function".to_owned());
    }
    if names.len() > MAX_FUNCTIONS {
        return error(
            &format!("{DESCRIBE_PREFIX}…"),
            format!("is there {} times, the limit is {MAX_FUNCTIONS}", names.len()),
        );
    }
    check_pairs(module, &names)?;
    Ok(names)
}

/// Each function has `describe` and `process`, and both or none of `merge` and `finish`.
fn check_pairs(module: &wasmtime::Module, names: &[String]) -> Result<()> {
    let has = |prefix: &str, name: &str| module.get_export(&format!("{prefix}{name}")).is_some();
    let missing = |prefix: &str, name: &str, other: &str| {
        let problem = format!("is missing, but `{other}{name}` is there");
        Err(Error::Export { name: format!("{prefix}{name}"), problem })
    };
    for name in names {
        if !has(PROCESS_PREFIX, name) {
            return missing(PROCESS_PREFIX, name, DESCRIBE_PREFIX);
        }
        match (has(MERGE_PREFIX, name), has(FINISH_PREFIX, name)) {
            (true, false) => return missing(FINISH_PREFIX, name, MERGE_PREFIX),
            (false, true) => return missing(MERGE_PREFIX, name, FINISH_PREFIX),
            _ => {}
        }
    }
    for export in module.exports() {
        for prefix in [PROCESS_PREFIX, MERGE_PREFIX, FINISH_PREFIX] {
            let Some(name) = export.name().strip_prefix(prefix) else {
                continue;
            };
            if !names.iter().any(|n| n == name) {
                return missing(DESCRIBE_PREFIX, &shown(name), prefix);
            }
        }
    }
    Ok(())
}

/// Parameters and results that the ABI prescribes for an export (`i`: i32, `I`: i64); `None` for exports of no concern.
fn signature(export: &str) -> Option<(&'static str, &'static str)> {
    match export {
        ALLOC_EXPORT => Some(("ii", "i")),
        MEMORY_USED_EXPORT => Some(("", "i")),
        GUEST_INIT => Some(("", "")),
        _ if export.starts_with(DESCRIBE_PREFIX) => Some(("", "I")),
        _ if export.starts_with(PROCESS_PREFIX) => Some(("i", "i")),
        _ if export.starts_with(MERGE_PREFIX) => Some(("iiii", "i")),
        _ if export.starts_with(FINISH_PREFIX) => Some(("ii", "i")),
        _ => None,
    }
}

/// The types as letters; `?` for those that the ABI never uses.
fn valtypes(types: impl Iterator<Item = ValType>) -> String {
    types
        .map(|ty| match ty {
            ValType::I32 => 'i',
            ValType::I64 => 'I',
            _ => '?',
        })
        .collect()
}

fn signature_text(params: &str, results: &str) -> String {
    let names = |letters: &str| {
        let names: Vec<_> = letters.chars().map(|c| if c == 'I' { "i64" } else { "i32" }).collect();
        names.join(", ")
    };
    format!("a function ({}) -> ({})", names(params), names(results))
}

fn type_text(ty: &ExternType) -> String {
    /// A type with more parameters than these isn't worth reading to its end.
    const MAX_SHOWN: usize = 16;
    let list = |types: &mut dyn Iterator<Item = ValType>| {
        types.take(MAX_SHOWN).map(|ty| ty.to_string()).collect::<Vec<_>>().join(", ")
    };
    match ty {
        ExternType::Func(f) => format!("a function ({}) -> ({})", list(&mut f.params()), list(&mut f.results())),
        ExternType::Memory(_) => "a memory".to_owned(),
        ExternType::Table(_) => "a table".to_owned(),
        ExternType::Global(_) => "a global".to_owned(),
        ExternType::Tag(_) => "a tag".to_owned(),
    }
}

/// Asks every function for its description, all in one instance.
fn describe(sandbox: &Sandbox, program: &Arc<Program>, names: &[String]) -> Result<Vec<Arc<Description>>> {
    let limits = &sandbox.limits;
    let mut running = Running::start(sandbox, program, limits.describe_time)?;
    names
        .iter()
        .map(|name| {
            let entry = format!("{DESCRIBE_PREFIX}{name}");
            let packed: i64 = running.call(&entry, ())?;
            let (start, len) = description::unpack(packed);
            if len as usize > limits.describe_bytes {
                let (bytes, limit) = (u64::from(len), limits.describe_bytes as u64);
                return Err(Error::TooBig { what: format!("the description of function `{name}`"), bytes, limit });
            }
            let Some(json) = running.slice(start, len) else {
                let problem = format!("its description is outside its memory (pointer {start}, {len} bytes)");
                return Err(Error::violation(&entry, problem));
            };
            let reduce = program.pre.module().get_export(&format!("{MERGE_PREFIX}{name}")).is_some();
            Description::parse(name, json, reduce)
                .map(Arc::new)
                .map_err(|problem| Error::Describe { function: name.clone(), problem })
        })
        .collect()
}
