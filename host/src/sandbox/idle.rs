//! Instances that have done a tile and wait for the next.

use std::sync::{Arc, Mutex, PoisonError};

use super::instance::GuestRange;
use super::running::Running;
use super::start::Start;
use super::written::PageMap;

/// What the inputs of an instance that went back hold in debug builds: a pixel that isn't filled shows.
const STALE: u8 = 0xa5;

/// The idle instances of a function.
pub(super) struct Idle {
    map: Option<Arc<PageMap>>,
    waiting: Mutex<Vec<(Running, Box<Prepared>)>>,
}

/// The memory for inputs that an instance has given, and its state at that moment.
struct Prepared {
    lens: Vec<usize>,
    align: usize,
    inputs: Vec<GuestRange>,
    start: Start,
}

/// What it takes to use an instance again.
pub(super) struct Again {
    idle: Arc<Idle>,
    prepared: Box<Prepared>,
}

impl Idle {
    /// None yet; without a `map` of this process's memory there never are any.
    pub fn new(map: Option<&Arc<PageMap>>) -> Arc<Self> {
        Arc::new(Self { map: map.cloned(), waiting: Mutex::default() })
    }

    /// An instance with memory for inputs of these lengths, in the state that a fresh one would be in.
    pub fn take(self: &Arc<Self>, lens: &[usize], align: usize) -> Option<(Running, Again)> {
        let map = self.map.as_ref()?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(_, prepared): &(Running, Box<Prepared>)| prepared.lens == lens && prepared.align == align;
        // One that doesn't fit makes room for another: there are never more than were at work at a time.
        let fitting = waiting.iter().position(fits);
        let taken = fitting.or((!waiting.is_empty()).then_some(0)).map(|index| waiting.remove(index));
        drop(waiting);
        let (mut running, prepared) = taken.filter(|_| fitting.is_some())?;
        prepared.start.go_back(&mut running, map)?;
        if cfg!(debug_assertions) {
            for input in &prepared.inputs {
                running.memory_mut().get_mut(input.bounds()).into_iter().for_each(|input| input.fill(STALE));
            }
        }
        Some((running, Again { idle: Arc::clone(self), prepared }))
    }

    /// What it takes to use an instance again that has just given memory for its `inputs`, if that is possible.
    pub fn again(
        self: &Arc<Self>,
        running: &mut Running,
        lens: &[usize],
        align: usize,
        inputs: &[GuestRange],
    ) -> Option<Again> {
        let start = Start::of(running, inputs, self.map.as_ref()?)?;
        let prepared = Prepared { lens: lens.to_vec(), align, inputs: inputs.to_vec(), start };
        Some(Again { idle: Arc::clone(self), prepared: Box::new(prepared) })
    }
}

impl Again {
    /// Where its inputs are.
    pub fn inputs(&self) -> &[GuestRange] {
        &self.prepared.inputs
    }

    /// Has `running` wait for another tile.
    pub fn wait(self, running: Running) {
        self.idle.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((running, self.prepared));
    }
}
