//! The state of each tile, and which worker gets which: one state machine for all kinds of workers.
//!
//! It is a plain value: no clock, no I/O, no thread. A tile is *fresh* (never handed out: everything from `next` on),
//! *queued* (handed back), *in flight* (held by one or more workers) or *done*. Only the last three take memory, and
//! [`Policy::window`] bounds how far the first unfinished tile may lag behind, so memory depends on the number of
//! workers and not on the raster.

use super::ranges::Ranges;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// A worker's number, given by the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

/// How tiles are handed out.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How often a tile may be lost with its worker before the job fails.
    pub max_attempts: u32,
    /// How many tiles past the first unfinished one may be started.
    pub window: u64,
    /// When no other work is left, a tile that has been in flight for this long is given to a second worker. The time is longer where
    /// tiles usually take longer.
    pub straggler: Duration,
}

/// A tile is late when it takes this many times as long as tiles usually do.
const LATE: u32 = 3;

/// The answer to a worker that asks for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Run this tile.
    Tile(u64),
    /// Nothing now; ask again when something has changed.
    Wait,
    /// Every tile is done.
    Finished,
}

/// A tile was lost with its worker too often.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tile {tile} was lost {attempts} times with the worker that ran it")]
pub struct Poisonous {
    pub tile: u64,
    /// How often.
    pub attempts: u32,
}

#[derive(Debug)]
struct Flight {
    holders: Vec<WorkerId>,
    since: Instant,
    /// A result has come and is being written.
    claimed: bool,
}

/// The state of all tiles.
#[derive(Debug)]
pub struct Schedule {
    policy: Policy,
    count: u64,
    next: u64,
    queue: VecDeque<u64>,
    flight: BTreeMap<u64, Flight>,
    /// The tiles in flight without a result, the oldest first: candidates for a second worker.
    open: BTreeSet<(Instant, u64)>,
    /// How many tiles may be in flight; the oldest unfinished one always may.
    most: u64,
    done: Ranges,
    /// Tiles that were lost → the workers that lost them. Few, so that it costs nothing in a healthy run.
    lost: BTreeMap<u64, Vec<WorkerId>>,
    failed: u64,
    /// Workers that asked for a tile and got none.
    waiting: BTreeSet<WorkerId>,
    /// Something since the last [`Schedule::stirred`] may give one of the waiting workers a tile.
    stirred: bool,
    /// How long tiles usually are in flight, recent ones counting more.
    usual: Option<Duration>,
}

impl Schedule {
    /// All of `count` tiles, less those already `done`.
    pub fn new(count: u64, done: Ranges, policy: Policy) -> Self {
        Self {
            policy,
            count,
            next: 0,
            queue: VecDeque::new(),
            flight: BTreeMap::new(),
            open: BTreeSet::new(),
            most: u64::MAX,
            done,
            lost: BTreeMap::new(),
            failed: 0,
            waiting: BTreeSet::new(),
            stirred: false,
            usual: None,
        }
    }

    /// A tile for `worker`.
    pub fn take(&mut self, worker: WorkerId, now: Instant) -> Grant {
        let grant = match self.find(worker, now) {
            Some(tile) => {
                let start = || Flight { holders: Vec::new(), since: now, claimed: false };
                self.flight.entry(tile).or_insert_with(start).holders.push(worker);
                self.note(tile);
                Grant::Tile(tile)
            }
            None if self.finished() => Grant::Finished,
            None => Grant::Wait,
        };
        match grant {
            Grant::Wait => self.waiting.insert(worker),
            _ => self.waiting.remove(&worker),
        };
        grant
    }

    fn find(&mut self, worker: WorkerId, now: Instant) -> Option<u64> {
        let oldest = self.done.next_missing(0);
        let full = self.full();
        let may_begin = |tile: u64| !full || tile == oldest;
        // A tile that failed on this worker is for another one.
        let here = |tile: &u64| may_begin(*tile) && !self.lost_with(*tile, worker);
        if let Some(place) = self.queue.iter().position(here) {
            return self.queue.remove(place);
        }
        let fresh = self.done.next_missing(self.next);
        if fresh < self.count && fresh - oldest < self.policy.window && may_begin(fresh) {
            self.next = fresh + 1;
            return Some(fresh);
        }
        // Nothing fresh: the job nears its end, or all wait for the oldest tile. If every worker here has failed at a tile, they may
        // try it again.
        let again = |tile: &u64| may_begin(*tile) && !self.others_may_take(*tile, worker);
        if let Some(place) = self.queue.iter().position(again) {
            return self.queue.remove(place);
        }
        // An idle worker takes over the tile that has been under way for longest. A tile with two workers is late after twice the
        // time, and so on, since the second worker may be no better than the first.
        let late = self.policy.straggler.max(self.usual.unwrap_or_default().saturating_mul(LATE));
        let overdue = |since: Instant, holders: usize| {
            let holders = u32::try_from(holders).unwrap_or(u32::MAX).max(1);
            now.saturating_duration_since(since) >= late.saturating_mul(holders)
        };
        self.open
            .iter()
            .take_while(|(since, _)| overdue(*since, 1))
            .filter(|(since, tile)| may_begin(*tile) && overdue(*since, self.holders(*tile).len()))
            .map(|(_, tile)| *tile)
            .find(|tile| !self.lost_with(*tile, worker) && !self.holders(*tile).contains(&worker))
    }

    fn full(&self) -> bool {
        self.flight.len() as u64 >= self.most
    }

    /// Limits how many tiles may be in flight from now on. The oldest unfinished tile is always allowed, since waiting states may need
    /// it.
    pub fn limit_flight(&mut self, most: u64) {
        let full = self.full();
        self.most = most;
        self.stirred |= full && !self.full();
    }

    fn lost_with(&self, tile: u64, worker: WorkerId) -> bool {
        self.lost.get(&tile).is_some_and(|with| with.contains(&worker))
    }

    /// Whether a worker other than this one is here that has not failed at `tile`.
    fn others_may_take(&self, tile: u64, worker: WorkerId) -> bool {
        let mut others = self.flight.values().flat_map(|f| &f.holders).chain(&self.waiting);
        others.any(|other| *other != worker && !self.lost_with(tile, *other))
    }

    fn holders(&self, tile: u64) -> &[WorkerId] {
        self.flight.get(&tile).map_or(&[], |f| &f.holders)
    }

    /// Updates `open` after a change of a tile in flight.
    fn note(&mut self, tile: u64) {
        let Some(flight) = self.flight.get(&tile) else { return };
        if flight.claimed {
            self.open.remove(&(flight.since, tile));
        } else {
            self.open.insert((flight.since, tile));
        }
    }

    /// A result for `tile` has come; true for the first one, which is the one to write.
    pub fn claim(&mut self, tile: u64, now: Instant) -> bool {
        let Some(flight) = self.flight.get_mut(&tile) else { return false };
        if std::mem::replace(&mut flight.claimed, true) {
            return false;
        }
        let took = now.saturating_duration_since(flight.since);
        self.usual = Some(self.usual.map_or(took, |usual| usual - usual / 16 + took / 16));
        self.note(tile);
        true
    }

    /// Whether `tile` is under way and no result has come yet.
    pub fn is_open(&self, tile: u64) -> bool {
        self.flight.get(&tile).is_some_and(|f| !f.claimed)
    }

    /// `tile` is written; false if it was done before.
    pub fn complete(&mut self, tile: u64) -> bool {
        let full = self.full();
        if let Some(flight) = self.flight.remove(&tile) {
            self.open.remove(&(flight.since, tile));
        }
        let oldest = self.done.next_missing(0);
        let first = tile < self.count && self.done.insert(tile);
        // Workers that wait although there are fresh tiles, or because too many are in flight, wait for the oldest tile.
        let waited = self.next < self.count || full;
        self.stirred |= self.finished() || full && !self.full() || waited && self.done.next_missing(0) > oldest;
        first
    }

    /// `worker` hands `tile` back unfinished, of its own accord. That isn't counted against the tile.
    pub fn give_back(&mut self, worker: WorkerId, tile: u64) {
        let Some(flight) = self.flight.get_mut(&tile) else { return };
        flight.holders.retain(|h| *h != worker);
        if flight.holders.is_empty() && !flight.claimed {
            let since = flight.since;
            self.flight.remove(&tile);
            self.open.remove(&(since, tile));
            self.queue.push_back(tile);
        }
        self.stirred = true;
    }

    /// `worker` is gone: its tiles are handed out again, and each counts as lost once.
    pub fn lose(&mut self, worker: WorkerId) -> Result<Vec<u64>, Poisonous> {
        self.waiting.remove(&worker);
        let tiles: Vec<u64> =
            self.flight.iter().filter(|(_, f)| f.holders.contains(&worker)).map(|(t, _)| *t).collect();
        for tile in &tiles {
            self.count_lost(worker, *tile)?;
        }
        Ok(tiles)
    }

    /// `worker` failed at `tile` for a reason of its own: the tile is handed out again, and counts as lost once.
    pub fn retry(&mut self, worker: WorkerId, tile: u64) -> Result<(), Poisonous> {
        self.failed += u64::from(self.is_open(tile));
        self.count_lost(worker, tile)
    }

    fn count_lost(&mut self, worker: WorkerId, tile: u64) -> Result<(), Poisonous> {
        if self.is_open(tile) {
            let lost = self.lost.entry(tile).or_default();
            lost.push(worker);
            let attempts = u32::try_from(lost.len()).unwrap_or(u32::MAX);
            if attempts >= self.policy.max_attempts {
                return Err(Poisonous { tile, attempts });
            }
        }
        self.give_back(worker, tile);
        Ok(())
    }

    /// Whether waiting workers must be woken: something since the last call may give one a tile, or all tiles are done. Waking
    /// thousands of workers is costly, so it is done only then.
    pub fn stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred) && !self.waiting.is_empty()
    }

    /// Whether every tile is done.
    pub fn finished(&self) -> bool {
        self.done.len() == self.count
    }

    /// The tiles that are done.
    pub fn done(&self) -> &Ranges {
        &self.done
    }

    /// The tiles that workers hold.
    pub fn in_flight(&self) -> impl Iterator<Item = u64> {
        self.flight.keys().copied()
    }

    /// The tiles that were lost at least once.
    pub fn lost(&self) -> impl Iterator<Item = u64> {
        self.lost.keys().copied()
    }

    /// Tiles that are not done.
    pub fn left(&self) -> u64 {
        self.count - self.done.len()
    }

    /// How often a tile failed because of its worker.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How often tiles were handed out again because they failed or were lost.
    pub fn retried(&self) -> u64 {
        self.lost.values().map(|with| with.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests;
