//! A running job's dials: how far it is, and the switch to stop it. Shared with whoever shows progress or catches signals.

use super::watch::Watch;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Progress out, stop in. All counters only grow.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    total: AtomicU64,
    resumed: AtomicU64,
    done: AtomicU64,
    skipped: AtomicU64,
    bytes_out: AtomicU64,
    /// Only when there is a dashboard.
    watch: OnceLock<Arc<Watch>>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// All tiles.
    pub total: u64,
    /// Tiles done, skipped ones included.
    pub done: u64,
    /// Tiles that an earlier run has done.
    pub resumed: u64,
    /// Tiles without valid input.
    pub skipped: u64,
    /// Output pixels, bytes.
    pub bytes_out: u64,
}

impl Control {
    /// Asks the job to stop: tiles under way are finished or dropped, and what is done is kept.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How far the job is.
    pub fn progress(&self) -> Progress {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Progress {
            total: get(&self.total),
            done: get(&self.done),
            resumed: get(&self.resumed),
            skipped: get(&self.skipped),
            bytes_out: get(&self.bytes_out),
        }
    }

    /// From now on `watch` is told what happens; only the first one is.
    pub fn watch_with(&self, watch: Arc<Watch>) {
        let _first = self.watch.set(watch);
    }

    /// Who wants to be told what happens.
    pub(super) fn watch(&self) -> Option<&Watch> {
        self.watch.get().map(AsRef::as_ref)
    }

    pub(super) fn start(&self, total: u64, done: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.resumed.store(done, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
    }

    pub(super) fn tile_done(&self, bytes_out: u64) {
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tile_skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}
