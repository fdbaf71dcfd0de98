//! Which tile goes to which worker, and what has become of each: the one tile state machine, for every kind of worker.
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
    /// From what time in flight on a tile is given to a second worker, when no other work is left; more where tiles
    /// usually take longer.
    pub straggler: Duration,
}

/// A tile is late when it takes this many times as long as tiles usually do.
const LATE: u32 = 3;

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
    /// The tiles that no result has come for, those first that are longest under way: the ones to be given to another worker.
    open: BTreeSet<(Instant, u64)>,
    /// How many tiles may be in flight; the oldest unfinished one always may.
    most: u64,
    done: Ranges,
    /// Tiles that were lost → with whom; few, so that it costs nothing in a healthy run.
    lost: BTreeMap<u64, Vec<WorkerId>>,
    failed: u64,
    /// Workers that asked for a tile and got none.
    waiting: BTreeSet<WorkerId>,
    /// What has happened since the last [`Schedule::stirred`] may give one of them a tile.
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
        // The end of the job, or all wait for the oldest tile. If all workers that are here have failed at a tile, they may try again.
        let again = |tile: &u64| may_begin(*tile) && !self.others_may_take(*tile, worker);
        if let Some(place) = self.queue.iter().position(again) {
            return self.queue.remove(place);
        }
        // Whoever is idle takes over the tile that is longest under way with another. With two, it's late when it takes twice as
        // long, and so on: a worker that is given a tile may be no better than the one before.
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

    /// Limits how many tiles may be in flight from now on. The oldest unfinished one always may: what fills the memory may wait for it.
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

    /// Keeps `open` right after a change of a tile in flight.
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
        // Those who wait while there are fresh tiles, or because there are too many in flight, wait for the oldest one.
        let waited = self.next < self.count || full;
        self.stirred |= self.finished() || full && !self.full() || waited && self.done.next_missing(0) > oldest;
        first
    }

    /// `worker` hands `tile` back unfinished, by its own will: not counted against the tile.
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

    /// Whether something has happened since the last call that may give a tile, or the news that all are done, to a
    /// worker that waits; with thousands of workers it is no small thing to wake them all.
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

    /// How often a tile failed on a worker, for a reason of the worker's.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How often tiles were handed out again because they failed or were lost.
    pub fn retried(&self) -> u64 {
        self.lost.values().map(|with| with.len() as u64).sum()
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
        assert_eq!(s.take(A, late), Grant::Wait, "it failed there");
        assert_eq!(
            s.take(WorkerId(3), late),
            Grant::Tile(0),
            "again a second holder, since B holds it too long already"
        );
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
        for tile in [0, 2] {
            done.insert(tile);
        }
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
        assert_eq!((s.done.runs(), s.flight.len(), s.queue.len(), s.open.len()), (1, 0, 0, 0));
    }

    #[test]
    fn a_tile_that_failed_on_a_worker_goes_to_another_one_if_there_is_any() {
        let (mut s, now) = (schedule(2), Instant::now());
        assert_eq!((s.take(A, now), s.take(B, now)), (Grant::Tile(0), Grant::Tile(1)));
        s.retry(A, 0).unwrap();
        assert_eq!(s.take(A, now), Grant::Wait, "B is here and hasn't tried");
        assert_eq!(s.take(B, now), Grant::Tile(0));
        s.retry(B, 0).unwrap();
        assert!(s.claim(1, now) && s.complete(1));
        assert_eq!(s.take(B, now), Grant::Tile(0), "both have failed, so either may try again");
        assert_eq!(s.retry(B, 0), Err(Poisonous { tile: 0, attempts: 3 }));
        assert_eq!((s.failed(), s.retried()), (3, 3));
    }

    #[test]
    fn a_worker_that_is_alone_tries_again_after_all_other_tiles() {
        let (mut s, now) = (schedule(3), Instant::now());
        s.take(A, now);
        s.retry(A, 0).unwrap();
        assert_eq!(s.failed(), 1);
        assert_eq!((s.take(A, now), s.take(A, now), s.take(A, now)), (Grant::Tile(1), Grant::Tile(2), Grant::Tile(0)));
    }

    #[test]
    fn slow_tiles_are_not_late() {
        let (mut s, now) = (schedule(3), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        s.take(A, now);
        assert!(s.claim(0, after(60)) && s.complete(0));
        s.take(A, after(60));
        s.take(A, after(60));
        assert_eq!(s.take(B, after(239)), Grant::Wait, "tiles take a minute here");
        assert_eq!(s.take(B, after(240)), Grant::Tile(1));
    }

    #[test]
    fn waiting_workers_are_woken_only_when_there_may_be_something_for_them() {
        let (mut s, now) = (schedule(9), Instant::now());
        (0..8).for_each(|_| assert!(matches!(s.take(A, now), Grant::Tile(_))));
        s.complete(0);
        assert!(!s.stirred(), "nobody waits");
        s.take(A, now);
        assert_eq!(s.take(B, now), Grant::Wait);
        (1..6).for_each(|t| assert!(s.complete(t)));
        assert!(!s.stirred(), "nothing for B: all the rest is with A");
        s.give_back(A, 6);
        assert!(s.stirred());
        assert_eq!(s.take(B, now), Grant::Tile(6));
        assert_eq!(s.take(B, now), Grant::Wait);
        (6..9).for_each(|t| assert!(s.complete(t)));
        assert!(s.stirred(), "all is done");
    }

    #[test]
    fn with_too_many_in_flight_only_the_oldest_is_begun() {
        let (mut s, now) = (schedule(20), Instant::now());
        (0..3).for_each(|tile| assert_eq!(s.take(A, now), Grant::Tile(tile)));
        s.limit_flight(2);
        assert_eq!(s.take(B, now), Grant::Wait);
        s.give_back(A, 2);
        s.give_back(A, 0);
        s.limit_flight(0);
        assert_eq!((s.take(B, now), s.take(B, now)), (Grant::Tile(0), Grant::Wait), "whatever else is queued");
        assert!(s.stirred());
        assert!(s.complete(0));
        assert!(!s.stirred() || s.take(B, now) == Grant::Wait, "tile 1 is the oldest, and A has it");
        s.take(B, now);
        assert!(s.complete(1) && s.stirred(), "tile 2 is the oldest");
        assert_eq!((s.take(B, now), s.take(A, now)), (Grant::Tile(2), Grant::Wait));
        s.limit_flight(2);
        assert!(s.stirred());
        assert_eq!(s.take(A, now), Grant::Tile(3));
    }

    #[test]
    fn what_holds_up_the_window_is_taken_over_before_the_end_and_from_two_as_well() {
        let (mut s, now) = (schedule(1000), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        (0..8).for_each(|_| assert!(matches!(s.take(A, now), Grant::Tile(_))));
        assert_eq!(s.take(B, after(4)), Grant::Wait);
        assert_eq!(s.take(B, after(5)), Grant::Tile(0), "A hoards");
        let c = WorkerId(3);
        assert_eq!(s.take(c, after(5)), Grant::Tile(1));
        (2..8).for_each(|tile| assert_eq!(s.take(c, after(5)), Grant::Tile(tile)));
        assert_eq!(s.take(c, after(9)), Grant::Wait);
        assert_eq!(s.take(c, after(10)), Grant::Tile(0), "so does B");
        assert!(s.claim(0, after(11)) && s.complete(0));
        assert_eq!(s.take(c, after(11)), Grant::Tile(8));
    }

    #[test]
    fn waiting_workers_are_woken_when_the_window_moves() {
        let (mut s, now) = (schedule(20), Instant::now());
        (0..8).for_each(|_| assert!(matches!(s.take(A, now), Grant::Tile(_))));
        assert_eq!(s.take(B, now), Grant::Wait);
        s.complete(1);
        assert!(!s.stirred());
        s.complete(0);
        assert!(s.stirred());
        assert_eq!((s.take(B, now), s.take(B, now), s.take(B, now)), (Grant::Tile(8), Grant::Tile(9), Grant::Wait));
    }
}
