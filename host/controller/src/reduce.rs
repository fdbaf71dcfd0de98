//! Joins the states that the tiles of an accumulating function return, always in tile order, so that the result doesn't depend on the
//! number of workers.

use super::ranges::Ranges;
use sandbox::{Error, Function};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The states accumulated so far; a journal keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reduction {
    /// The first tile that is not in `state`.
    next: u64,
    state: Vec<u8>,
    /// Tile → its state; empty for a tile that was not run. The schedule's window bounds how many can wait, and
    /// [`Reducer::room`] how many bytes.
    waiting: BTreeMap<u64, Vec<u8>>,
}

/// The lengths of a reduction's states, in the order of their bytes: the joined state, then those that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    next: u64,
    state: u64,
    /// Tile and length.
    waiting: Vec<(u64, u64)>,
}

impl Reduction {
    /// The lengths and the bytes of all states.
    pub fn packed(&self) -> (Lengths, impl Iterator<Item = &[u8]>) {
        let waiting = self.waiting.iter().map(|(tile, state)| (*tile, state.len() as u64));
        let lengths = Lengths { next: self.next, state: self.state.len() as u64, waiting: waiting.collect() };
        (lengths, std::iter::once(&self.state).chain(self.waiting.values()).map(Vec::as_slice))
    }

    /// Puts the states together again; none if the bytes are not those of the lengths.
    pub fn unpacked(lengths: &Lengths, mut bytes: &[u8]) -> Option<Self> {
        let mut take = |len: u64| {
            let (state, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
            bytes = rest;
            Some(state.to_vec())
        };
        let state = take(lengths.state)?;
        let waiting: Option<BTreeMap<_, _>> =
            lengths.waiting.iter().map(|(tile, len)| Some((*tile, take(*len)?))).collect();
        let waiting = waiting.filter(|waiting| waiting.len() == lengths.waiting.len())?;
        bytes.is_empty().then_some(Self { next: lengths.next, state, waiting })
    }

    /// Whether it has the states of all tiles that are `done`, and of no tile from `count` on.
    pub fn has(&self, done: &Ranges, count: u64) -> bool {
        let waiting = |tile| self.waiting.contains_key(&tile);
        let after = self.waiting.range(..self.next).next().is_none();
        let end = self.waiting.keys().next_back().map_or(self.next, |last| last.saturating_add(1));
        after && end <= count && done.iter().skip_while(|tile| *tile < self.next).all(waiting)
    }
}

/// Limit for states that wait for an earlier tile's, bytes. Beyond it only the oldest tile is begun.
const WAITING: u64 = 256 << 20;
/// Limit for the states that tiles under way may still return, bytes. It is larger: with many workers most states are joined as they
/// come, without waiting.
const UNDER_WAY: u64 = 1 << 30;

/// The accumulated state, and the function that joins more to it.
pub struct Reducer {
    function: Function,
    so_far: Reduction,
    wait: Wait,
}

/// The states that wait, and the sizes seen, from which those of later tiles are estimated.
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

    /// How many tiles may be under way, if their states are as large as those seen.
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
        so_far.waiting.values().for_each(|state| wait.see(state));
        Self { function, so_far, wait }
    }

    /// Takes the state of `tile`. An empty one changes nothing; a tile that was added before isn't added again.
    pub fn add(&mut self, tile: u64, state: Vec<u8>) -> Result<(), Error> {
        if tile >= self.so_far.next {
            self.wait.see(&state);
            self.so_far.waiting.insert(tile, state);
        }
        self.join()
    }

    /// Joins the waiting states up to the first tile that is missing.
    fn join(&mut self) -> Result<(), Error> {
        let Reduction { next, state: joined, waiting } = &mut self.so_far;
        // A state is removed only once it is joined, so that the journal still has it if joining fails or is interrupted.
        while let Some(state) = waiting.get_mut(next) {
            let bytes = state.len() as u64;
            if joined.is_empty() {
                *joined = std::mem::take(state);
            } else if !state.is_empty() {
                *joined = self.function.merge(joined, state)?.value;
            }
            waiting.remove(next);
            self.wait.bytes = self.wait.bytes.saturating_sub(bytes);
            *next += 1;
        }
        Ok(())
    }

    /// How many tiles may be under way at a time, so that waiting states stay within their limit. The oldest unfinished tile must
    /// always be allowed, since the others wait for it.
    pub fn room(&self) -> u64 {
        self.wait.room()
    }

    /// What has been accumulated so far.
    pub fn so_far(&self) -> &Reduction {
        &self.so_far
    }

    /// The result as JSON, once every tile has been added.
    pub fn finish(&mut self) -> Result<serde_json::Value, Error> {
        self.join()?;
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

    fn some() -> Reduction {
        let waiting = [(5, vec![1, 2]), (6, Vec::new()), (9, vec![3])].into();
        Reduction { next: 4, state: vec![9; 10], waiting }
    }

    #[test]
    fn packed_and_unpacked() {
        for reduction in [some(), Reduction::default()] {
            let (lengths, states) = reduction.packed();
            let bytes = states.collect::<Vec<_>>().concat();
            assert_eq!(Reduction::unpacked(&lengths, &bytes), Some(reduction.clone()));
            assert_eq!(Reduction::unpacked(&lengths, &[&*bytes, &[0]].concat()), None);
            assert!(bytes.is_empty() || Reduction::unpacked(&lengths, &bytes[1..]).is_none());
        }
        let twice = Lengths { next: 0, state: 0, waiting: vec![(1, 0), (1, 0)] };
        assert_eq!(Reduction::unpacked(&twice, &[]), None);
    }

    /// A tile that is done but whose state is missing would be missing from the result.
    #[test]
    fn has_the_states_of_all_tiles_that_are_done() {
        let done = |tiles: &[u64]| {
            let mut done = Ranges::default();
            assert!(tiles.iter().all(|tile| done.insert(*tile)));
            done
        };
        assert!(some().has(&done(&[0, 1, 2, 3, 5, 6, 9]), 10));
        // More states than tiles that are known to be done.
        assert!(some().has(&done(&[0, 6]), 10));
        assert!(!some().has(&done(&[0, 6]), 9));
        assert!(!some().has(&done(&[4]), 10));
        assert!(!some().has(&done(&[7]), 10));
        assert!(!Reduction { next: 7, ..some() }.has(&done(&[0]), 10));
    }
}
