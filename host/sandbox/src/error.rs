//! What can go wrong with a module, by cause; the texts are for the person who runs the job.

use std::time::Duration;

use super::backtrace::GuestBacktrace;
use super::python::RuntimeError;

/// Why a module can't be used or a function failed. `entry` is the export that ran, such as `process:ndvi`; texts that
/// come from the module are bounded and free of control characters.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes aren't a core WebAssembly module.
    #[error("not a WebAssembly module: {0}")]
    NotWasm(&'static str),

    /// It is WebAssembly, but malformed or beyond what the sandbox allows.
    #[error("the module can't be compiled: {0}")]
    Invalid(String),

    /// A Python function's program and files can't be used.
    #[error("the Python function can't be used: {problem}")]
    Bundle { problem: String },

    /// The runtime for Python functions is missing or can't be used: no fault of the function.
    #[error(transparent)]
    PythonRuntime(RuntimeError),

    /// The module marks another ABI version or none.
    #[error("{}", abi_version(found))]
    AbiVersion {
        /// The versions it marks, as they stand in the exports' names.
        found: Vec<String>,
    },

    /// The module wants something from the host that a tile function doesn't get.
    #[error("the module imports `{module}.{name}`{problem}")]
    Import {
        /// First part of the import's name.
        module: String,
        /// Second part of the import's name.
        name: String,
        /// The mistake, as the end of a sentence.
        problem: String,
    },

    /// An export is missing or isn't what the ABI says.
    #[error("the module's export `{name}` {problem}")]
    Export {
        /// The export's name.
        name: String,
        /// The mistake, as the end of a sentence.
        problem: String,
    },

    /// A function's description is wrong.
    #[error("the description of function `{function}` is wrong: {problem}")]
    Describe {
        /// The function's name, from its export.
        function: String,
        problem: String,
    },

    /// The module has no function of this name.
    #[error("the module has no function `{name}`; it has {}", list(available))]
    UnknownFunction {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },

    /// Something the module brings along or returns is bigger than its limit.
    #[error("{what}: {bytes} bytes, the limit is {limit}")]
    TooBig {
        what: String,
        /// Its size in bytes.
        bytes: u64,
        limit: u64,
    },

    /// Compiling it could take gigabytes of memory.
    #[error("{whose} has {found} {what}, the limit is {limit}: compile it with optimisation, or split it up")]
    TooComplex {
        /// The module, or a function with its index and name.
        whose: String,
        /// The thing that there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// The limit.
        limit: u64,
    },

    /// Compiling took too long. It goes on in the background: let the process end.
    #[error("compiling the module takes longer than {limit:?}")]
    CompileTime {
        /// The limit.
        limit: Duration,
    },

    /// The code did what WebAssembly forbids, or panicked.
    #[error("`{entry}` {}: {}{backtrace}", if panic.is_some() { "panicked" } else { "trapped" }, panic.as_ref().unwrap_or(trap))]
    Trap {
        /// The export that ran.
        entry: String,
        /// WebAssembly's name of the trap.
        trap: String,
        /// The panic's own message, or the last of what was written to stderr.
        panic: Option<String>,
        /// Where.
        backtrace: GuestBacktrace,
    },

    /// The time limit.
    #[error("`{entry}` ran longer than {limit:?}, the time limit{backtrace}")]
    Deadline {
        /// The export that ran.
        entry: String,
        /// The limit.
        limit: Duration,
        /// Where it was stopped.
        backtrace: GuestBacktrace,
    },

    /// The memory limit.
    #[error("`{entry}` wants {wanted} bytes of memory, the limit is {limit}{backtrace}")]
    OutOfMemory {
        /// The export that ran.
        entry: String,
        /// Bytes of linear memory wanted in all.
        wanted: u64,
        /// The limit.
        limit: u64,
        /// Where.
        backtrace: GuestBacktrace,
    },

    /// The limit of function table elements.
    #[error("`{entry}` wants a table of {wanted} elements, the limit is {limit}{backtrace}")]
    TableSize {
        /// The export that ran.
        entry: String,
        /// Elements wanted.
        wanted: usize,
        /// The limit.
        limit: usize,
        /// Where.
        backtrace: GuestBacktrace,
    },

    /// The fuel limit.
    #[error("`{entry}` used up its fuel of {limit}{backtrace}")]
    Fuel {
        /// The export that ran.
        entry: String,
        /// The limit.
        limit: u64,
        /// Where.
        backtrace: GuestBacktrace,
    },

    /// The stack limit.
    #[error("`{entry}` ran out of stack, the limit is {limit} bytes: recursion without an end?{backtrace}")]
    Stack {
        /// The export that ran.
        entry: String,
        limit: usize,
        /// Where.
        backtrace: GuestBacktrace,
    },

    /// The module broke the ABI: the bug is in it or in its SDK.
    #[error("`{entry}` broke the ABI: {problem}{backtrace}")]
    AbiViolation {
        /// The export that ran.
        entry: String,
        problem: String,
        /// Where, when it was while code ran.
        backtrace: GuestBacktrace,
    },

    /// The function itself reported that it failed.
    #[error("{message}")]
    Guest {
        /// Its own words.
        message: String,
    },

    /// The code ended "its process" (WASI `proc_exit`).
    #[error("`{entry}` ended the program with exit code {code}{}", stderr_tail(stderr))]
    Exit {
        /// The export that ran.
        entry: String,
        code: u32,
        /// The last of what was written to stderr.
        stderr: Option<String>,
    },

    /// Stopped from outside through an [`Interrupt`](super::Interrupt).
    #[error("`{entry}` was interrupted")]
    Interrupted {
        /// The export that ran.
        entry: String,
    },

    /// The sandbox itself failed, or was used wrongly: no fault of the module.
    #[error("sandbox: {0}")]
    Engine(String),
}

/// A result of the sandbox.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A breach of the ABI found after the code had run.
    pub(super) fn violation(entry: &str, problem: String) -> Self {
        Self::AbiViolation { entry: entry.to_owned(), problem, backtrace: GuestBacktrace::default() }
    }
}

fn abi_version(found: &[String]) -> String {
    let ours = tilefn_abi::VERSION;
    if found.is_empty() {
        return format!(
            "the module doesn't export `{}`: it wasn't built with the tilefn guest SDK",
            tilefn_abi::VERSION_EXPORT
        );
    }
    let found = found.join(", ");
    format!(
        "the module speaks ABI version {found}, this tilefn version {ours}: build it with the guest SDK of this tilefn"
    )
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn stderr_tail(stderr: &Option<String>) -> String {
    stderr.as_ref().map_or_else(String::new, |text| format!(": {text}"))
}
