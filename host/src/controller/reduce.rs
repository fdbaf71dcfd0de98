//! Joins what the tiles of an accumulating function return, always in tile order, so that the result is the same for any number of workers.

use crate::sandbox::{Error, Function};
use std::collections::BTreeMap;

/// The accumulated state so far, and the contributions that wait for an earlier tile.
pub struct Reducer {
    function: Function,
    next: u64,
    state: Vec<u8>,
    /// Tile → its state; empty for a tile that was not run. The schedule's window bounds how many can wait.
    waiting: BTreeMap<u64, Vec<u8>>,
}

impl Reducer {
    /// Nothing accumulated yet.
    pub fn new(function: Function) -> Self {
        Self { function, next: 0, state: Vec::new(), waiting: BTreeMap::new() }
    }

    /// Takes the contribution of `tile`; an empty one leaves the state as it is.
    pub fn add(&mut self, tile: u64, state: Vec<u8>) -> Result<(), Error> {
        self.waiting.insert(tile, state);
        while let Some(state) = self.waiting.remove(&self.next) {
            self.next += 1;
            if self.state.is_empty() {
                self.state = state;
            } else if !state.is_empty() {
                self.state = self.function.merge(&self.state, &state)?.value;
            }
        }
        Ok(())
    }

    /// The result as JSON, once every tile has been added.
    pub fn finish(&self) -> Result<serde_json::Value, Error> {
        Ok(self.function.finish(&self.state)?.value)
    }
}
