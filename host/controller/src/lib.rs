//! The controller: holds the plan, hands tiles out to workers, and writes what comes back.

mod address;
mod changes;
mod control;
mod error;
mod events;
mod external;
pub mod fleet;
mod job_state;
mod journal;
mod leases;
mod locks;
mod plan;
mod processes;
mod ranges;
mod reading;
mod ready_job;
mod reduce;
pub mod remote;
mod remote_job;
mod report;
mod results;
mod run;
mod schedule;
mod sending;
mod server;
mod session;
mod tally;
mod threads;
mod work;
mod writer;

#[cfg(test)]
mod liveness;

pub use address::{Address, own_addresses};
pub use control::{Control, Unsettled};
pub use error::Error;
pub use events::{Event, Identity, Observer};
pub use external::External;
pub use fleet::{ConnectedWorkers, Fleet, FleetError};
pub use journal::{Ground, Journal, JournalError};
pub use locks::{beside, digest, lock_elsewhere, lock_here};
pub use plan::Plan;
pub use processes::Processes;
pub use ranges::Ranges;
pub use ready_job::ReadyJob;
pub use report::{Ended, Job, Report, Stages, Usage};
pub use run::{Finished, RunResult, Unfinished, run};
pub use tally::{Counts, RunTally, WorkerTally};
pub use work::{Spent, Work};
