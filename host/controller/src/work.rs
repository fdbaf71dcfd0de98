//! What workers did: tiles, time and memory.

use std::time::Duration;

/// What one or more workers did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Tiles run.
    pub done: u64,
    /// Tiles left out.
    pub skipped: u64,
    /// Time by stage.
    pub spent: Spent,
    /// Highest memory of a call, bytes.
    pub function_peak_memory: u64,
    /// Input pixels, bytes.
    pub bytes_in: u64,
}

impl Work {
    /// Adds another worker's part.
    pub fn add(&mut self, other: Self) {
        self.done += other.done;
        self.skipped += other.skipped;
        self.spent.add(other.spent);
        self.function_peak_memory = self.function_peak_memory.max(other.function_peak_memory);
        self.bytes_in += other.bytes_in;
    }

    /// Tiles run and left out.
    pub fn tiles(&self) -> u64 {
        self.done + self.skipped
    }
}

/// Time spent in each stage, added up over threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Reading inputs.
    pub read: Duration,
    /// In the sandbox.
    pub run: Duration,
    /// Writing outputs.
    pub write: Duration,
    /// Waiting for a tile.
    pub wait: Duration,
}

impl Spent {
    pub fn add(&mut self, other: Self) {
        self.read += other.read;
        self.run += other.run;
        self.write += other.write;
        self.wait += other.wait;
    }
}
