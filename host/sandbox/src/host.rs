//! The host's side of a running instance: its limits, its log, the reason why it was stopped.

use std::sync::Arc;
use std::time::Instant;

use tilefn_abi::{IMPORT_MODULE, REPORT_IMPORT, Report};
use wasmtime::{Caller, Extern, Linker, ResourceLimiter, Trap};

use super::engine::Interrupt;
use super::limits::Limits;
use super::log::Log;
use super::python::host::PythonState;
use super::text::sanitise;

/// Fuel for a call of the host, beside that for the bytes it moves: about its time in instructions.
const CALL_FUEL: u64 = 100;

/// The host's state of one instance.
pub(super) struct Host {
    pub limits: Arc<Limits>,
    pub log: Log,
    /// The error the function reported last.
    pub error: Option<String>,
    /// The panic it reported last.
    pub panic: Option<String>,
    /// When the running call must end; `None` when that is too far away to count.
    pub deadline: Option<Instant>,
    pub interrupt: Interrupt,
    /// Most bytes of linear memory so far.
    pub peak_memory: usize,
    /// State of the random numbers that WASI gives out: the same for every instance.
    pub random: u64,
    /// What the Python runtime needs besides.
    pub python: Option<Box<PythonState>>,
}

/// Why the host stopped a module; travels through wasmtime as an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("deadline")]
    Deadline,
    #[error("interrupted")]
    Interrupted,
    #[error("memory limit")]
    Memory { wanted: u64 },
    #[error("table limit")]
    Table { wanted: usize },
    #[error("exit {0}")]
    Exit(u32),
    #[error("{0}")]
    Abi(String),
}

impl Host {
    pub fn new(limits: &Arc<Limits>, interrupt: &Interrupt) -> Self {
        Self {
            limits: Arc::clone(limits),
            log: Log::new(limits.log_bytes),
            error: None,
            panic: None,
            deadline: None,
            interrupt: interrupt.clone(),
            peak_memory: 0,
            random: 0,
            python: None,
        }
    }

    /// Asked at every tick while code runs, and by every call of the host.
    pub fn may_go_on(&self) -> Result<(), Stop> {
        if self.interrupt.is_stopped() {
            return Err(Stop::Interrupted);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stop::Deadline),
            _ => Ok(()),
        }
    }

    fn report(&mut self, kind: u32, text: &[u8]) -> Result<(), Stop> {
        let message = |limits: &Limits| Some(sanitise(text, limits.message_bytes));
        match Report::from_u32(kind) {
            Some(Report::Info) => self.log.push(false, text),
            Some(Report::Warning) => self.log.push(true, text),
            Some(Report::Error) => self.error = message(&self.limits),
            Some(Report::Panic) => self.panic = message(&self.limits),
            None => {
                return Err(Stop::Abi(format!("`report` was called with kind {kind}, which doesn't exist")));
            }
        }
        Ok(())
    }
}

impl ResourceLimiter for Host {
    /// An error, not a refusal: the module traps where it asks for too much, and the backtrace shows where.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.may_go_on()?;
        let wanted = desired as u64;
        if wanted > self.limits.memory {
            // Before it has started there is no Python yet to say so.
            if let Some(python) = self.python.as_mut().filter(|_| current > 0) {
                // Python raises its own error, which shows the function's line.
                python.refused = Some(wanted);
                return Ok(false);
            }
            return Err(Stop::Memory { wanted }.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.peak_memory = self.peak_memory.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.may_go_on()?;
        if desired > self.limits.table_elements {
            return Err(Stop::Table { wanted: desired }.into());
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Defines `tilefn.report`.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        REPORT_IMPORT,
        |mut caller: Caller<'_, Host>, kind: u32, text: u32, len: u32| {
            enter(&mut caller)?;
            let (memory, host) = memory_and_host(&mut caller)?;
            let text = slice(memory, text, len).ok_or_else(|| {
                Stop::Abi(format!("`report` was called with a text outside its memory (pointer {text}, {len} bytes)"))
            })?;
            host.report(kind, text)?;
            spend(&mut caller, len.into())
        },
    )?;
    Ok(())
}

/// Begins every call of the host: compiled code looks at the time in loops and at function entries only, so a
/// straight line of calls would outlast the limit.
pub(super) fn enter(caller: &mut Caller<'_, Host>) -> wasmtime::Result<()> {
    caller.data().may_go_on()?;
    spend(caller, CALL_FUEL)
}

/// Takes fuel for a call of the host, if fuel is limited: one for each byte that it moves.
pub(super) fn spend(caller: &mut Caller<'_, Host>, fuel: u64) -> wasmtime::Result<()> {
    if caller.data().limits.fuel.is_none() {
        return Ok(());
    }
    let left = caller.get_fuel()?.checked_sub(fuel);
    caller.set_fuel(left.unwrap_or_default())?;
    left.map(|_| ()).ok_or_else(|| Trap::OutOfFuel.into())
}

/// The calling instance's memory and the host's data.
pub(super) fn memory_and_host<'a>(caller: &'a mut Caller<'_, Host>) -> Result<(&'a mut [u8], &'a mut Host), Stop> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory.data_and_store_mut(caller)),
        _ => Err(Stop::Abi("it exports no memory".to_owned())),
    }
}

/// The `len` bytes at pointer `start`, if they are inside the memory.
pub(super) fn slice(memory: &[u8], start: u32, len: u32) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    memory.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}
