//! The dashboard's own record of a job, beside the run's tally: the map of its tiles, and its pace.

use super::map::Map;
use controller::{Event, Job, Observer, Plan, RunTally};
use grid::Tiling;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Looks at the number of tiles done that the pace is computed from, and the time between them.
const LOOKS: usize = 30;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A job that is looked at. It only takes note of tiles; all else is computed when somebody asks.
#[derive(Debug)]
pub struct JobView {
    pub(super) job: Job,
    /// Warnings of the plan; the run's tally has those of the run.
    pub(super) warnings: Vec<String>,
    /// How long planning took.
    pub(super) prepared: Duration,
    pub(super) started: Instant,
    pub(super) map: Map,
    looks: Mutex<VecDeque<(Instant, u64)>>,
}

impl JobView {
    /// For a job that is about to run. `prepared` is how long planning took.
    pub fn new(plan: &Plan, prepared: Duration) -> Self {
        Self::of(plan.task.tiling, plan.job.clone(), plan.warnings.clone(), prepared)
    }

    pub(super) fn of(tiling: Tiling, job: Job, warnings: Vec<String>, prepared: Duration) -> Self {
        let (map, looks) = (Map::new(tiling), Mutex::default());
        Self { job, warnings, prepared, started: Instant::now(), map, looks }
    }

    /// Tiles per second lately, at `now`; `None` before there is anything to go by.
    pub(super) fn pace(&self, now: Instant, tally: &RunTally) -> Option<f64> {
        let (begun, counts) = (tally.first_joined?, tally.counts);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.is_empty() {
            looks.push_back((begun, counts.resumed));
        }
        let oldest = looks.front().copied()?;
        if looks.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= BETWEEN_LOOKS) {
            looks.push_back((now, counts.done));
            if looks.len() > LOOKS {
                looks.pop_front();
            }
        }
        let seconds = now.saturating_duration_since(oldest.0).as_secs_f64();
        // Tiles are counted in numbers that a float holds exactly.
        let tiles = counts.done.saturating_sub(oldest.1) as f64;
        (seconds > 0.0).then(|| tiles / seconds)
    }
}

impl Observer for JobView {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Begun { resumed, .. } => resumed.iter().for_each(|tile| self.map.done(tile)),
            Event::TileDone { tile, .. } => self.map.done(*tile),
            Event::TileSkipped { tile } => self.map.skipped(*tile),
            _ => {}
        }
    }
}
