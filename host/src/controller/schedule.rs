//! Which tile goes to which worker, and what has become of each: the one tile state machine, for every kind of worker.
//!
//! It is a plain value: no clock, no I/O, no thread. A tile is *fresh* (never handed out: everything from `next` on),
//! *queued* (handed back), *in flight* (held by one or more workers) or *done*. Only the last three take memory, and
//! [`Policy::window`] bounds how far the first unfinished tile may lag behind, so memory depends on the number of
//! workers and not on the raster.

use super::ranges::Ranges;
use std::collections::{BTreeMap, VecDeque};
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
    /// From what time in flight on a tile is given to a second worker, when no other work is left.
    pub straggler: Duration,
}

/// What a worker that asks for work gets.
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
    /// The tile.
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
    done: Ranges,
    /// Tiles that were lost at least once → how often; few, so that it costs nothing in a healthy run.
    lost: BTreeMap<u64, u32>,
}

impl Schedule {
    /// All of `count` tiles, less those already `done`.
    pub fn new(count: u64, done: Ranges, policy: Policy) -> Self {
        Self { policy, count, next: 0, queue: VecDeque::new(), flight: BTreeMap::new(), done, lost: BTreeMap::new() }
    }

    /// A tile for `worker`.
    pub fn take(&mut self, worker: WorkerId, now: Instant) -> Grant {
        while let Some(tile) = self.queue.pop_front() {
            if !self.done.contains(tile) {
                return self.start(tile, worker, now);
            }
        }
        let fresh = self.done.next_missing(self.next);
        let oldest = self.done.next_missing(0);
        if fresh < self.count {
            if fresh - oldest >= self.policy.window {
                return Grant::Wait;
            }
            self.next = fresh + 1;
            return self.start(fresh, worker, now);
        }
        if self.finished() {
            return Grant::Finished;
        }
        // The end of the job: whoever is idle takes over the tile that is longest under way with another.
        let late = self
            .flight
            .iter()
            .filter(|(_, f)| !f.claimed && f.holders.len() == 1 && !f.holders.contains(&worker))
            .min_by_key(|(_, f)| f.since)
            .filter(|(_, f)| now.saturating_duration_since(f.since) >= self.policy.straggler)
            .map(|(tile, _)| *tile);
        late.map_or(Grant::Wait, |tile| self.start(tile, worker, now))
    }

    fn start(&mut self, tile: u64, worker: WorkerId, now: Instant) -> Grant {
        self.flight.entry(tile).or_insert_with(|| Flight { holders: Vec::new(), since: now, claimed: false }).holders.push(worker);
        Grant::Tile(tile)
    }

    /// A result for `tile` has come; true for the first one, which is the one to write.
    pub fn claim(&mut self, tile: u64) -> bool {
        self.flight.get_mut(&tile).is_some_and(|f| !std::mem::replace(&mut f.claimed, true))
    }

    /// `tile` is written; false if it was done before.
    pub fn complete(&mut self, tile: u64) -> bool {
        self.flight.remove(&tile);
        tile < self.count && self.done.insert(tile)
    }

    /// `worker` hands `tile` back unfinished, by its own will: not counted against the tile.
    pub fn give_back(&mut self, worker: WorkerId, tile: u64) {
        let Some(flight) = self.flight.get_mut(&tile) else { return };
        flight.holders.retain(|h| *h != worker);
        if flight.holders.is_empty() && !flight.claimed {
            self.flight.remove(&tile);
            self.queue.push_back(tile);
        }
    }

    /// `worker` is gone: its tiles are handed out again, and each counts as lost once.
    pub fn lose(&mut self, worker: WorkerId) -> Result<Vec<u64>, Poisonous> {
        let tiles: Vec<u64> = self.flight.iter().filter(|(_, f)| f.holders.contains(&worker)).map(|(t, _)| *t).collect();
        for tile in &tiles {
            self.retry(worker, *tile)?;
        }
        Ok(tiles)
    }

    /// `worker` failed at `tile` for a reason of its own: the tile is handed out again, and counts as lost once.
    pub fn retry(&mut self, worker: WorkerId, tile: u64) -> Result<(), Poisonous> {
        if self.flight.get(&tile).is_none_or(|f| f.claimed) {
            self.give_back(worker, tile);
            return Ok(());
        }
        let attempts = self.lost.entry(tile).or_insert(0);
        *attempts += 1;
        if *attempts >= self.policy.max_attempts {
            return Err(Poisonous { tile, attempts: *attempts });
        }
        self.give_back(worker, tile);
        Ok(())
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

    /// How often tiles were handed out again because they were lost.
    pub fn retried(&self) -> u64 {
        self.lost.values().map(|n| u64::from(*n)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);

    fn schedule(count: u64) -> Schedule {
        let policy = Policy { max_attempts: 3, window: 8, straggler: Duration::from_secs(5) };
        Schedule::new(count, Ranges::default(), policy)
    }

    #[test]
    fn hands_out_every_tile_once_in_order() {
        let (mut s, now) = (schedule(3), Instant::now());
        assert_eq!((s.take(A, now), s.take(B, now), s.take(A, now)), (Grant::Tile(0), Grant::Tile(1), Grant::Tile(2)));
        assert_eq!(s.take(B, now), Grant::Wait);
        assert!(s.complete(1) && s.complete(0) && s.complete(2));
        assert!(!s.complete(1), "a second result does not count");
        assert_eq!(s.take(B, now), Grant::Finished);
    }

    #[test]
    fn tiles_of_a_lost_worker_come_first_again() {
        let (mut s, now) = (schedule(5), Instant::now());
        s.take(A, now);
        s.take(A, now);
        assert_eq!(s.lose(A), Ok(vec![0, 1]));
        assert_eq!((s.take(B, now), s.take(B, now), s.take(B, now)), (Grant::Tile(0), Grant::Tile(1), Grant::Tile(2)));
    }

    #[test]
    fn a_tile_that_kills_its_workers_is_named() {
        let (mut s, now) = (schedule(1), Instant::now());
        for worker in [1, 2] {
            assert_eq!(s.take(WorkerId(worker), now), Grant::Tile(0));
            assert_eq!(s.lose(WorkerId(worker)), Ok(vec![0]));
        }
        s.take(WorkerId(3), now);
        assert_eq!(s.lose(WorkerId(3)), Err(Poisonous { tile: 0, attempts: 3 }));
    }

    #[test]
    fn handing_back_is_not_an_attempt() {
        let (mut s, now) = (schedule(1), Instant::now());
        for _ in 0..10 {
            assert_eq!(s.take(A, now), Grant::Tile(0));
            s.give_back(A, 0);
        }
    }

    #[test]
    fn stragglers_get_one_second_worker_and_only_at_the_end() {
        let (mut s, now) = (schedule(2), Instant::now());
        let late = now + Duration::from_secs(6);
        s.take(A, now);
        assert_eq!(s.take(B, late), Grant::Tile(1), "fresh tiles come first");
        assert_eq!(s.take(B, late), Grant::Tile(0));
        assert_eq!(s.take(WorkerId(3), late), Grant::Wait, "two workers are enough, and tile 1 is not late");
        assert!(s.complete(0));
        assert_eq!(s.lose(A), Ok(vec![]));
    }

    #[test]
    fn losing_one_of_two_holders_queues_nothing() {
        let (mut s, now) = (schedule(1), Instant::now());
        let late = now + Duration::from_secs(6);
        s.take(A, now);
        s.take(B, late);
        s.lose(A).unwrap();
        assert_eq!(s.take(A, late), Grant::Tile(0), "again a second holder, since B holds it too long already");
        assert!(s.complete(0) && s.finished());
    }

    #[test]
    fn the_window_bounds_how_far_a_slow_tile_may_lag() {
        let (mut s, now) = (schedule(1000), Instant::now());
        for tile in 0..8 {
            assert_eq!(s.take(A, now), Grant::Tile(tile));
        }
        (1..8).for_each(|t| assert!(s.complete(t)));
        assert_eq!(s.take(B, now), Grant::Wait);
        s.complete(0);
        assert_eq!(s.take(B, now), Grant::Tile(8));
    }

    #[test]
    fn done_tiles_of_a_former_run_are_not_handed_out() {
        let mut done = Ranges::default();
        [0, 2].map(|t| done.insert(t));
        let policy = Policy { max_attempts: 1, window: 100, straggler: Duration::ZERO };
        let (mut s, now) = (Schedule::new(4, done, policy), Instant::now());
        assert_eq!((s.take(A, now), s.take(A, now)), (Grant::Tile(1), Grant::Tile(3)));
    }

    #[test]
    fn ten_million_tiles_need_no_more_memory_than_ten() {
        let policy = Policy { max_attempts: 3, window: 64, straggler: Duration::ZERO };
        let (mut s, now) = (Schedule::new(10_000_000, Ranges::default(), policy), Instant::now());
        while let Grant::Tile(tile) = s.take(A, now) {
            s.complete(tile);
        }
        assert!(s.finished());
        assert_eq!((s.done.runs(), s.flight.len(), s.queue.len()), (1, 0, 0));
    }
}
