//! One instance of a module: memory for a tile, and one run over it.

use std::sync::Arc;

use tilefn_abi::PROCESS_PREFIX;

use super::description::Description;
use super::error::{Error, Result};
use super::guest_range::{GuestRange, foreign_range};
use super::outcome::Outcome;
use super::running::{Running, Stats};
use types::LogLine;

/// An instance of a function's module, for one tile.
///
/// Fill its inputs, then [`process`](Self::process), once, and read the outputs where they are. After an error it can only be dropped.
pub struct Instance {
    function: Arc<Description>,
    running: Running,
    processed: bool,
}

impl Instance {
    pub(super) fn new(function: Arc<Description>, running: Running) -> Self {
        Self { function, running, processed: false }
    }

    /// `len` bytes for the host to fill, at a multiple of `align`, a power of two. They are zero or hold what the module put there.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and all that running code can do.
    pub fn alloc(&mut self, len: usize, align: usize) -> Result<GuestRange> {
        self.running.alloc(len, align)
    }

    /// The bytes of a range of this instance.
    ///
    /// # Errors
    /// [`Error::Engine`] when the range is another instance's.
    pub fn bytes(&self, range: GuestRange) -> Result<&[u8]> {
        self.running.memory().get(range.bounds()).ok_or_else(foreign_range)
    }

    /// The bytes of a range of this instance, to be written.
    ///
    /// # Errors
    /// [`Error::Engine`] when the range is another instance's.
    pub fn bytes_mut(&mut self, range: GuestRange) -> Result<&mut [u8]> {
        self.running.memory_mut().get_mut(range.bounds()).ok_or_else(foreign_range)
    }

    /// Runs the function on one tile. `call` is the block that begins with [`tilefn_abi::Call`]; its offsets don't depend
    /// on where it lies, its pointers are those of ranges from [`alloc`](Self::alloc).
    ///
    /// # Errors
    /// [`Error::Guest`] when the function reports an error, and all that running code can do.
    pub fn process(&mut self, call: &[u8]) -> Result<Outcome> {
        if std::mem::replace(&mut self.processed, true) {
            return Err(Error::Engine("an instance runs one tile only".to_owned()));
        }
        let function = &self.function;
        let block = self.running.put(call)?;
        let pointer = self.running.process(&function.name, block)?;
        let entry = format!("{PROCESS_PREFIX}{}", function.name);
        self.running.reader(&entry).outcome(pointer, function.outputs.len(), function.reduce)
    }

    /// Memory and fuel used so far.
    pub fn stats(&self) -> Stats {
        self.running.stats()
    }

    /// The log lines since the last call of this, after an error too.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        self.running.take_log()
    }
}
