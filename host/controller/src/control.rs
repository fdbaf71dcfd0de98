//! A running job's handle for the rest of the program: stops the job, has the numbers of its run, and tells its events to observers.

use super::events::{Event, Observer};
use super::tally::{Counts, RunTally};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// The handle of a running job.
#[derive(Default)]
pub struct Control {
    stop: AtomicBool,
    tally: Mutex<RunTally>,
    observers: RwLock<Vec<Arc<dyn Observer>>>,
    unsettled: OnceLock<Box<dyn Fn() -> Unsettled + Send + Sync>>,
}

/// The tiles that are under way or were lost. They are looked up on demand. Events for them would be two more for every tile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// The tiles that workers hold.
    pub in_flight: Vec<u64>,
    /// The tiles that were lost at least once.
    pub lost: Vec<u64>,
    /// How often a tile was handed out again because it failed or was lost.
    pub retried: u64,
}

impl Control {
    /// Asks the job to stop: tiles under way are finished or dropped, and finished tiles are kept.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How far the job is.
    pub fn counts(&self) -> Counts {
        self.tally().counts
    }

    /// The numbers of the run. Workers wait while this is held.
    pub fn tally(&self) -> MutexGuard<'_, RunTally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tiles that are under way or were lost.
    pub fn unsettled(&self) -> Unsettled {
        self.unsettled.get().map(|look| look()).unwrap_or_default()
    }

    /// Tells `observer` all events from now on.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    /// Sets how unsettled tiles are looked up. A run does so once, when it begins.
    pub(crate) fn look_up_with(&self, look: impl Fn() -> Unsettled + Send + Sync + 'static) {
        let _first = self.unsettled.set(Box::new(look));
    }

    /// Counts `event`, then tells the observers.
    pub(crate) fn tell(&self, event: Event<'_>) {
        self.tally().count(&event);
        for observer in &*self.observers.read().unwrap_or_else(PoisonError::into_inner) {
            observer.event(&event);
        }
    }
}
