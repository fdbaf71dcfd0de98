//! Fleets: what starts and stops workers that connect over the network. A fleet of external workers starts none.

use super::report::Usage;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use wire::{About, Ticket};

/// Starts workers, keeps them coming, and takes them down again.
///
/// The controller calls [`Fleet::start`] once, drives [`Fleet::keep`] while tiles are left, and then, whatever happened,
/// [`Fleet::stop`]. It may drop the future of `start` or `keep` at any point where they wait, so what has been created
/// must be noted in `self` before the next wait, and `stop` undoes all of it.
pub trait Fleet: Send {
    /// Asks for the workers; returns when that has been accepted, not when they run.
    ///
    /// # Errors
    /// When no worker can be had at all.
    fn start(
        &mut self,
        ticket: &Ticket,
        workers: &ConnectedWorkers,
    ) -> impl Future<Output = Result<(), FleetError>> + Send;

    /// Replaces workers that die or never connect. Ends only when no worker is left and none can be had.
    fn keep(&mut self, workers: &ConnectedWorkers) -> impl Future<Output = FleetError> + Send;

    /// What became of an ECS task whose worker is lost, if the fleet can find out.
    fn why(&mut self, _task: &str) -> impl Future<Output = Option<String>> + Send {
        std::future::ready(None)
    }

    /// Stops all workers and removes everything that was created for them. Returns what could not be removed.
    fn stop(&mut self) -> impl Future<Output = Vec<String>> + Send;

    /// What the workers have used so far, where somebody charges for it.
    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// No worker can be had: what happened, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FleetError(pub String);

/// The workers that are connected, and how much is left to do. A fleet decides by them how many workers to start.
#[derive(Clone, Debug)]
pub struct ConnectedWorkers {
    connected: Arc<Mutex<Vec<(u64, About)>>>,
    /// ECS tasks whose workers have been here.
    came: Arc<Mutex<HashSet<String>>>,
    changed: watch::Sender<()>,
    tiles_left: watch::Sender<u64>,
}

impl Default for ConnectedWorkers {
    fn default() -> Self {
        Self {
            connected: Arc::default(),
            came: Arc::default(),
            changed: watch::Sender::new(()),
            tiles_left: watch::Sender::new(0),
        }
    }
}

impl ConnectedWorkers {
    /// The workers that are connected now.
    pub fn connected(&self) -> Vec<About> {
        let connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        connected.iter().map(|(_, about)| about.clone()).collect()
    }

    /// Number of workers that are connected now.
    pub fn count(&self) -> usize {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether the worker of this ECS task is here, or was.
    pub fn came(&self, task: &str) -> bool {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).contains(task)
    }

    /// Waits until a worker has come or gone, from this call on.
    pub fn changed(&self) -> impl Future<Output = ()> {
        let mut changed = self.changed.subscribe();
        async move {
            // The sender lives as long as `self`.
            let _open = changed.changed().await;
        }
    }

    /// Tiles that are not done.
    pub fn tiles_left(&self) -> u64 {
        *self.tiles_left.borrow()
    }

    /// Says how many tiles are not done; the controller does, before it starts a fleet and after each tile.
    pub fn set_tiles_left(&self, tiles: u64) {
        self.tiles_left.send_replace(tiles);
    }

    /// Notes that a worker has connected.
    pub fn join(&self, worker: u64, about: About) {
        if let Some(task) = about.task_arn.clone() {
            self.came.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
        }
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).push((worker, about));
        self.changed.send_replace(());
    }

    /// Notes that a worker is no longer connected.
    pub fn leave(&self, worker: u64) {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).retain(|(w, _)| *w != worker);
        self.changed.send_replace(());
    }
}
