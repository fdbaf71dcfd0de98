//! Every limit a module runs under, with its unit and why it is there.

use serde::{Deserialize, Serialize};
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Stack of a thread that runs Python functions, bytes: CPython's own 8 MiB, and room for the host. Memory is taken as it is used.
pub(super) const THREAD_STACK: usize = 16 * MIB;

/// Limits of a module. The defaults are safe for code that nobody has read; a job file raises `memory`, `time` and `fuel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of one instance, in bytes (1 GiB). A 32-bit module can't have more than 4 GiB.
    pub memory: u64,
    /// Time the module's code may run for one tile, one merge or one finish (60 s): the wall clock, checked every 10 ms,
    /// counting only while the code runs, and in every call of the host. One `memory.copy` is never cut, so it also needs `memory`.
    pub time: Duration,
    /// Fuel for one tile: about one unit for each WebAssembly instruction. A call of the host takes 100, and one for each byte that it moves. Unlike `time` it cuts at the same instruction
    /// on every machine, and costs as much again as the time limit does; `None` (default) doesn't count.
    pub fuel: Option<u64>,
    /// Elements of the module's function table (100 000); each costs the host 8 bytes. Big programs have some thousands.
    pub table_elements: usize,
    /// Stack of the machine code, in bytes (512 KiB); a module's arrays live in `memory`. The thread that runs a
    /// function needs this and some more: [`Limits::thread_stack`].
    pub stack: usize,
    /// Bytes of all output rasters of a tile (1 GiB). They may overlap in the module's memory, so `memory` doesn't bound them.
    pub output_bytes: u64,
    /// Bytes of an accumulated state (16 MiB): the controller keeps one state for each tile that waits for its turn. The JSON that
    /// `finish` makes of it has 4 MiB at most, unless it is one text.
    pub state_bytes: usize,
    /// Bytes of log, stdout and stderr together, kept for a tile (64 KiB); what follows is dropped.
    pub log_bytes: usize,
    /// Bytes of an error's or a panic's text (8 KiB); what follows is cut.
    pub message_bytes: usize,
    /// Size of the `.wasm` file in bytes (64 MiB): a module with debug information is below 10 MiB.
    pub module_bytes: usize,
    /// Wall-clock time to compile the module (60 s). Compiling takes far longer for some modules than their size suggests.
    pub compile_time: Duration,
    /// Bytes of one function's description (256 KiB), its documentation included.
    pub describe_bytes: usize,
    /// Time for all descriptions of a module together (5 s): they are constants, or nearly so.
    pub describe_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            time: Duration::from_secs(60),
            fuel: None,
            table_elements: 100_000,
            stack: 512 * KIB,
            output_bytes: 1 << 30,
            state_bytes: 16 * MIB,
            log_bytes: 64 * KIB,
            message_bytes: 8 * KIB,
            module_bytes: 64 * MIB,
            compile_time: Duration::from_secs(60),
            describe_bytes: 256 * KIB,
            describe_time: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Stack, in bytes, that a thread needs to run a function of any kind: its own and the host's.
    pub const fn thread_stack(&self) -> usize {
        let module = self.stack.saturating_add(2 * MIB);
        if module > THREAD_STACK { module } else { THREAD_STACK }
    }
}
