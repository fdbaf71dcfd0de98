//! Joins what the tiles of an accumulating function return, always in tile order, so that the result is the same for any number of workers.

use crate::sandbox::{Error, Function};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What has been accumulated so far; what a journal keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduction {
    /// The first tile that is not in `state`.
    next: u64,
    #[serde(with = "hex::serde")]
    state: Vec<u8>,
    /// Tile → its state; empty for a tile that was not run. The schedule's window bounds how many can wait.
    waiting: BTreeMap<u64, Contribution>,
}

/// One tile's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contribution(#[serde(with = "hex::serde")] Vec<u8>);

/// The accumulated state, and the function that joins more to it.
pub struct Reducer {
    function: Function,
    so_far: Reduction,
}

impl Reducer {
    /// Goes on from what was accumulated before.
    pub fn new(function: Function, so_far: Reduction) -> Self {
        Self { function, so_far }
    }

    /// Takes the contribution of `tile`; an empty one leaves the state as it is. One that is in already doesn't count again.
    pub fn add(&mut self, tile: u64, state: Vec<u8>) -> Result<(), Error> {
        let Reduction { next, state: joined, waiting } = &mut self.so_far;
        if tile < *next {
            return Ok(());
        }
        waiting.insert(tile, Contribution(state));
        while let Some(Contribution(state)) = waiting.remove(next) {
            if joined.is_empty() {
                *joined = state;
            } else if !state.is_empty() {
                *joined = self.function.merge(joined, &state)?.value;
            }
            *next += 1;
        }
        Ok(())
    }

    /// What has been accumulated so far.
    pub fn so_far(&self) -> &Reduction {
        &self.so_far
    }

    /// The result as JSON, once every tile has been added.
    pub fn finish(&self) -> Result<serde_json::Value, Error> {
        Ok(self.function.finish(&self.so_far.state)?.value)
    }
}
