//! The kinds of functions: what each operation on a running instance is for a module, and for Python.

mod module;
mod python;

use std::sync::Arc;

use tilefn_abi::{FINISH_PREFIX, MERGE_PREFIX, PROCESS_PREFIX};

use super::error::Result;
use super::guest_range::GuestRange;
use super::host::Host;
use super::running::Running;

pub(super) use module::{ModuleKind, compile_module};
pub(super) use python::{PythonKind, compile_python};

/// Most functions in a module or a program.
const MAX_FUNCTIONS: usize = 256;

/// What differs between the kinds of functions.
pub(super) enum Kind {
    /// A WebAssembly module with the ABI's exports.
    Module(ModuleKind),
    /// A Python program in the runtime.
    Python(PythonKind),
}

impl Kind {
    /// Gives the host's side of a new instance what it needs.
    pub fn equip(&self, host: &mut Host) -> Result<()> {
        match self {
            Self::Module(_) => Ok(()),
            Self::Python(kind) => kind.equip(host),
        }
    }

    /// Runs something on a thread with enough stack for this kind.
    pub fn on_its_stack<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match self {
            Self::Module(_) => run(),
            Self::Python(_) => python::on_a_deep_stack(run),
        }
    }

    /// Stack of the machine code, bytes.
    pub fn stack(&self, host: &Host) -> usize {
        match self {
            Self::Module(_) => host.limits.stack,
            Self::Python(_) => super::python::STACK,
        }
    }
}

impl Running {
    /// What comes before all else.
    pub fn begin(&mut self) -> Result<()> {
        match &Arc::clone(&self.program).kind {
            Kind::Module(kind) => kind.begin(self),
            Kind::Python(_) => PythonKind::begin(self),
        }
    }

    /// Memory for the host to fill: the pointer that the guest's allocator returns.
    pub fn allocate(&mut self, len: u32, align: u32) -> Result<u32> {
        match &Arc::clone(&self.program).kind {
            Kind::Module(_) => ModuleKind::allocate(self, len, align),
            Kind::Python(_) => PythonKind::allocate(self, len, align),
        }
    }

    /// Runs a tile. Returns a pointer to its outcome.
    pub fn process(&mut self, name: &str, call: GuestRange) -> Result<u32> {
        let entry = format!("{PROCESS_PREFIX}{name}");
        match &Arc::clone(&self.program).kind {
            Kind::Module(kind) => kind.process(self, &entry, call),
            Kind::Python(_) => PythonKind::process(self, &entry, name, call),
        }
    }

    /// Joins two states. Returns a pointer to the outcome.
    pub fn merge(&mut self, name: &str, a: GuestRange, b: GuestRange) -> Result<u32> {
        let entry = format!("{MERGE_PREFIX}{name}");
        match &Arc::clone(&self.program).kind {
            Kind::Module(_) => ModuleKind::merge(self, &entry, a, b),
            Kind::Python(_) => PythonKind::merge(self, &entry, name, a, b),
        }
    }

    /// Finishes a state. Returns a pointer to the outcome.
    pub fn finish(&mut self, name: &str, state: GuestRange) -> Result<u32> {
        let entry = format!("{FINISH_PREFIX}{name}");
        match &Arc::clone(&self.program).kind {
            Kind::Module(_) => ModuleKind::finish(self, &entry, state),
            Kind::Python(_) => PythonKind::finish(self, &entry, name, state),
        }
    }
}
