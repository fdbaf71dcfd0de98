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
    /// Tile → its state; empty for a tile that was not run. The schedule's window bounds how many can wait, and
    /// [`Reducer::room`] how many bytes.
    waiting: BTreeMap<u64, Contribution>,
}

/// Memory for states that wait for an earlier tile's, bytes. When it's full, only the oldest tile is begun.
const WAITING: u64 = 256 << 20;
/// What tiles under way may leave, bytes: more than waits, since with many workers the states of most are joined as they come.
const UNDER_WAY: u64 = 1 << 30;

/// One tile's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contribution(#[serde(with = "hex::serde")] Vec<u8>);

/// The accumulated state, and the function that joins more to it.
pub struct Reducer {
    function: Function,
    so_far: Reduction,
    wait: Wait,
}

/// What waits, and what is to be expected of a tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wait {
    /// Bytes that wait.
    bytes: u64,
    /// Tiles that had a state, and bytes of all of these.
    seen: (u64, u64),
}

impl Wait {
    fn see(&mut self, state: &[u8]) {
        let bytes = state.len() as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        let (tiles, sum) = self.seen;
        self.seen = (tiles.saturating_add(u64::from(bytes > 0)), sum.saturating_add(bytes));
    }

    /// How many tiles may be under way, if their states are like those seen.
    fn room(&self) -> u64 {
        let (tiles, sum) = self.seen;
        match sum.checked_div(tiles) {
            Some(_) if self.bytes >= WAITING => 0,
            Some(each) if each > 0 => UNDER_WAY / each,
            _ => u64::MAX,
        }
    }
}

impl Reducer {
    /// Goes on from what was accumulated before.
    pub fn new(function: Function, so_far: Reduction) -> Self {
        let mut wait = Wait::default();
        so_far.waiting.values().for_each(|Contribution(state)| wait.see(state));
        Self { function, so_far, wait }
    }

    /// Takes the contribution of `tile`; an empty one leaves the state as it is. One that is in already doesn't count again.
    pub fn add(&mut self, tile: u64, state: Vec<u8>) -> Result<(), Error> {
        let Reduction { next, state: joined, waiting } = &mut self.so_far;
        if tile < *next {
            return Ok(());
        }
        self.wait.see(&state);
        waiting.insert(tile, Contribution(state));
        while let Some(Contribution(state)) = waiting.remove(next) {
            self.wait.bytes = self.wait.bytes.saturating_sub(state.len() as u64);
            if joined.is_empty() {
                *joined = state;
            } else if !state.is_empty() {
                *joined = self.function.merge(joined, &state)?.value;
            }
            *next += 1;
        }
        Ok(())
    }

    /// How many tiles may be under way at a time, so that the states that wait stay within their memory. The oldest unfinished
    /// one must always be: the others wait for it.
    pub fn room(&self) -> u64 {
        self.wait.room()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_what_is_under_way_are_bounded() {
        let mut wait = Wait::default();
        wait.see(&[]);
        assert_eq!(wait.room(), u64::MAX, "nothing is known of states yet");
        let state = vec![0; 16 << 20];
        wait.see(&state);
        assert_eq!(wait.room(), 64);
        (0..14).for_each(|_| wait.see(&state));
        assert_eq!((wait.bytes, wait.room()), (240 << 20, 64));
        wait.see(&state);
        assert_eq!((wait.bytes, wait.room()), (256 << 20, 0));
        wait.bytes = 0;
        assert_eq!(wait.room(), 64, "all are joined");
    }
}
