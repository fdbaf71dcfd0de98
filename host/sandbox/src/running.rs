//! A store with an instance in it: its calls, their time, and what ended them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tilefn_abi::ALLOC_EXPORT;
use wasmtime::{InstancePre, Memory, Store, Trap, UpdateDeadline, WasmParams, WasmResults};

use super::backtrace::GuestBacktrace;
use super::debug_info::DebugInfo;
use super::engine::{Sandbox, engine_error};
use super::error::{Error, Result};
use super::guest_range::{GuestRange, foreign_range};
use super::host::{Host, Stop, slice};
use super::kinds::Kind;
use super::outcome::Reader;
use types::LogLine;

/// Alignment of call blocks and states.
const BLOCK_ALIGN: usize = 16;

/// The code of a function: what instances are made from, and what tells their errors' places.
pub(super) struct Program {
    pub pre: InstancePre<Host>,
    pub debug_info: DebugInfo,
    pub kind: Kind,
}

/// Memory and fuel that an instance has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Most bytes of linear memory it had.
    pub peak_memory: usize,
    /// Fuel it used; `None` when fuel isn't limited.
    pub fuel: Option<u64>,
}

/// A store with an instance in it, and the rest of its time.
pub(super) struct Running {
    pub(super) program: Arc<Program>,
    store: Store<Host>,
    instance: wasmtime::Instance,
    memory: Memory,
    time_limit: Duration,
    time_left: Duration,
    failed: bool,
}

impl Running {
    /// Instantiates and initialises, with `time` for that and all later calls together.
    pub fn start(sandbox: &Sandbox, program: &Arc<Program>, time: Duration) -> Result<Self> {
        let mut host = Host::new(&sandbox.limits, &sandbox.interrupt);
        program.kind.equip(&mut host)?;
        let mut store = Store::new(program.pre.module().engine(), host);
        store.limiter(|host| host);
        store.epoch_deadline_callback(|store| {
            store.data().may_go_on()?;
            Ok(UpdateDeadline::Continue(1))
        });
        if let Some(fuel) = sandbox.limits.fuel {
            store.set_fuel(fuel).map_err(engine_error)?;
        }
        let entry = "instantiation";
        let mut time_left = time;
        let instance = timed(&mut store, &mut time_left, |store| program.pre.instantiate(store));
        let instance = instance.map_err(|error| fault(&store, program, entry, time, error))?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| Error::Engine("a module without memory passed the checks".to_owned()))?;
        let program = Arc::clone(program);
        let mut this = Self { program, store, instance, memory, time_limit: time, time_left, failed: false };
        this.begin()?;
        Ok(this)
    }

    /// Calls an export.
    pub fn call<P: WasmParams, R: WasmResults>(&mut self, entry: &str, params: P) -> Result<R> {
        self.call_as(entry, entry, params)
    }

    /// Calls an export, which errors name `entry`.
    pub fn call_as<P: WasmParams, R: WasmResults>(&mut self, entry: &str, export: &str, params: P) -> Result<R> {
        let Self { program, store, instance, time_left, time_limit, failed, .. } = self;
        if *failed {
            return Err(Error::Engine(format!("`{entry}` was called after an error")));
        }
        let function = instance.get_typed_func::<P, R>(&mut *store, export).map_err(engine_error)?;
        let result = timed(store, time_left, |store| function.call(store, params));
        result.map_err(|error| {
            *failed = true;
            fault(store, program, entry, *time_limit, error)
        })
    }

    pub fn alloc(&mut self, len: usize, align: usize) -> Result<GuestRange> {
        let too_big = || Error::OutOfMemory {
            entry: ALLOC_EXPORT.to_owned(),
            wanted: len as u64,
            limit: u32::MAX.into(),
            backtrace: GuestBacktrace::default(),
        };
        let guest_len = u32::try_from(len).map_err(|_| too_big())?;
        let guest_align = u32::try_from(align).ok().filter(|a| a.is_power_of_two());
        let guest_align = guest_align.ok_or_else(|| Error::Engine(format!("alignment {align}")))?;
        if len == 0 {
            // Any aligned pointer but null will do.
            return Ok(GuestRange::new(guest_align, 0));
        }
        let start = self.allocate(guest_len, guest_align)?;
        let problem = if start == 0 {
            format!("it has no memory for {len} bytes")
        } else if !start.is_multiple_of(guest_align) {
            format!("the pointer {start} isn't a multiple of {align}")
        } else if self.slice(start, guest_len).is_none() {
            format!("{len} bytes at pointer {start} aren't inside its memory")
        } else {
            return Ok(GuestRange::new(start, guest_len));
        };
        Err(Error::violation(ALLOC_EXPORT, problem))
    }

    /// As [`alloc`](Self::alloc), for several at once: the module is called once only, and grows its memory once.
    pub fn alloc_all(&mut self, lens: &[usize], align: usize) -> Result<Vec<GuestRange>> {
        // Saturated, it is more than a module can have.
        let end = |start: usize, len: usize| start.saturating_add(len).checked_next_multiple_of(align);
        let total = lens.iter().fold(0usize, |start, len| end(start, *len).unwrap_or(usize::MAX));
        let all = self.alloc(total, align)?;
        let mut start = all.pointer();
        let parts = lens.iter().map(|len| {
            // Its parts lie inside a range that ends below 4 GiB.
            let len = u32::try_from(*len).ok()?;
            let part = GuestRange::new(start, len);
            start = start.checked_add(u32::try_from(end(0, part.len())?).ok()?)?;
            Some(part)
        });
        parts.collect::<Option<_>>().ok_or_else(foreign_range)
    }

    /// Copies bytes into the instance.
    pub fn put(&mut self, bytes: &[u8]) -> Result<GuestRange> {
        let range = self.alloc(bytes.len(), BLOCK_ALIGN)?;
        if let Some(place) = self.memory_mut().get_mut(range.bounds()) {
            place.copy_from_slice(bytes);
        }
        Ok(range)
    }

    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    pub fn slice(&self, start: u32, len: u32) -> Option<&[u8]> {
        slice(self.memory(), start, len)
    }

    /// Returns a reader for the result of `entry`.
    pub fn reader<'a>(&'a self, entry: &'a str) -> Reader<'a> {
        Reader::new(entry, self.memory(), &self.store.data().limits)
    }

    pub fn host_mut(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Notes what a module says of its memory: it may have used less than it has.
    pub fn note_memory_used(&mut self, used: u32) {
        let peak = &mut self.store.data_mut().peak_memory;
        *peak = (*peak).min(used as usize);
    }

    pub fn stats(&self) -> Stats {
        let limit = self.store.data().limits.fuel;
        let fuel = limit.zip(self.store.get_fuel().ok()).map(|(limit, left)| limit.saturating_sub(left));
        Stats { peak_memory: self.store.data().peak_memory, fuel }
    }

    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.store.data_mut().log.take()
    }
}

/// Runs code with a deadline, and takes the time it took off what is left.
fn timed<R>(
    store: &mut Store<Host>,
    left: &mut Duration,
    run: impl FnOnce(&mut Store<Host>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    let start = Instant::now();
    store.data_mut().deadline = start.checked_add(*left);
    store.set_epoch_deadline(1);
    // A call that is over before the first tick wouldn't be asked.
    store.data().may_go_on()?;
    let result = run(store);
    *left = left.saturating_sub(start.elapsed());
    result
}

/// The cause of an error that ended running code.
fn fault(store: &Store<Host>, program: &Program, entry: &str, time: Duration, error: wasmtime::Error) -> Error {
    let host = store.data();
    let limits = &host.limits;
    let backtrace = GuestBacktrace::of(&error, &program.debug_info);
    let entry = entry.to_owned();
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Deadline => Error::Deadline { entry, limit: time, backtrace },
            Stop::Interrupted => Error::Interrupted { entry },
            Stop::Memory { wanted } => Error::OutOfMemory { entry, wanted: *wanted, limit: limits.memory, backtrace },
            Stop::Table { wanted } => {
                Error::TableSize { entry, wanted: *wanted, limit: limits.table_elements, backtrace }
            }
            Stop::Exit(code) => Error::Exit { entry, code: *code, stderr: host.log.stderr_tail() },
            Stop::Abi(problem) => Error::AbiViolation { entry, problem: problem.clone(), backtrace },
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Error::Fuel { entry, limit: limits.fuel.unwrap_or_default(), backtrace },
        Some(Trap::StackOverflow) => Error::Stack { entry, limit: program.kind.stack(host), backtrace },
        Some(trap) => {
            let text = trap.to_string();
            let trap = text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned();
            let panic = host.panic.clone().or_else(|| host.log.stderr_tail());
            Error::Trap { entry, trap, panic, backtrace }
        }
        None => engine_error(error),
    }
}
