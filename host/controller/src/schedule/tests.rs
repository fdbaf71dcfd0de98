//! Tests of the schedule.

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
    assert_eq!(s.take(WorkerId(3), late), Grant::Tile(0), "again a second holder, since B holds it too long already");
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
