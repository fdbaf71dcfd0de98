//! What happens in a run, for a callback of Python's: told by the job's threads, taken by Python's own.

use controller::{Event, Observer};
use serde_json::{Value, json};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Events that wait for Python at most. A callback that sleeps must not fill the memory.
const MOST: usize = 10_000;
/// Different warnings that are told, as many as the report has. A function may warn on every tile.
const MOST_WARNINGS: usize = 100;

/// The events that Python has not seen yet.
#[derive(Debug, Default)]
pub struct Events(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Value>,
    warned: HashSet<String>,
    /// Events that there was no room for.
    left_out: u64,
}

impl Events {
    /// The events since the last call, as JSON.
    pub fn take(&self) -> Vec<String> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = std::mem::take(&mut waiting.left_out);
        let more = (left_out > 0).then(|| json!({ "event": "left_out", "count": left_out }));
        waiting.events.drain(..).chain(more).map(|event| event.to_string()).collect()
    }
}

impl Observer for Events {
    fn event(&self, event: &Event<'_>) {
        let told = match event {
            Event::Begun { tiles, .. } => json!({ "event": "begun", "tiles": tiles }),
            Event::WorkerJoined { worker, identity } => json!({
                "event": "worker", "worker": worker, "kind": identity.kind, "name": identity.name,
                "host": identity.host, "threads": identity.threads,
            }),
            Event::WorkerLeft { worker, why } => json!({ "event": "worker_left", "worker": worker, "why": why }),
            Event::Warning(text) => json!({ "event": "warning", "message": text }),
            Event::Finishing => json!({ "event": "finishing" }),
            Event::Failed(why) => json!({ "event": "failed", "message": why }),
            // A tile costs no event: there may be millions, and the progress has their numbers.
            _ => return,
        };
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::Warning(text) = event
            && (waiting.warned.len() >= MOST_WARNINGS || !waiting.warned.insert((*text).to_owned()))
        {
            return;
        }
        if waiting.events.len() < MOST {
            waiting.events.push_back(told);
        } else {
            waiting.left_out += 1;
        }
    }
}
